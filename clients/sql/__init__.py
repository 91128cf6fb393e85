"""The project's SQL, kept as SQL: numbered schema files, and named statements in queries.sql."""

import re
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import NamedTuple

_NAMED = re.compile(r"^-- (\w+) --[^\n]*\n((?:--[^\n]*\n)*)(.*?);\s*$", re.MULTILINE | re.DOTALL)


@cache
def queries() -> dict[str, str]:
    """Return the statements of queries.sql by their names."""
    text = files(__package__).joinpath("queries.sql").read_text(encoding="utf-8")
    return {name: statement.strip() for name, _, statement in _NAMED.findall(text)}


def quoted_name(name: str) -> str:
    """Return a name as SQL takes it, a reserved word or a number too: a parameter cannot stand for a name."""
    return "`" + name.replace("`", "``") + "`"


class SchemaFile(NamedTuple):
    """A numbered schema file: applied once, in the order of the numbers; its statements may be repeated."""

    version: int
    name: str
    checksum: str  # SHA-256, hex
    statements: tuple[str, ...]


@cache
def schema() -> tuple[SchemaFile, ...]:
    """Return the numbered schema files, in their order."""
    folder = files(__package__).joinpath("schema")
    paths = sorted((path for path in folder.iterdir() if path.name.endswith(".sql")), key=lambda path: path.name)
    return tuple(_schema_file(path.name, path.read_text(encoding="utf-8")) for path in paths)


def schema_version() -> int:
    """Return the number of the latest schema file."""
    return schema()[-1].version


def _schema_file(name: str, text: str) -> SchemaFile:
    code = re.sub(r"^--.*$", "", text, flags=re.MULTILINE)
    statements = tuple(statement.strip() for statement in code.split(";\n") if statement.strip(" \n;"))
    return SchemaFile(int(name.partition("_")[0]), name, sha256(text.encode()).hexdigest(), statements)
