"""Connections to MariaDB, and the one place where its errors are translated."""

import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

import mariadb

from clients.mariadb_errors import ERRORS, Kind, ServerError
from clients.sql import quoted_name
from process.errors import ExitCode, Fatal
from settings import Settings

CONNECT_TIMEOUT_S = 2
READ_TIMEOUT_S = 10

# A waiting write, a process stopped inside its transaction, a power failure: each ends by itself (seconds).
_SESSION = (
    "SET NAMES utf8mb4 COLLATE utf8mb4_nopad_bin",
    "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
    "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', time_zone = '+00:00',"
    " innodb_lock_wait_timeout = 5, idle_write_transaction_timeout = 5, wait_timeout = 60",
)

_STATE = {
    "character_set_client": "utf8mb4",
    "character_set_connection": "utf8mb4",
    "character_set_results": "utf8mb4",
    "collation_connection": "utf8mb4_nopad_bin",
    "sql_mode": "STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION",
    "time_zone": "+00:00",
    "tx_isolation": "READ-COMMITTED",
}
"""What must hold on every connection, whatever the server's settings are: with another character set, different
names were merged into one row; with another isolation level or zone, totals would be read or counted wrongly."""


class Transient(Exception):  # noqa: N818
    """The statement lost against another one, or the server does not accept writes now: roll back and repeat it."""

    def __init__(self, text: str, known: ServerError) -> None:
        super().__init__(text)
        self.known = known


class ConnectionLost(Exception):  # noqa: N818
    """The connection is gone; whether the last commit arrived is unknown."""

    def __init__(self, text: str, known: ServerError = ERRORS[0]) -> None:
        super().__init__(text)
        self.known = known


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
        return cls(
            host=settings.mariadb_host,
            port=settings.mariadb_port,
            user=user,
            password=password,
            database=settings.mariadb_database,
            tls_ca=settings.mariadb_tls_ca,
        )

    def __str__(self) -> str:
        return f"MariaDB at {self.host}:{self.port} as {self.user!r}"


def connect(login: Login, *, read_timeout_s: int = READ_TIMEOUT_S) -> Any:
    """Open a connection: transactions by hand, READ COMMITTED, strict, UTC, utf8mb4, every wait bounded.

    :raises ConnectionLost: the server is unavailable.
    :raises Fatal: it refuses the user, has no such database, or does not accept the session's settings.
    """
    options: dict[str, Any] = {
        # For "localhost" the connector uses a socket file of its own choice, whatever the port.
        "host": "127.0.0.1" if login.host == "localhost" else login.host,
        "port": login.port,
        "user": login.user,
        "password": login.password,
        "connect_timeout": CONNECT_TIMEOUT_S,
        "read_timeout": read_timeout_s,
        "write_timeout": read_timeout_s,  # to the connector both are names of one time-out, and this one wins
        "autocommit": False,
    }
    if login.database:
        options["database"] = login.database
    if login.tls_ca:
        _refuse_no_certificates(login.tls_ca)
        # Without "ssl" the pure Python connector does not encrypt, whatever else is set.
        options |= {"ssl": True, "ssl_ca": login.tls_ca, "ssl_verify_cert": True}
    with translated(str(login)), ExitStack() as undo:
        connection = mariadb.connect(**options)
        undo.callback(connection.close)  # a server that has accepted it may still refuse what follows
        _begin_session(login, connection.cursor())
        undo.pop_all()
    return connection


def _begin_session(login: Login, cursor: Any) -> None:
    for statement in _SESSION:
        cursor.execute(statement)
    cursor.execute(f"SELECT {', '.join(f'@@{name}' for name in _STATE)}")
    state = dict(zip(_STATE, cursor.fetchone(), strict=True))
    cursor.close()
    _refuse_other_state(login, state)


def _refuse_no_certificates(path: str) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except OSError as error:  # ssl.SSLError is one
        message = f"MARIADB_TLS_CA is {path!r}, but must be a file of PEM certificates that can be read: {error}"
        raise Fatal(message, ExitCode.CONFIG) from error


def _refuse_other_state(login: Login, state: dict[str, str]) -> None:
    for name, expected in _STATE.items():
        if state[name] != expected:
            message = (
                f"{login}: {name} is {state[name]!r} although it was set to {expected!r}; connect to MariaDB itself, "
                "without a proxy that keeps other session settings"
            )
            raise Fatal(message, ExitCode.CONFIG)


def select_database(cursor: Any, name: str) -> None:
    """Make a database the connection's own; release 1.1 of the connector does not quote the name itself.

    :raises mariadb.Error: to be translated by the caller.
    """
    cursor.execute(f"USE {quoted_name(name)}")


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Translate MariaDB's errors, by their number; `doing` names what was tried.

    An error without a number comes from the client: the connection is broken, whatever the server has done.

    :raises Transient: roll back and repeat it.
    :raises ConnectionLost: connect again, then read the position.
    :raises Fatal: anything else.
    """
    try:
        yield
    except mariadb.Error as error:
        number = getattr(error, "errno", 0) or 0
        text = f"{doing}: error {number}: {error}"
        if _is_tls(error):
            message = f"{text}; check MARIADB_TLS_CA, and that MARIADB_HOST is a name in the server's certificate"
            raise Fatal(message, ExitCode.CONFIG) from error
        known = ERRORS.get(number)
        if known is None:
            raise Fatal(text, ExitCode.ABORTED) from error
        if known.kind in {Kind.CONFLICT, Kind.OUTAGE}:
            raise Transient(text, known) from error
        if known.kind == Kind.LOST:
            raise ConnectionLost(text, known) from error
        raise Fatal(f"{text}; {known.cure}", ExitCode.CONFIG) from error


def _is_tls(error: BaseException | None) -> bool:
    """Return whether a certificate was refused: the connector wraps that in an error of its own."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False


def unavailable(error: Transient | ConnectionLost) -> Fatal:
    """Return the error for a server that is unavailable, or that does not accept writes for too long."""
    if error.known.kind == Kind.CONFLICT:
        message = f"{error}; another connection keeps these rows locked: SHOW PROCESSLIST names it"
        return Fatal(message, ExitCode.UNAVAILABLE)
    if error.known.kind == Kind.OUTAGE:
        message = f"{error}; MariaDB does not accept writes: {error.known.cure}"
        return Fatal(message, ExitCode.UNAVAILABLE)
    return Fatal(f"{error}; {error.known.cure}", ExitCode.UNAVAILABLE)
