"""An open transaction of another producer in the input: what waits behind it is shown, and never silently left out."""

from pathlib import Path

import pytest
from confluent_kafka import Producer

from clients import kafka_config
from ops.status import partition_states
from process.errors import ExitCode
from settings import Settings
from tests.pipeline import ops, run_to_end, running
from tests.support import produce, query
from tests.unit.samples import visit_bytes


@pytest.fixture
def producer(settings: Settings) -> Producer:
    """20 visits are in each partition; this producer has a transaction open in partition 1, with 10 more."""
    produce(settings, [(at % 4, visit_bytes()) for at in range(80)])
    producer = Producer(kafka_config.client_config(settings, transactional_id=settings.visits_topic))
    producer.init_transactions(30)
    send_open(producer, settings)
    return producer


def send_open(producer: Producer, settings: Settings) -> None:
    producer.begin_transaction()
    for _ in range(10):
        producer.produce(settings.visits_topic, visit_bytes(), partition=1)
    assert producer.flush(30) == 0


def waits(settings: Settings, waiting: int) -> str:
    return (
        f"topic '{settings.visits_topic}' partition 1: {waiting} offsets wait behind a transaction that is open at "
        f"offset 20; end its producer, or abort it by kafka-transactions.sh abort --topic {settings.visits_topic} "
        "--partition 1 --start-offset 20"
    )


def positions(settings: Settings) -> list[tuple[int, int]]:
    return query(settings, "SELECT next_offset, messages FROM progress ORDER BY kafka_partition")


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("commits", [True, False], ids=["committed", "aborted"])
def test_stop_at_end_names_what_an_open_transaction_hides(
    settings: Settings, environment: dict[str, str], tmp_path: Path, producer: Producer, processes: int, commits: bool
) -> None:
    """All that can be read is counted, in every partition and process, then it ends with 76; the next run with 0."""
    produce(settings, [(1, visit_bytes())])
    with running({**environment, "STOP_AT_END": "1"}, tmp_path, processes=processes) as dataflow:
        codes = dataflow.wait()
    assert max(codes) == ExitCode.OPEN_TRANSACTION, dataflow.output()
    (last,) = [line for line in dataflow.output().splitlines() if "CRITICAL" in line]
    assert last.endswith(f"{waits(settings, 11)}, then run again")
    assert positions(settings) == [(20, 20)] * 4

    (producer.commit_transaction if commits else producer.abort_transaction)(30)
    run_to_end(environment, tmp_path)
    assert positions(settings) == [(20, 20), (32, 31 if commits else 21), (20, 20), (20, 20)]


def test_status_shows_what_waits(settings: Settings, environment: dict[str, str], producer: Producer) -> None:
    """The lag is that of a read_committed reader; behind it, a transaction is named. A decided one hides nothing."""
    states = partition_states(settings)
    assert [(state.lag, state.end.waiting) for state in states] == [(20, 0), (20, 10), (20, 0), (20, 0)]
    shown = ops(environment, "status").stdout
    assert shown.splitlines()[-1] == waits(settings, 10)
    assert [line.split("│")[2:4] for line in shown.splitlines() if "│         1 " in line] == [["  20 ", "      10 "]]
    producer.abort_transaction(30)
    send_open(producer, settings)
    producer.commit_transaction(30)
    assert "transaction" not in ops(environment, "status").stdout
    assert [(state.lag, state.end.waiting) for state in partition_states(settings)][1] == (42, 0)
