"""Versions of the schema: an older database is upgraded and loses nothing, an unknown one is refused."""

from pathlib import Path

import pytest

from clients.sql import schema, schema_version
from ops.provision import provision
from partition.owner import PartitionOwner
from process.errors import ExitCode, Fatal
from settings import Settings
from tests.pipeline import check_all, ops, run_to_end
from tests.support import produce, query
from tests.traffic import Truth, traffic

VERSION_0_1 = Path(__file__).parent / "version_0_1.sql"
APPLIED = "SELECT version, name, checksum FROM schema_versions ORDER BY version"


def refused(settings: Settings) -> Fatal:
    """Return the error that a dataflow ends with."""
    with pytest.raises(Fatal) as caught:
        PartitionOwner(settings).pipeline()
    return caught.value


def as_version_0_1(settings: Settings) -> None:
    """Make the tables what version 0.1 made of them, with the same rows."""
    for table in ("progress", "pipeline", "window_totals"):
        query(settings, f"RENAME TABLE {table} TO {table}_now")
    for statement in VERSION_0_1.read_text(encoding="utf-8").split(";\n"):
        if statement.strip():
            query(settings, statement)
    for table in ("progress", "pipeline", "window_totals"):
        columns = ", ".join(row[0] for row in query(settings, f"SHOW COLUMNS FROM {table}"))
        query(settings, f"INSERT INTO {table} ({columns}) SELECT {columns} FROM {table}_now")  # noqa: S608
        query(settings, f"DROP TABLE {table}_now")
    query(settings, "DROP TABLE schema_versions")


def test_provision_records_every_schema_file(settings: Settings) -> None:
    """With its checksum; repeating it applies none again."""
    expected = [(file.version, file.name, file.checksum) for file in schema()]
    assert query(settings, APPLIED) == expected
    provision(settings)
    assert query(settings, APPLIED) == expected


def test_a_database_of_version_0_1_is_upgraded(settings: Settings, environment: dict[str, str], tmp_path: Path) -> None:
    """The dataflow names the command; afterwards it resumes, and every row is as if it had always run."""
    first, second = traffic(2000, seed=61), traffic(2000, seed=62)
    produce(settings, [(sent.partition, sent.value) for sent in first])
    run_to_end(environment, tmp_path)
    as_version_0_1(settings)
    error = refused(settings)
    assert error.code == ExitCode.CONFIG
    assert error.message.endswith("run python -m ops provision")
    before = query(settings, "SELECT * FROM window_totals ORDER BY 1, 2, 3, 4")
    provision(settings)
    assert query(settings, "SELECT * FROM window_totals ORDER BY 1, 2, 3, 4") == before
    assert query(settings, "SELECT COUNT(last_offset), SUM(messages) FROM progress") == [(0, 2000)]
    produce(settings, [(sent.partition, sent.value) for sent in second])
    run_to_end(environment, tmp_path)
    check_all(settings, Truth([*first, *second]))
    assert ops(environment, "verify").returncode == 0


def test_an_older_or_newer_schema_is_refused(settings: Settings) -> None:
    """One message with both versions, and what to do."""
    query(settings, "DELETE FROM schema_versions WHERE version = ?", (schema_version(),))
    error = refused(settings)
    assert error.code == ExitCode.CONFIG
    older = f"has schema version {schema_version() - 1}, but {schema_version()} is needed; run python -m ops provision"
    assert older in error.message
    provision(settings)
    query(settings, "INSERT INTO schema_versions (version, name, checksum) VALUES (999, '999_later.sql', 'x')")
    error = refused(settings)
    assert error.code == ExitCode.CONFIG
    assert f"has schema version 999, but this program knows {schema_version()}: use the version" in error.message
    with pytest.raises(Fatal, match="has schema version 999") as caught:
        provision(settings)
    assert caught.value.code == ExitCode.CONFIG


def test_a_changed_schema_file_is_refused(settings: Settings) -> None:
    """What was applied must not change afterwards."""
    query(settings, "UPDATE schema_versions SET checksum = REPEAT('0', 64) WHERE version = 1")
    with pytest.raises(Fatal, match=r"schema file 001_tables\.sql is not the one that was applied") as caught:
        provision(settings)
    assert caught.value.code == ExitCode.CONFIG
