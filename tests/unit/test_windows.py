"""Event-time tumbling windows."""

import random
from collections import Counter
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.batches import SumBatch
from operators.cells import amount_of, parts_of, window_start_of
from operators.windows import folder
from tests.unit.samples import USUAL_BOARDS, decode_batch, raw_batch, visit_bytes

LENGTHS_S = (5, 60, 3600)
AT_20H = 1_795_464_000  # 2026-11-23T20:00:00Z


BERLIN = ZoneInfo("Europe/Berlin")
fold = folder(LENGTHS_S, USUAL_BOARDS)


def folded(*values: bytes) -> SumBatch:
    return fold(decode_batch(raw_batch(*values)))


@pytest.mark.parametrize(
    ("timestamp", "length_s", "start"),
    [(0.0, 5, 0), (4.999999, 5, 0), (5.0, 5, 5), (4_102_444_799.999999, 5, 4_102_444_795), (86_399.9, 86_400, 0)],
)
def test_window_start_of(timestamp: float, length_s: int, start: int) -> None:
    """Windows start at whole multiples of their length since 1970; a start belongs to its own window."""
    assert window_start_of(timestamp, length_s) == start


def test_fold_adds_up_by_length_window_board_and_entry() -> None:
    """Seconds and visits of each entry, in the window of each length."""
    sums = folded(
        visit_bytes("2026-11-23T20:00:04.999Z", "USA", "FAQ", "10"),
        visit_bytes("2026-11-23T20:00:00Z", "USA", "ORDER", "5"),
        visit_bytes("2026-11-23T20:00:05Z", "Peru", "FAQ", "1"),
    )
    assert sums.sums == {
        (5, AT_20H, "action"): {"FAQ": amount_of(10, 1), "ORDER": amount_of(5, 1)},
        (5, AT_20H, "country"): {"USA": amount_of(15, 2)},
        (5, AT_20H + 5, "action"): {"FAQ": amount_of(1, 1)},
        (5, AT_20H + 5, "country"): {"Peru": amount_of(1, 1)},
        (60, AT_20H, "action"): {"FAQ": amount_of(11, 2), "ORDER": amount_of(5, 1)},
        (60, AT_20H, "country"): {"USA": amount_of(15, 2), "Peru": amount_of(1, 1)},
        (3600, AT_20H, "action"): {"FAQ": amount_of(11, 2), "ORDER": amount_of(5, 1)},
        (3600, AT_20H, "country"): {"USA": amount_of(15, 2), "Peru": amount_of(1, 1)},
    }
    assert (sums.visits, sums.rejected, sums.max_timestamp) == (3, 0, AT_20H + 5)


def test_rejects_are_counted_and_add_nothing() -> None:
    """A batch of rejects alone has no sums and no latest date."""
    sums = folded(b"?", b"{}")
    assert (sums.visits, sums.rejected, sums.max_timestamp, sums.sums) == (0, 2, None, {})


def test_nothing_is_late() -> None:
    """However the visits are ordered and batched, the sums are the same: a window never closes."""
    dates = [f"2026-11-{day:02d}T20:{minute:02d}:00Z" for day in range(1, 29) for minute in range(0, 60, 7)]
    visits = [visit_bytes(date, "USA", "FAQ", str(at)) for at, date in enumerate(dates)]
    shuffled = random.Random(5).sample(visits, len(visits))
    assert folded(*shuffled).sums == folded(*visits).sums


@pytest.mark.parametrize(
    ("earlier", "later", "latest"),
    [
        ("2026-03-29T03:10:00", "2026-03-29T02:30:00", "2026-03-29T01:30:00Z"),  # 02:30 is in the gap: read as 03:30
        ("2026-03-29T01:59:00", "2026-03-29T03:00:00", "2026-03-29T01:00:00Z"),
    ],
)
def test_the_latest_of_dates_without_a_zone_is_the_latest_in_utc(earlier: str, later: str, latest: str) -> None:
    """Where a zone's clocks go forward, what is later on the clock may be earlier in time."""
    batch = raw_batch(visit_bytes(earlier), visit_bytes(later))
    sums = fold(decode_batch(batch, BERLIN))
    assert sums.max_timestamp == folded(visit_bytes(latest)).max_timestamp


def test_lengths_that_are_no_multiples_of_one_another() -> None:
    """Each is a multiple of the first; that is enough."""
    batch = decode_batch(raw_batch(visit_bytes("2026-11-23T20:00:25Z")))
    lengths = (5, 15, 20)
    starts = {(length, window_start_of(AT_20H + 25, length)) for length in lengths}
    assert {board[:2] for board in folder(lengths, USUAL_BOARDS)(batch).sums} == starts


@given(st.lists(st.tuples(st.integers(0, 2**31 - 1), st.integers(0, 100_000))))
def test_amounts_add_both_parts(pairs: list[tuple[int, int]]) -> None:
    """One addition adds seconds and visits, and neither spills into the other."""
    total = sum(amount_of(duration_s, visits) for duration_s, visits in pairs)
    assert parts_of(total) == (sum(pair[0] for pair in pairs), sum(pair[1] for pair in pairs))


@given(st.data())
def test_fold_equals_a_plain_recount(data: st.DataObject) -> None:
    """The fast fold and the obvious one agree."""
    seconds = data.draw(st.lists(st.integers(0, 200), min_size=1, max_size=30))
    countries = data.draw(st.lists(st.sampled_from(["A", "B"]), min_size=len(seconds), max_size=len(seconds)))
    values = [
        visit_bytes(f"2026-11-23T20:{at // 60:02d}:{at % 60:02d}Z", country, "FAQ", "2")
        for at, country in zip(seconds, countries, strict=True)
    ]
    expected: Counter[tuple[int, int, str]] = Counter()
    for at, country in zip(seconds, countries, strict=True):
        for length in LENGTHS_S:
            expected[length, (AT_20H + at) // length * length, country] += 1
    counted = {
        (*board[:2], entry): parts_of(amount)[1]
        for board, entries in folded(*values).sums.items()
        if board[2] == "country"
        for entry, amount in entries.items()
    }
    assert counted == dict(expected)
