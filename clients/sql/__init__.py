"""The project's SQL, kept as SQL: numbered schema files, and named statements in queries.sql."""

import re
from functools import cache
from importlib.resources import files

_NAMED = re.compile(r"^-- (\w+) --[^\n]*\n((?:--[^\n]*\n)*)(.*?);\s*$", re.MULTILINE | re.DOTALL)


@cache
def queries() -> dict[str, str]:
    """Return the statements of queries.sql by their names."""
    text = files(__package__).joinpath("queries.sql").read_text(encoding="utf-8")
    return {name: statement.strip() for name, _, statement in _NAMED.findall(text)}


def quoted_name(name: str) -> str:
    """Return a name as SQL takes it, a reserved word or a number too: a parameter cannot stand for a name."""
    return "`" + name.replace("`", "``") + "`"


@cache
def schema() -> tuple[str, ...]:
    """Return the statements of the numbered schema files, in their order."""
    folder = files(__package__).joinpath("schema")
    numbered = sorted((path for path in folder.iterdir() if path.name.endswith(".sql")), key=lambda path: path.name)
    texts = [re.sub(r"^--.*$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE) for path in numbered]
    return tuple(statement.strip() for text in texts for statement in text.split(";\n") if statement.strip(" \n;"))
