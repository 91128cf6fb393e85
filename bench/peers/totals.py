"""The table in MariaDB that a peer writes its windows to, in a database of the benchmark's own."""

from importlib.resources import files

from bench.peers.truth import WINDOW_S
from ops.provision import administration
from oracle.sums import Row, Sums
from settings import Settings

_SELECT = "SELECT TIMESTAMPDIFF(SECOND, '1970-01-01', window_start), board, entry, duration_s, visits FROM peer_totals"


def create(settings: Settings) -> None:
    """Create the table, empty.

    :raises Fatal: MariaDB is unavailable or refuses the administrator.
    """
    statement = files("bench.peers").joinpath("totals.sql").read_text(encoding="utf-8")
    with administration(settings) as connection:
        connection.select_db(settings.mariadb_database)
        connection.cursor().execute(statement)


def read(settings: Settings) -> Sums:
    """Return what the table holds.

    :raises Fatal: MariaDB is unavailable or refuses the administrator.
    """
    sums = Sums(WINDOW_S, settings.boards)
    with administration(settings) as connection:
        connection.select_db(settings.mariadb_database)
        cursor = connection.cursor()
        cursor.execute(_SELECT)
        for start_s, board, entry, duration_s, visits in cursor.fetchall():
            sums.put(Row(int(start_s), board, entry, int(duration_s), int(visits)))
    return sums


def jdbc_url(settings: Settings) -> str:
    """Return the address of the database for MariaDB's Java driver; one round trip takes a whole batch of rows."""
    place = f"{settings.mariadb_host}:{settings.mariadb_port}/{settings.mariadb_database}"
    return f"jdbc:mariadb://{place}?useBulkStmts=true&rewriteBatchedStatements=true"
