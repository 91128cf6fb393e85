"""Connections to MariaDB: what holds on each of them, and how the server's errors are translated."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from clients import mariadb
from clients.mariadb import ConnectionLost, Login, Transient, translated
from ops.servers.processes import free_port
from process.errors import ExitCode, Fatal
from settings import Settings
from tests.support import query

pytestmark = pytest.mark.environment(VISITS_PARTITIONS="1")


@pytest.fixture
def connection(settings: Settings) -> Iterator[Any]:
    """The dataflow's connection."""
    connection = mariadb.connect(Login.dataflow(settings))
    yield connection
    connection.close()


def execute(connection: Any, statement: str) -> list[tuple[Any, ...]]:
    with translated("trying"):
        cursor = connection.cursor()
        cursor.execute(statement)
        rows: list[tuple[Any, ...]] = cursor.fetchall() if cursor.description else []
        return rows


def test_what_holds_on_every_connection(connection: Any) -> None:
    """Whatever the server's own settings are."""
    (row,) = execute(
        connection,
        "SELECT @@autocommit, @@tx_isolation, @@time_zone, @@innodb_lock_wait_timeout, @@wait_timeout, "
        "@@idle_write_transaction_timeout, @@sql_mode",
    )
    assert row == (0, "READ-COMMITTED", "+00:00", 5, 60, 5, "STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"mariadb_password": "wrong"}, "check this user"),
        ({"mariadb_user": "nobody"}, "check this user"),
        ({"mariadb_database": "mysql"}, "check this user"),
    ],
    ids=["password", "user", "database of others"],
)
def test_a_refused_login_is_one_message(settings: Settings, change: dict[str, str], words: str) -> None:
    """It names the server and the user, never the password."""
    with pytest.raises(Fatal) as caught:
        mariadb.connect(Login.dataflow(replace(settings, **change)))  # type: ignore[arg-type]
    assert caught.value.code == ExitCode.CONFIG
    user = change.get("mariadb_user", settings.mariadb_user)
    assert caught.value.message.startswith(f"MariaDB at 127.0.0.1:{settings.mariadb_port} as '{user}': error 1")
    assert words in caught.value.message
    assert "wrong" not in caught.value.message


def test_an_unavailable_server_is_a_lost_connection(settings: Settings) -> None:
    """No server listens there: the caller retries."""
    with pytest.raises(ConnectionLost) as caught:
        mariadb.connect(Login.dataflow(replace(settings, mariadb_port=free_port())))
    fatal = mariadb.unavailable(caught.value)
    assert fatal.code == ExitCode.UNAVAILABLE
    assert "MARIADB_PORT" in fatal.message


def test_localhost_means_the_port_that_is_set(settings: Settings) -> None:
    """Not a socket file of the connector's own choice."""
    mariadb.connect(Login.dataflow(replace(settings, mariadb_host="localhost"))).close()


def test_a_missing_table_is_not_provisioned(connection: Any, settings: Settings) -> None:
    """The message names the command."""
    query(settings, "DROP TABLE window_totals")
    with pytest.raises(Fatal, match=r"error 1146: .*; run python -m ops provision") as caught:
        execute(connection, "SELECT * FROM window_totals")
    assert caught.value.code == ExitCode.CONFIG


def test_a_forbidden_statement_is_a_matter_of_accounts(connection: Any) -> None:
    """The dataflow may not delete anything."""
    with pytest.raises(Fatal, match="error 1142: ") as caught:
        execute(connection, "DELETE FROM progress")
    assert caught.value.code == ExitCode.CONFIG


def test_any_other_error_ends_the_run(connection: Any) -> None:
    """With the server's own text; strict mode makes a value that does not fit such an error."""
    with pytest.raises(Fatal, match=r"^trying: error 1406: ") as caught:
        execute(connection, "UPDATE progress SET topic = REPEAT('x', 300)")
    assert caught.value.code == ExitCode.ABORTED


def test_a_killed_connection_is_lost(connection: Any, settings: Settings) -> None:
    """KILL, a restart, a reset: whether the last commit arrived is unknown."""
    admin = mariadb.connect(Login.admin(settings))
    execute(admin, f"KILL {execute(connection, 'SELECT CONNECTION_ID()')[0][0]}")
    admin.close()
    with pytest.raises(ConnectionLost):
        execute(connection, "DO 1")


def test_a_deadlock_and_a_locked_row_are_tried_again(connection: Any, settings: Settings) -> None:
    """The statement has lost against another one."""
    other = mariadb.connect(Login.dataflow(settings))
    execute(other, "SELECT * FROM progress FOR UPDATE")
    execute(connection, "SET SESSION innodb_lock_wait_timeout = 0")
    with pytest.raises(Transient, match=r"^trying: error 1205: "):
        execute(connection, "SELECT * FROM progress FOR UPDATE")
    other.close()
