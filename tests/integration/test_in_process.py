"""The whole dataflow inside this process: the real source and sinks under Bytewax's own runners."""

from dataclasses import replace
from typing import Any

import pytest
from bytewax.dataflow import Dataflow
from bytewax.testing import cluster_main, run_main

from dataflow import build
from operators.batches import SumBatch
from partition.owner import PartitionOwner
from settings import Settings
from sinks.kafka import KafkaSink
from sinks.mariadb import MariaDBSink
from sources import kafka as source_module
from sources.kafka import KafkaSource
from tests.pipeline import check_all, check_promise_1
from tests.support import produce, query, wait_until
from tests.traffic import Truth, traffic


def connections(settings: Settings) -> list[tuple[int, ...]]:
    return query(settings, "SELECT ID FROM information_schema.PROCESSLIST WHERE USER = ?", (settings.mariadb_user,))


def dataflow_of(settings: Settings, owner: PartitionOwner) -> Dataflow:
    return build(KafkaSource(settings, owner), KafkaSink(settings, owner), MariaDBSink(owner), settings)


def test_the_log_is_counted_to_its_end(settings: Settings) -> None:
    """In two runs, on three threads that share the process: each row, each cart, each reject."""
    sent = traffic(6000, seed=51)
    settings = replace(settings, stop_at_end=True, batch_messages=200)
    for part in (sent[:2000], sent[2000:]):
        produce(settings, [(message.partition, message.value) for message in part])
        cluster_main(dataflow_of(settings, PartitionOwner(settings)), [], 0, worker_count_per_proc=3)
    check_all(settings, Truth(sent))
    wait_until(lambda: not connections(settings), deadline_s=30, what="no connection left")


class FailingSink(MariaDBSink):
    """Fails in mid-run: when some sums are committed, and others wait."""

    def build_part(self, step_id: str, for_part: str, resume_state: None) -> Any:
        """Build a part that writes, then fails."""
        part = super().build_part(step_id, for_part, resume_state)
        write = part.write_batch

        def write_and_fail(values: list[SumBatch]) -> None:
            write(values)
            if self._owner.of(int(for_part)).position > 0:
                raise ZeroDivisionError

        part.write_batch = write_and_fail  # type: ignore[method-assign]
        return part


def test_an_exception_in_mid_run_commits_nothing_more(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytewax closes every part: the database equals the log up to its offsets, and the next run does the rest."""
    monkeypatch.setattr(source_module, "MESSAGES_AHEAD", 400)  # far from the end when the first commit has ended
    sent = traffic(6000, seed=52)
    produce(settings, [(message.partition, message.value) for message in sent])
    truth = Truth(sent)
    settings = replace(settings, stop_at_end=True, batch_messages=100)
    owner = PartitionOwner(settings)
    with pytest.raises(ZeroDivisionError):
        run_main(build(KafkaSource(settings, owner), KafkaSink(settings, owner), FailingSink(owner), settings))
    wait_until(lambda: not connections(settings), deadline_s=30, what="no connection left")
    assert 0 < check_promise_1(settings, truth) < 6000
    run_main(dataflow_of(settings, PartitionOwner(settings)))
    check_all(settings, truth)
