"""MariaDB's users: the dataflow's and the leaderboard's, with the fewest rights that each needs."""

from typing import Any, NamedTuple

from clients.sql import queries, quoted_name
from process.errors import ExitCode, Fatal
from settings import Settings

# Not on the whole database: the reader must not see pipeline_secret, nor the dataflow change table pipeline.
_DATAFLOW = {
    "window_totals": "SELECT, INSERT, UPDATE",
    "progress": "SELECT, UPDATE",
    "pipeline": "SELECT",
    "pipeline_secret": "SELECT",
    "schema_versions": "SELECT",
}
_READER = dict.fromkeys(
    ("window_totals", "progress", "pipeline", "board_starts", "visit_stats", "seq_0_to_65535"), "SELECT"
)


class _User(NamedTuple):
    """A user that the environment names, and its privileges by table."""

    variable: str
    name: str
    password: str
    privileges: dict[str, str]


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

    Privileges on the whole database, which version 0.1 granted, are revoked after those by table are granted: a
    dataflow or a leaderboard that is running never lacks one.

    :raises mariadb.Error: to be translated by the caller.
    """
    for user in _users(settings):
        for host in _hosts(cursor, user.name) or _created(cursor, user):
            _grant(cursor, settings.mariadb_database, user, host)
    for user in _users(settings):  # one name may be both users
        for host in _hosts(cursor, user.name):
            _revoke_on_database(cursor, settings.mariadb_database, user.name, host)


def _grant(cursor: Any, database: str, user: _User, host: str) -> None:
    for table, privileges in user.privileges.items():
        name = f"{quoted_name(database)}.{quoted_name(table)}"
        cursor.execute(queries()["grant"], (privileges, name, user.name, host))


def _revoke_on_database(cursor: Any, database: str, user: str, host: str) -> None:
    pattern = database.replace("_", r"\_")  # in a grant on all tables _ stands for any character
    cursor.execute(queries()["granted_on_database"], (user, host, pattern))
    if cursor.fetchone() == (1,):
        cursor.execute(queries()["revoke_on_database"], (quoted_name(pattern), user, host))


def _users(settings: Settings) -> tuple[_User, ...]:
    return (
        _User("MARIADB_USER", settings.mariadb_user, settings.mariadb_password, _DATAFLOW),
        _User("MARIADB_READER_USER", settings.mariadb_reader_user, settings.mariadb_reader_password, _READER),
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
