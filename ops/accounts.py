"""MariaDB's users: the dataflow's and the leaderboard's, with the fewest rights that each needs."""

from typing import Any, NamedTuple

from clients.sql import queries
from process.errors import ExitCode, Fatal
from settings import Settings


class _User(NamedTuple):
    """A user that the environment names, and the statement that grants its rights."""

    variable: str
    name: str
    password: str
    grant: str


def refuse_missing_passwords(cursor: Any, settings: Settings) -> None:
    """Refuse users that would have to be created without a password; nothing is changed.

    :raises Fatal: a user has to be created, and its password is empty.
    :raises mariadb.Error: to be translated by the caller.
    """
    named: set[str] = set()
    for user in _users(settings):
        if not user.password and user.name not in named and not _hosts(cursor, user.name):
            password_variable = user.variable.replace("USER", "PASSWORD")
            message = (
                f"user {user.name!r} ({user.variable}) does not exist and {password_variable} is empty: "
                "set it to create the user"
            )
            raise Fatal(message, ExitCode.CONFIG)
        named.add(user.name)


def ensure(cursor: Any, settings: Settings) -> None:
    """Create the users that do not exist, and grant; no existing password is changed.

    :raises mariadb.Error: to be translated by the caller.
    """
    for user in _users(settings):
        for host in _hosts(cursor, user.name) or _created(cursor, user):
            cursor.execute(queries()[user.grant], (settings.mariadb_database, user.name, host))


def _users(settings: Settings) -> tuple[_User, ...]:
    return (
        _User("MARIADB_USER", settings.mariadb_user, settings.mariadb_password, "grant_dataflow"),
        _User("MARIADB_READER_USER", settings.mariadb_reader_user, settings.mariadb_reader_password, "grant_reader"),
    )


def _created(cursor: Any, user: _User) -> list[str]:
    # On localhost an anonymous account takes precedence over user@'%', and would refuse the password.
    hosts = ["%", *_hosts(cursor, "")]
    for host in hosts:
        cursor.execute(queries()["create_user"], (user.name, host, user.password))
    return hosts


def _hosts(cursor: Any, user: str) -> list[str]:
    cursor.execute(queries()["hosts_of_user"], (user,))
    return [row[0] for row in cursor.fetchall()]
