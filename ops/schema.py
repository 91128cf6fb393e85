"""Bring a database's schema forward: each numbered file is applied once, in order, and recorded."""

import logging
from typing import Any, NamedTuple

from clients.sql import queries, schema, schema_version
from process.errors import ExitCode, Fatal

logger = logging.getLogger(__name__)


class Applied(NamedTuple):
    """A schema file that has been applied."""

    version: int
    name: str
    checksum: str


def applied(cursor: Any, tables: set[str]) -> list[Applied]:
    """Return the files that have been applied; none to a database that version 0.1 has made.

    `tables` are those that the database has.

    :raises mariadb.Error: to be translated by the caller.
    """
    if "schema_versions" not in tables:
        return []
    cursor.execute(queries()["schema_versions"])
    return [Applied(*row) for row in cursor.fetchall()]


def refuse_unknown(database: str, files: list[Applied]) -> None:
    """Refuse a database that a later version has upgraded, or whose files were changed since.

    :raises Fatal: CONFIG.
    """
    known = {file.name: file.checksum for file in schema()}
    for file in files:
        if file.version > schema_version():
            message = (
                f"database {database!r} has schema version {file.version}, but this program knows "
                f"{schema_version()}: use the version of it that upgraded the database"
            )
            raise Fatal(message, ExitCode.CONFIG)
        if known.get(file.name) != file.checksum:
            message = (
                f"schema file {file.name} is not the one that was applied to database {database!r}: restore the file; "
                "a change of the schema is a new file"
            )
            raise Fatal(message, ExitCode.CONFIG)


def upgrade(connection: Any, files: list[Applied]) -> None:
    """Apply what has not been applied. Statements commit by themselves: a crash half-way is mended by the next run.

    :raises mariadb.Error: to be translated by the caller.
    """
    cursor = connection.cursor()
    cursor.execute(queries()["create_schema_versions"])
    versions = {file.version for file in files}
    for file in schema():
        if file.version in versions:
            continue
        for statement in file.statements:
            cursor.execute(statement)
        cursor.execute(queries()["insert_schema_version"], (file.version, file.name, file.checksum))
        connection.commit()
        logger.info("schema file %s applied", file.name, extra={"action": "schema", "version": file.version})
