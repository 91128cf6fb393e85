"""Servers that stop and return, locks, stopped processes: the promises hold during and after."""

import signal
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import psutil
import pytest

from clients import mariadb
from clients.mariadb import Login
from ops.servers import Servers
from settings import Settings
from tests.faults.administrator import kill_connections
from tests.faults.load import flowing
from tests.pipeline import Log, check_all, check_promise_1, ops, ops_run, progressed, running
from tests.support import produce, wait_until
from tests.traffic import Sent, Truth, traffic

MESSAGES = 30_000
INTERRUPTED = -signal.SIGINT
PER_S = 4000
STEP_S = 0.1


def sending(settings: Settings, sent: list[Sent]) -> AbstractContextManager[None]:
    """Send for as long as it takes, whatever happens to Kafka meanwhile."""
    step = int(PER_S * STEP_S)
    parts = (sent[at : at + step] for at in range(0, len(sent), step))

    def send(part: list[Sent]) -> None:
        produce(settings, [(message.partition, message.value) for message in part])

    return flowing(send, parts, every_s=STEP_S)


def disturb(
    settings: Settings, environment: dict[str, str], folder: Path, how: Callable[[psutil.Process], None]
) -> None:
    """Let visits flow, disturb, and compare every row, cart and reject when all are counted."""
    sent = traffic(MESSAGES, seed=21)
    truth = Truth(sent)
    with ops_run(environment, folder) as runner:
        wait_until_owned(folder)
        with sending(settings, sent):
            wait_until(lambda: progressed(settings) >= 3000, deadline_s=60, what="visits flowing")
            assert progressed(settings) < MESSAGES / 2, "most of the visits must come during the disturbance"
            how(runner)
            check_promise_1(settings, truth)
        wait_until(
            lambda: progressed(settings) == MESSAGES,
            deadline_s=300,
            what=lambda: f"all counted; the log ends with {(folder / 'run.log').read_text()[-3000:]}",
        )
    check_all(settings, truth)
    verified = ops(environment, "verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr


def wait_until_owned(folder: Path) -> None:
    """Wait until the first processes own all partitions."""
    log = folder / "run.log"
    wait_until(lambda: log.read_text().count("owned from") >= 4, deadline_s=90, what="four owned partitions")


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_mariadb_restarted_in_mid_run(
    own_servers: Servers, own_settings: Settings, own_environment: dict[str, str], tmp_path: Path, how: str
) -> None:
    """Stopped cleanly or killed with -9, and restarted: connections are opened anew, nothing is added twice."""
    server = own_servers.mariadb
    assert server is not None

    def restart(_: psutil.Process) -> None:
        getattr(server, how)()
        server.start()

    disturb(own_settings, own_environment, tmp_path, restart)


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_kafka_restarted_in_mid_run(
    own_servers: Servers, own_settings: Settings, own_environment: dict[str, str], tmp_path: Path, how: str
) -> None:
    """Stopped cleanly or killed with -9, and restarted: no cart is lost or duplicated."""
    server = own_servers.kafka
    assert server is not None

    def restart(_: psutil.Process) -> None:
        getattr(server, how)()
        server.start()

    disturb(own_settings, own_environment, tmp_path, restart)


def test_mariadb_unavailable_for_30_s(
    own_servers: Servers, own_settings: Settings, own_environment: dict[str, str], tmp_path: Path
) -> None:
    """An outage of half a minute is survived in place, or by a restart."""
    server = own_servers.mariadb
    assert server is not None

    def stop_for_30_s(_: psutil.Process) -> None:
        server.stop()
        back_at = time.monotonic() + 30
        wait_until(lambda: time.monotonic() >= back_at, deadline_s=40, what="30 s passed")
        server.start()

    disturb(own_settings, own_environment, tmp_path, stop_for_30_s)


def test_connections_killed_by_an_administrator(
    settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    """KILL of every connection, ten times, while visits flow: the same processes continue."""
    log = Log(settings, traffic(MESSAGES, seed=21))

    def more_counted(before: int) -> bool:
        return progressed(settings) > before

    with ops_run(environment, tmp_path) as runner:
        wait_until_owned(tmp_path)
        before = runner.children()
        for _ in range(10):
            begun = log.length
            with log.growing_to(begun + MESSAGES // 10):
                wait_until(partial(more_counted, begun), deadline_s=90, what="visits flowing")
                kill_connections(settings)
            wait_until(lambda: progressed(settings) == log.length, deadline_s=90, what=f"{log.length} counted")
        assert runner.children() == before
    check_all(settings, log.truth)


def test_rows_locked_by_another_connection(settings: Settings, environment: dict[str, str], tmp_path: Path) -> None:
    """A lock on all totals for longer than a statement waits (5 s) delays, and changes nothing."""

    def lock(_: psutil.Process) -> None:
        connection = mariadb.connect(Login.admin(settings)._replace(database=settings.mariadb_database))
        cursor = connection.cursor()
        cursor.execute("SET SESSION idle_transaction_timeout = 0, idle_readonly_transaction_timeout = 0")
        cursor.execute("SELECT COUNT(*) FROM window_totals WHERE visits >= 0 FOR UPDATE")
        cursor.fetchall()
        held_until = time.monotonic() + 8
        counted = progressed(settings)
        wait_until(lambda: time.monotonic() >= held_until, deadline_s=20, what="8 s passed")
        assert progressed(settings) == counted
        connection.rollback()
        connection.close()

    disturb(settings, environment, tmp_path, lock)


def test_a_worker_stopped_beyond_the_transaction_time_out(
    settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    """SIGSTOP for 13 s, then SIGCONT: it continues, or ends fenced and is restarted."""

    def stop(runner: psutil.Process) -> None:
        worker = runner.children()[0]
        worker.suspend()
        resume_at = time.monotonic() + 13
        wait_until(lambda: time.monotonic() >= resume_at, deadline_s=20, what="13 s passed")
        worker.resume()

    disturb(settings, environment, tmp_path, stop)


def test_ctrl_c_commits_nothing_and_loses_nothing(
    settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    """Bytewax closes every sink on Ctrl-C: what is not committed by then is counted by the next run."""
    sent = traffic(150_000, seed=22)
    produce(settings, [(message.partition, message.value) for message in sent])
    with running(environment | {"BATCH_MESSAGES": "500"}, tmp_path, workers=2) as dataflow:
        wait_until(lambda: progressed(settings) > 0, deadline_s=60, what="the first commit")
        dataflow.signal(signal.SIGINT)
        assert dataflow.wait(60) == [INTERRUPTED], dataflow.output()
        assert " CRITICAL " not in dataflow.output()
    counted = check_promise_1(settings, Truth(sent))
    assert 0 < counted < len(sent), "the signal must come in mid-run"
    with running(environment | {"STOP_AT_END": "1"}, tmp_path) as dataflow:
        assert dataflow.wait() == [0]
    check_all(settings, Truth(sent))
