"""The MariaDB sink: sums and position in one transaction, once each, and no further than the outputs."""

import logging
from dataclasses import replace

import pytest

from operators.windows import SumBatch, amount_of
from process.errors import ExitCode, Fatal
from settings import Settings
from tests.integration.parts import DEADLINE_S
from tests.integration.totals import (
    AT_S,
    ask,
    change_sessions,
    committed,
    connections,
    position,
    rows_locked,
    sink_of,
    sums,
    totals,
    waits_for_rows,
    write,
)
from tests.support import query, wait_until

pytestmark = pytest.mark.environment(VISITS_PARTITIONS="1")


def test_sums_are_added_and_the_position_moves(settings: Settings) -> None:
    """A second cut adds to the first one's rows."""
    with sink_of(settings) as (sink, claim):
        write(sink, claim, sums(0, 3, "USA", "Peru"))
        assert totals(settings) == {"USA": (10, 1), "Peru": (10, 1)}
        write(sink, claim, sums(3, 9, "USA", seconds=7))
    assert totals(settings) == {"USA": (17, 2), "Peru": (10, 1)}
    assert position(settings) == (9, 9, 3, 6)
    rows = query(settings, "SELECT length_s, CAST(window_start AS CHAR), board FROM window_totals")
    assert set(rows) == {(5, "2026-11-23 20:00:00", "country")}
    latest = query(settings, "SELECT CAST(max_visit_date AS CHAR) FROM progress")
    assert latest == [("2026-11-23 20:00:01.500000",)]


def test_a_cut_without_visits_moves_the_position_too(settings: Settings) -> None:
    """Rejects alone, or nothing but gaps in the log."""
    with sink_of(settings) as (sink, claim):
        write(sink, claim, sums(0, 4))
        assert position(settings) == (4, 4, 0, 4)
        gap = SumBatch(0, 4, 9, 0, 0, None, {})
        write(sink, claim, gap)
    assert position(settings) == (9, 4, 0, 4)
    assert totals(settings) == {}


def test_it_goes_no_further_than_the_outputs(settings: Settings) -> None:
    """At next_offset all carts and rejects of earlier visits must be there."""
    with sink_of(settings) as (sink, claim):
        claim.outputs = 5
        sink.write_batch([sums(0, 5, "USA"), sums(5, 10, "USA"), sums(10, 15, "USA")])
        wait_until(lambda: ask(sink, 15) or claim.totals == 5, deadline_s=DEADLINE_S, what="the first cut committed")
        for _ in range(5):
            ask(sink, 15)
        assert (claim.totals, position(settings)[0]) == (5, 5)
        claim.outputs = 15
        committed(sink, claim, 15)
    assert position(settings)[0] == 15
    assert totals(settings) == {"USA": (30, 3)}


def test_nothing_is_seen_before_all_is(settings: Settings) -> None:
    """Position and sums are one transaction: while a row waits for a lock, the position stands."""
    with sink_of(settings) as (sink, claim):
        write(sink, claim, sums(0, 1, "locked"))
        claim.outputs = 5
        with rows_locked(settings):
            sink.write_batch([sums(1, 5, "locked", "new")])
            waits_for_rows(settings, sink, 5)
            assert position(settings)[0] == claim.totals == 1
            assert totals(settings) == {"locked": (10, 1)}
        committed(sink, claim, 5)
    assert totals(settings) == {"locked": (20, 2), "new": (10, 1)}


def test_a_row_locked_for_too_long_is_tried_again(
    settings: Settings, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Error 1205 undoes one statement alone: all is rolled back, then done again."""
    change_sessions(monkeypatch, "innodb_lock_wait_timeout = 5", "innodb_lock_wait_timeout = 1")
    with sink_of(settings) as (sink, claim), caplog.at_level(logging.WARNING):
        write(sink, claim, sums(0, 1, "locked"))
        claim.outputs = 5
        with rows_locked(settings):
            sink.write_batch([sums(1, 5, "a", "locked")])
            wait_until(
                lambda: ask(sink, 5) or "trying again in" in caplog.text, deadline_s=DEADLINE_S, what="a second try"
            )
            assert "error 1205" in caplog.text
            assert position(settings)[0] == claim.totals == 1
        committed(sink, claim, 5)
    assert totals(settings) == {"locked": (20, 2), "a": (10, 1)}
    assert position(settings) == (5, 5, 3, 2)


def test_a_position_that_somebody_moved(settings: Settings) -> None:
    """Another dataflow has written, or the database went back: nothing is added to it."""
    with sink_of(settings) as (sink, claim):
        write(sink, claim, sums(0, 5, "USA"))
        query(settings, "UPDATE progress SET next_offset = 3")
        with pytest.raises(Fatal, match="progress stands at offset 3, but 5 or 9 was expected") as caught:
            write(sink, claim, sums(5, 9, "USA"))
        assert caught.value.code == ExitCode.ABORTED
    assert totals(settings) == {"USA": (10, 1)}
    assert position(settings)[0] == 3


def test_more_rows_than_a_statement_takes(settings: Settings) -> None:
    """A cut of 45,000 rows is several statements, and one transaction."""
    entries = [f"entry {at}" for at in range(22_500)]
    boards = {(5, AT_S, board): {entry: amount_of(3, 1) for entry in entries} for board in ("action", "country")}
    with sink_of(settings) as (sink, claim):
        write(sink, claim, SumBatch(0, 0, 22_500, 22_500, 0, AT_S, boards))
    counted = query(settings, "SELECT COUNT(*), COUNT(DISTINCT entry), SUM(duration_s), SUM(visits) FROM window_totals")
    assert [tuple(map(int, row)) for row in counted] == [(45_000, 22_500, 135_000, 45_000)]
    assert position(settings) == (22_500, 22_500, 22_500, 0)


def test_close_commits_nothing(settings: Settings) -> None:
    """Bytewax closes after an exception and on Ctrl-C too: what was not committed then is counted by the next run."""
    with sink_of(replace(settings, flush_interval_ms=10_000)) as (sink, claim):
        write(sink, claim, sums(0, 5, "USA"))
        claim.outputs = 9
        sink.write_batch([sums(5, 9, "USA")])
    assert position(settings)[0] == 5
    assert totals(settings) == {"USA": (10, 1)}
    assert connections(settings) == []


def test_nothing_is_committed_after_the_end(settings: Settings) -> None:
    """A job that had to wait for its turn finds the claim closed: it does not connect again, nor write."""
    with sink_of(settings) as (sink, claim):
        write(sink, claim, sums(0, 5, "USA"))
        claim.close()
        claim.outputs = 9
        claim.job_done = False
        sink.write_batch([sums(5, 9, "USA")])
        ask(sink, 9)
        wait_until(lambda: claim.job_done, deadline_s=DEADLINE_S, what="the job has run")
        ask(sink, 9)
        assert claim.totals == 5
        wait_until(lambda: not connections(settings), deadline_s=30, what="no connection left")
    assert position(settings)[0] == 5
