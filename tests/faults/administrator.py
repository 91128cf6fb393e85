"""What an administrator of MariaDB does to a running pipeline."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import mariadb as driver

from clients import mariadb
from clients.mariadb import Login
from settings import Settings

NO_SUCH_THREAD = 1094

_PATIENT = "SET SESSION wait_timeout = 600, idle_transaction_timeout = 0, idle_write_transaction_timeout = 0"


@contextmanager
def administrator(settings: Settings) -> Iterator[Any]:
    """Lead to a cursor on the pipeline's database, whose connection may stand idle, in a transaction too."""
    connection = mariadb.connect(Login.admin(settings)._replace(database=settings.mariadb_database), read_timeout_s=600)
    try:
        cursor = connection.cursor()
        cursor.execute(_PATIENT)
        yield cursor
    finally:
        connection.close()


def kill_connections(settings: Settings) -> int:
    """KILL all of the dataflow's connections, and return their number; one may have ended already."""
    killed = 0
    with administrator(settings) as cursor:
        cursor.execute("SELECT ID FROM information_schema.PROCESSLIST WHERE USER = ?", (settings.mariadb_user,))
        for (connection,) in cursor.fetchall():
            try:
                cursor.execute(f"KILL {connection}")
                killed += 1
            except driver.Error as error:
                if error.errno != NO_SUCH_THREAD:
                    raise
    return killed
