"""Connections to MariaDB, and the one place where its errors are translated."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import mariadb

from process.errors import ExitCode, Fatal
from settings import Settings

CONNECT_TIMEOUT_S = 2
READ_TIMEOUT_S = 10

# A waiting write, a process stopped inside its transaction, a power failure: each ends by itself (seconds).
_SESSION = (
    "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
    "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', time_zone = '+00:00',"
    " innodb_lock_wait_timeout = 5, idle_write_transaction_timeout = 5, wait_timeout = 60",
)

# https://mariadb.com/kb/en/mariadb-error-codes/: deadlock, lock wait time-out, record changed since last read.
_TRANSIENT = frozenset({1213, 1205, 1020})
# Client side: 2002-2006, 2012, 2013, 2026, 2055; server side: shutdown, too many connections, network, killed, idle.
_LOST = frozenset(
    {1040, 1053, 1077, 1079, 1152, 1158, 1159, 1160, 1161, 1184, 1203, 1317, 1927, 4031, 2002, 2003, 2004}
    | {2005, 2006, 2012, 2013, 2026, 2055}
)
_REFUSED = frozenset({1044, 1045, 1129, 1130, 1142, 1143, 1227, 1251, 1698, 2059})
_NOT_PROVISIONED = frozenset({1049, 1146})


class Transient(Exception):  # noqa: N818
    """The statement lost against another one: roll back and do the same again."""


class ConnectionLost(Exception):  # noqa: N818
    """The connection is gone; whether the last commit arrived is unknown."""


class Login(NamedTuple):
    """Who connects to which database of which server."""

    host: str
    port: int
    user: str
    password: str
    database: str | None
    tls_ca: str | None

    @classmethod
    def dataflow(cls, settings: Settings) -> "Login":
        """The dataflow's own user: SELECT, INSERT, UPDATE."""
        return cls._of(settings, settings.mariadb_user, settings.mariadb_password)

    @classmethod
    def reader(cls, settings: Settings) -> "Login":
        """The leaderboard's user: SELECT."""
        return cls._of(settings, settings.mariadb_reader_user, settings.mariadb_reader_password)

    @classmethod
    def admin(cls, settings: Settings) -> "Login":
        """Provision's and reset's user, on no database: it may not exist yet."""
        login = cls._of(settings, settings.mariadb_admin_user, settings.mariadb_admin_password)
        return login._replace(database=None)

    @classmethod
    def _of(cls, settings: Settings, user: str, password: str) -> "Login":
        where = (settings.mariadb_host, settings.mariadb_port)
        return cls(*where, user, password, settings.mariadb_database, settings.mariadb_tls_ca)

    def __str__(self) -> str:
        return f"MariaDB at {self.host}:{self.port} as {self.user!r}"


def connect(login: Login) -> Any:
    """Open a connection: transactions by hand, READ COMMITTED, strict, UTC, every wait bounded.

    :raises ConnectionLost: the server is unavailable.
    :raises Fatal: it refuses the user, or has no such database.
    """
    options: dict[str, Any] = {
        # For "localhost" the connector uses a socket file of its own choice, whatever the port.
        "host": "127.0.0.1" if login.host == "localhost" else login.host,
        "port": login.port,
        "user": login.user,
        "password": login.password,
        "connect_timeout": CONNECT_TIMEOUT_S,
        "read_timeout": READ_TIMEOUT_S,
        "write_timeout": READ_TIMEOUT_S,
        "autocommit": False,
    }
    if login.database:
        options["database"] = login.database
    if login.tls_ca:
        options |= {"ssl_ca": login.tls_ca, "ssl_verify_cert": True}
    with translated(str(login)):
        connection = mariadb.connect(**options)
        cursor = connection.cursor()
        for statement in _SESSION:
            cursor.execute(statement)
        cursor.close()
    return connection


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Translate MariaDB's errors, by their code; `doing` names what was tried.

    :raises Transient: repeat it.
    :raises ConnectionLost: connect again, then read the position.
    :raises Fatal: anything else.
    """
    try:
        yield
    except mariadb.Error as error:
        text = f"{doing}: error {error.errno}: {error}"
        if error.errno in _TRANSIENT:
            raise Transient(text) from error
        if error.errno in _LOST:
            raise ConnectionLost(text) from error
        if error.errno in _REFUSED:
            message = (
                f"{text}; check this user and its password, and the hosts it may connect from, "
                "or run python -m ops provision"
            )
            raise Fatal(message, ExitCode.CONFIG) from error
        if error.errno in _NOT_PROVISIONED:
            raise Fatal(f"{text}; run python -m ops provision", ExitCode.CONFIG) from error
        raise Fatal(text, ExitCode.ABORTED) from error


def unavailable(error: Exception) -> Fatal:
    """Return the error for a server that is unavailable, or whose rows stay locked."""
    if isinstance(error, Transient):
        message = f"{error}; another connection keeps these rows locked: SHOW PROCESSLIST names it"
        return Fatal(message, ExitCode.UNAVAILABLE)
    message = f"{error}; is MariaDB running, and are MARIADB_HOST, MARIADB_PORT and MARIADB_TLS_CA right?"
    return Fatal(message, ExitCode.UNAVAILABLE)
