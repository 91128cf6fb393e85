"""The graph, run in this process between a testing source and testing sinks."""

import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest
from bytewax.testing import TestingSink, TestingSource, cluster_main, run_main

from dataflow import build
from operators.cells import amount_of
from ops.servers.software import ROOT
from settings import Settings
from tests.unit.samples import raw_batch, visit_bytes

CART = visit_bytes("2026-11-23T20:00:01Z", "USA", "SHOPPING_CART", "9")
FAQ = visit_bytes("2026-11-23T20:00:02Z", "Peru", "FAQ", "1")
AT_20H = 1_795_464_000


def run(batches: list[Any], settings: Settings, *, workers: int = 1) -> tuple[list[Any], list[Any]]:
    outputs: list[Any] = []
    sums: list[Any] = []
    flow = build(TestingSource(batches, batch_size=2), TestingSink(outputs), TestingSink(sums), settings)
    if workers == 1:
        run_main(flow, epoch_interval=timedelta(0))
    else:
        cluster_main(flow, [], 0, epoch_interval=timedelta(0), worker_count_per_proc=workers)
    return outputs, sums


@pytest.mark.parametrize("workers", [1, 3])
def test_visits_become_carts_rejects_and_sums(workers: int) -> None:
    """What goes in as bytes comes out as cart lines, rejects and sums, keyed by its partition."""
    batches = [("00002", raw_batch(CART, b"?", FAQ, begin=40, partition=2))]
    outputs, sums = run(batches, Settings(window_lengths_s=(5,)), workers=workers)
    (key, output), (sum_key, added) = outputs[0], sums[0]
    assert (key, sum_key, len(outputs), len(sums)) == ("00002", "00002", 1, 1)
    assert output.lines["carts"] == [(40, "2026-11-23T20:00:01.000Z,USA,SHOPPING_CART,9")]
    assert [(reject.message.offset(), reject.why.reason) for reject in output.rejects] == [(41, "malformed")]
    assert added.sums == {
        (5, AT_20H, "action"): {"SHOPPING_CART": amount_of(9, 1), "FAQ": amount_of(1, 1)},
        (5, AT_20H, "country"): {"USA": amount_of(9, 1), "Peru": amount_of(1, 1)},
    }
    assert (added.begin, added.end, added.visits, added.rejected) == (40, 43, 2, 1)


def test_batches_without_messages_reach_both_sinks() -> None:
    """A gap at the end of the log is committed too: its batch must arrive."""
    outputs, sums = run([("00000", raw_batch(begin=5))], Settings())
    assert [(key, batch.begin, batch.end) for key, batch in outputs] == [("00000", 5, 5)]
    assert [(key, batch.begin, batch.end) for key, batch in sums] == [("00000", 5, 5)]


def test_the_order_of_a_partitions_batches_holds() -> None:
    """Both sinks get every partition's batches in their order."""
    batches = [(f"{at % 3:05d}", raw_batch(FAQ, begin=at // 3, partition=at % 3)) for at in range(60)]
    outputs, sums = run(batches, Settings(), workers=3)
    for seen in (outputs, sums):
        for partition in ("00000", "00001", "00002"):
            assert [batch.begin for key, batch in seen if key == partition] == list(range(20))


def test_echo_prints_each_visit(capfd: pytest.CaptureFixture[str]) -> None:
    """ECHO=1: every visit is a line on standard output, and is passed on unchanged."""
    outputs, _ = run([("00000", raw_batch(CART, b"?", FAQ))], Settings(echo=True))
    assert capfd.readouterr().out.splitlines() == [
        "2026-11-23T20:00:01+00:00 'USA' 'SHOPPING_CART' 9 s",
        "2026-11-23T20:00:02+00:00 'Peru' 'FAQ' 1 s",
    ]
    assert len(outputs[0][1].lines["carts"]) == 1


def test_step_ids_are_stable() -> None:
    """Metrics and errors carry them."""
    flow = build(TestingSource([]), TestingSink([]), TestingSink([]), Settings())
    ids = [step.step_name for step in flow.substeps]
    assert ids == ["visits", "decode", "abandoned_carts", "kafka_out", "fold_windows", "mariadb_out"]


def test_importing_the_dataflow_has_no_effect() -> None:
    """No connection, no log set-up, no thread, even where the environment is wrong."""
    code = "import logging, threading, dataflow; assert not logging.root.handlers and threading.active_count() == 1"
    environment = {"BATCH_MESSAGES": "none", "PATH": ""}
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, check=True)


def test_a_wrong_setting_is_one_line() -> None:
    """`bytewax.run` ends with the line and its code, without a traceback."""
    command = [sys.executable, "-m", "bytewax.run", "dataflow:flow"]
    environment = {"BATCH_MESSAGES": "none", "PATH": ""}
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 78
    assert ended.stderr.count("\n") == 1
    assert "BATCH_MESSAGES is 'none', but must be 1 to 100000 messages" in ended.stderr
