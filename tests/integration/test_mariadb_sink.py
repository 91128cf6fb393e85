"""The MariaDB sink: sums and position in one transaction, once each, and no further than the outputs."""

import logging
from dataclasses import replace

import pytest

from operators.batches import OutputBatch, SumBatch
from operators.cells import amount_of
from process.errors import ExitCode, Fatal
from settings import Settings
from tests.integration.parts import DEADLINE_S
from tests.integration.totals import (
    AT_S,
    change_sessions,
    connections,
    position,
    rows_locked,
    sink_of,
    sums,
    totals,
    waits_for_rows,
)
from tests.support import query, wait_until

pytestmark = pytest.mark.environment(VISITS_PARTITIONS="1")


def test_sums_are_added_and_the_position_moves(settings: Settings) -> None:
    """A second batch adds to the first one's rows."""
    with sink_of(settings) as sink:
        sink.write(sums(0, 3, "USA", "Peru"))
        assert totals(settings) == {"USA": (10, 1), "Peru": (10, 1)}
        sink.write(sums(3, 9, "USA", seconds=7))
    assert totals(settings) == {"USA": (17, 2), "Peru": (10, 1)}
    assert position(settings) == (9, 9, 3, 6)
    rows = query(settings, "SELECT length_s, CAST(window_start AS CHAR), board FROM window_totals")
    assert set(rows) == {(5, "2026-11-23 20:00:00", "country")}
    latest = query(settings, "SELECT CAST(max_visit_date AS CHAR) FROM progress")
    assert latest == [("2026-11-23 20:00:01.500000",)]


def test_a_batch_without_visits_moves_the_position_too(settings: Settings) -> None:
    """Rejects alone, or nothing but gaps in the log."""
    with sink_of(settings) as sink:
        sink.write(sums(0, 4))
        assert position(settings) == (4, 4, 0, 4)
        gap = SumBatch(0, 4, 9, 0, 0, None, {})
        sink.write(gap)
    assert position(settings) == (9, 4, 0, 4)
    assert totals(settings) == {}


def test_it_goes_no_further_than_the_outputs(settings: Settings) -> None:
    """At next_offset all carts and rejects of earlier visits must be there."""
    with sink_of(settings) as sink:
        sink.write(sums(0, 5, "USA"))
        sink.hand_over(sums(5, 10, "USA"), sums(10, 15, "USA"), outputs=False)
        sink.committer.add_outputs(OutputBatch(0, 5, 10, {}, []))
        sink.wait_until_committed(10)
        assert (sink.position, position(settings)[0]) == (10, 10)
        sink.committer.add_outputs(OutputBatch(0, 10, 15, {}, []))
        sink.wait_until_committed(15)
    assert position(settings)[0] == 15
    assert totals(settings) == {"USA": (30, 3)}


def test_nothing_is_seen_before_all_is(settings: Settings) -> None:
    """Position and sums are one transaction: while a row waits for a lock, the position stands."""
    with sink_of(settings) as sink:
        sink.write(sums(0, 1, "locked"))
        with rows_locked(settings):
            sink.hand_over(sums(1, 5, "locked", "new"))
            waits_for_rows(settings)
            assert position(settings)[0] == sink.position == 1
            assert totals(settings) == {"locked": (10, 1)}
        sink.wait_until_committed(5)
    assert totals(settings) == {"locked": (20, 2), "new": (10, 1)}


def test_a_row_locked_for_too_long_is_retried(
    settings: Settings, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Error 1205 undoes one statement alone: all is rolled back, then done again."""
    change_sessions(monkeypatch, "innodb_lock_wait_timeout = 5", "innodb_lock_wait_timeout = 1")
    with sink_of(settings) as sink, caplog.at_level(logging.WARNING):
        sink.write(sums(0, 1, "locked"))
        with rows_locked(settings):
            sink.hand_over(sums(1, 5, "a", "locked"))
            wait_until(lambda: "trying again" in caplog.text, deadline_s=DEADLINE_S, what="a second attempt")
            assert "error 1205" in caplog.text
            assert position(settings)[0] == sink.position == 1
        sink.wait_until_committed(5)
    assert totals(settings) == {"locked": (20, 2), "a": (10, 1)}
    assert position(settings) == (5, 5, 3, 2)


def test_a_position_that_was_moved(settings: Settings) -> None:
    """Another dataflow has written, or the database was restored: nothing is added to it."""
    with sink_of(settings) as sink:
        sink.write(sums(0, 5, "USA"))
        query(settings, "UPDATE progress SET next_offset = 3")
        with pytest.raises(Fatal, match="progress stands at offset 3, but 5 or 9 was expected") as caught:
            sink.write(sums(5, 9, "USA"))
        assert caught.value.code == ExitCode.ABORTED
    assert totals(settings) == {"USA": (10, 1)}
    assert position(settings)[0] == 3


def test_more_rows_than_a_statement_takes(settings: Settings) -> None:
    """A batch of 45,000 rows is several statements, and one transaction."""
    entries = [f"entry {at}" for at in range(22_500)]
    windows = {(5, AT_S, board): {entry: amount_of(3, 1) for entry in entries} for board in ("action", "country")}
    with sink_of(settings) as sink:
        sink.write(SumBatch(0, 0, 22_500, 22_500, 0, AT_S, windows))
    counted = query(settings, "SELECT COUNT(*), COUNT(DISTINCT entry), SUM(duration_s), SUM(visits) FROM window_totals")
    assert [tuple(map(int, row)) for row in counted] == [(45_000, 22_500, 135_000, 45_000)]
    assert position(settings) == (22_500, 22_500, 22_500, 0)


def test_close_commits_nothing(settings: Settings) -> None:
    """Bytewax closes after an exception and on Ctrl-C too: what was not committed then is counted by the next run."""
    with sink_of(replace(settings, flush_interval_ms=10_000)) as sink:
        sink.write(sums(0, 5, "USA"))
        sink.hand_over(sums(5, 9, "USA"))
    assert position(settings)[0] == 5
    assert totals(settings) == {"USA": (10, 1)}
    assert connections(settings) == []


def test_nothing_is_committed_after_the_end(settings: Settings) -> None:
    """What is handed over to a committer that was stopped is not committed: it does not connect again, nor write."""
    with sink_of(settings) as sink:
        sink.write(sums(0, 5, "USA"))
        assert sink.committer.stop()
        sink.hand_over(sums(5, 9, "USA"))
        assert sink.position == 5
        wait_until(lambda: not connections(settings), deadline_s=30, what="no connection left")
    assert position(settings)[0] == 5
