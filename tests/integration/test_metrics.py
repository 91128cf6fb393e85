"""The metrics of a dataflow, as Prometheus reads them from its processes."""

from pathlib import Path

import pytest

from process.errors import ExitCode
from settings import Settings
from tests.metrics import free_ports, scraped, total
from tests.pipeline import progressed, running
from tests.support import produce, query, wait_until
from tests.traffic import Truth, traffic


def test_each_process_counts_what_it_has_committed(
    settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    """Together they have counted what the database has; the figures of time are there."""
    sent = traffic(6000, seed=5)
    produce(settings, [(message.partition, message.value) for message in sent])
    truth = Truth(sent)
    first = free_ports(2)
    with running(environment | {"METRICS_PORT": str(first)}, tmp_path, processes=2):
        wait_until(lambda: progressed(settings) == 6000, deadline_s=60, what="6000 messages counted")
        both = [scraped(first), scraped(first + 1)]
        [(messages, visits, rejected)] = query(
            settings, "SELECT SUM(messages), SUM(visits), SUM(rejected) FROM progress"
        )
        counted = {
            name: sum(total(samples, f"website_analytics_{name}_total") for samples in both)
            for name in ("messages", "visits", "rejects", "carts")
        }
        carts = sum(map(len, truth.carts().values()))
        assert counted == {"messages": messages, "visits": visits, "rejects": rejected, "carts": carts}
        reasons = {
            dict(labels).get("reason") for samples in both for (name, labels) in samples if "rejects_total" in name
        }
        assert reasons == {"malformed", "invalid", "no_timezone"}
        for samples in both:
            assert total(samples, "website_analytics_owned_partitions") == 2
            assert total(samples, "website_analytics_commits_total", server="mariadb") > 0
            assert total(samples, "website_analytics_commits_total", server="kafka") > 0
            assert total(samples, "website_analytics_commit_rows_sum", server="mariadb") > 0
            assert total(samples, "website_analytics_commit_seconds_count", server="kafka") > 0
            assert total(samples, "website_analytics_latency_seconds_count") > 0
            assert total(samples, "website_analytics_lag_messages") == 0
            assert total(samples, "website_analytics_ahead_batches") == 0
            assert 0 < total(samples, "website_analytics_since_commit_seconds") < 120
            assert total(samples, "website_analytics_event_time_lag_seconds") > 0
            assert total(samples, "website_analytics_build_info") == 1
            assert total(samples, "website_analytics_restarts_total") == 0


def test_metrics_are_off_unless_a_port_is_set_and_a_port_in_use_is_named(
    settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    """One message with host and port, code 78; nothing is counted."""
    port = str(settings.mariadb_port)
    with running(environment | {"METRICS_PORT": port}, tmp_path) as dataflow:
        assert dataflow.wait() == [ExitCode.CONFIG]
        message = f"METRICS_HOST 127.0.0.1 and METRICS_PORT {port} cannot be listened on: Address already in use"
        assert message in dataflow.output()


@pytest.mark.environment(FLUSH_INTERVAL_MS="10")
def test_retries_are_counted_by_error(settings: Settings, environment: dict[str, str], tmp_path: Path) -> None:
    """A lost connection has the name that MariaDB gives to it."""
    first = free_ports(1)
    with running(environment | {"METRICS_PORT": str(first)}, tmp_path):
        produce(settings, [(message.partition, message.value) for message in traffic(100)])
        wait_until(lambda: progressed(settings) == 100, deadline_s=60, what="100 messages counted")
        ids = "SELECT ID FROM information_schema.PROCESSLIST WHERE USER = ?"
        for (number,) in query(settings, ids, (settings.mariadb_user,)):
            query(settings, f"KILL {number}")
        produce(settings, [(message.partition, message.value) for message in traffic(100, seed=2)])
        wait_until(lambda: progressed(settings) == 200, deadline_s=60, what="200 messages counted")
        assert total(scraped(first), "website_analytics_retries_total", server="mariadb") > 0
