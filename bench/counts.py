"""What the dataflow has counted in the end."""

from importlib.resources import files

from bench import report
from ops.provision import administration
from settings import Settings

_PARTS = frozenset({"rejected", "carts"})


def counts_of(case: str, settings: Settings, messages: int) -> dict[str, int]:
    """Return messages, their parts, and the visits of every board and window length, by name.

    :raises Fatal: a count of all visits is not `messages`; MariaDB is unavailable or refuses the administrator.
    """
    statement = files("bench").joinpath("counts.sql").read_text(encoding="utf-8")
    with administration(settings) as connection:
        connection.select_db(settings.mariadb_database)
        cursor = connection.cursor()
        cursor.execute(statement.rstrip(";\n"))
        counts = {name: int(number) for name, number in cursor.fetchall()}
    report.check(case, messages, {name: number for name, number in counts.items() if name not in _PARTS})
    return counts
