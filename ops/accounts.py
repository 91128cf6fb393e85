"""MariaDB's users: the dataflow's and the leader board's, with the least that each needs."""

from typing import Any

from failure import ExitCode, Fatal
from settings import Settings
from sinks.sql import queries


def ensure(cursor: Any, settings: Settings) -> None:
    """Create the users that do not exist, and grant; nobody's password is changed.

    :raises Fatal: a user has to be created, and its password is empty.
    :raises mariadb.Error: to be translated by the caller.
    """
    database = settings.mariadb_database
    users = (
        ("MARIADB_USER", settings.mariadb_user, settings.mariadb_password, "grant_dataflow"),
        ("MARIADB_READER_USER", settings.mariadb_reader_user, settings.mariadb_reader_password, "grant_reader"),
    )
    for variable, user, password, grant in users:
        for host in _hosts(cursor, user) or _created(cursor, variable, user, password):
            cursor.execute(queries()[grant], (database, user, host))


def _created(cursor: Any, variable: str, user: str, password: str) -> list[str]:
    if not password:
        password_variable = variable.replace("USER", "PASSWORD")
        line = f"user {user!r} ({variable}) does not exist and {password_variable} is empty: set it to create the user"
        raise Fatal(line, ExitCode.CONFIG)
    # An account without a name on localhost would stand before user@'%' there, and refuse the password.
    hosts = ["%", *_hosts(cursor, "")]
    for host in hosts:
        cursor.execute(queries()["create_user"], (user, host, password))
    return hosts


def _hosts(cursor: Any, user: str) -> list[str]:
    cursor.execute(queries()["hosts_of_user"], (user,))
    return [row[0] for row in cursor.fetchall()]
