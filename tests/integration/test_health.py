"""`python -m ops health`: whether the dataflow moves; and what its log shows of work and of outages."""

from pathlib import Path

from process.errors import ExitCode
from settings import Settings
from tests.metrics import free_ports, scraped, total
from tests.pipeline import ops, progressed, run_to_end, running
from tests.support import produce, query, wait_until
from tests.traffic import traffic


def send(settings: Settings, messages: int, *, seed: int = 1) -> None:
    produce(settings, [(message.partition, message.value) for message in traffic(messages, seed=seed)])


def test_health_is_good_while_nothing_waits_or_everything_moves(
    settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    """Before the first visit, while a dataflow counts, and after it; without one, messages that wait are named."""
    good = "the dataflow moves, or has nothing to do\n"
    done = ops(environment, "health", "--within", "1")
    assert (done.returncode, done.stdout) == (0, good)
    send(settings, 400)
    done = ops(environment, "health", "--within", "1")
    assert done.returncode == 1
    assert "400 messages wait in Kafka, and none was counted for 1 s; none was ever counted" in done.stdout
    with running(environment, tmp_path):
        done = ops(environment, "health", "--within", "60")
        assert (done.returncode, done.stdout) == (0, good)
        wait_until(lambda: progressed(settings) == 400, deadline_s=60, what="400 messages counted")
    send(settings, 10, seed=2)
    done = ops(environment, "health", "--within", "1")
    assert (done.returncode, done.stdout.count("\n")) == (1, 1)
    assert "none was counted for 1 s; the last commit was at 20" in done.stdout


def test_one_partition_that_stands_still_is_enough(
    settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    """It is named, though the others are counted."""
    send(settings, 100)
    run_to_end(environment, tmp_path)
    produce(settings, [(2, b"?")])
    done = ops(environment, "health", "--within", "1")
    assert done.returncode == 1
    assert done.stdout.startswith("partition 2: 1 messages wait in Kafka")


def test_health_of_servers_that_are_unavailable(settings: Settings, environment: dict[str, str]) -> None:
    """The code of what is unavailable."""
    done = ops(environment | {"MARIADB_PORT": "1"}, "health")
    assert (done.returncode, done.stdout) == (ExitCode.UNAVAILABLE, "")


def test_an_outage_is_a_line_at_its_begin_and_one_at_its_end(
    settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    """However many partitions wait for the server, and however often each tries again."""
    port = free_ports(1)
    with running(environment | {"METRICS_PORT": str(port)}, tmp_path) as dataflow:
        send(settings, 100)
        wait_until(lambda: progressed(settings) == 100, deadline_s=60, what="100 messages counted")
        query(settings, "SET GLOBAL read_only = 1")
        try:
            send(settings, 100, seed=2)

            def retried() -> bool:
                return total(scraped(port), "website_analytics_retries_total", server="mariadb") >= 20

            wait_until(retried, deadline_s=60, what="20 attempts")
            assert "1290" in dataflow.output()
            assert dataflow.output().count("trying again") == 1
        finally:
            query(settings, "SET GLOBAL read_only = 0")
        wait_until(lambda: progressed(settings) == 200, deadline_s=60, what="200 messages counted")
        wait_until(
            lambda: "MariaDB responds again after" in dataflow.output(), deadline_s=30, what="its end in the log"
        )
        assert dataflow.output().count("responds again") == 1
