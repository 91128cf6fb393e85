"""The page's decisions without a server: buckets, periods, health, CSV, and the files that are served."""

import asyncio
import hashlib
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from clients.mariadb import Login
from leaderboard import web
from leaderboard.api import csv_of
from leaderboard.boards import Totals
from leaderboard.buckets import MOST_WINDOWS, Buckets, buckets_of
from leaderboard.health import DATAFLOW, LOAD_GENERATOR, PROVISION, Observed, Rate, Since, status_of
from leaderboard.lag import Ends
from leaderboard.poller import Partition, Poller, PollFailure, PollResult
from leaderboard.ranges import RANGES, before, seconds_of, span_of
from leaderboard.web import STATIC
from leaderboard.wire import Board, PartitionLag, Standing, TwoWaySum
from settings import Settings
from tests.unit.samples import SHOWN

LENGTHS_S = (5, 60, 3600, 86_400)
AS_OF = datetime(2026, 11, 23, 20, 1, 7, 500_000, tzinfo=UTC)
UPLOT = {  # npm pack uplot@1.6.32: dist/ and LICENSE
    "LICENSE": "8f989229699b4fe2f1a0432d0e9edc338a8a911e250e2d1b01ecd770a5f5b1bd",
    "uPlot.iife.min.js": "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
    "uPlot.min.css": "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
}


def test_vendored_files_are_the_published_ones() -> None:
    """Every vendored file has the checksum of uPlot 1.6.32, its licence is beside it, and there is no other."""
    folder = STATIC / "vendor" / "uPlot"
    assert {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()} == UPLOT


def test_the_page_loads_nothing_from_other_hosts() -> None:
    """No address of another host, no inline script or style: the Content-Security-Policy would refuse it."""
    for path in (*STATIC.glob("*.html"), *STATIC.glob("*.css"), *STATIC.glob("js/*.js")):
        text = (
            path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "").replace("http://127.0.0.1", "")
        )
        assert "//" not in text.replace("// ", "").replace(":root", ""), path
        assert "innerHTML" not in text
        assert "style=" not in text


def test_buckets_are_few_and_complete() -> None:
    """A range of 5 minutes is 59 windows of 5 seconds and one that is still filling."""
    span = span_of("5m", AS_OF, LENGTHS_S)
    assert buckets_of(*span, LENGTHS_S, most=120) == Buckets(5, 5, span[0], 59)
    assert buckets_of(*span, LENGTHS_S, most=30) == Buckets(5, 10, span[0], 29)
    today = buckets_of(*span_of("today", AS_OF, LENGTHS_S), LENGTHS_S, most=120)
    assert today == Buckets(60, 720, seconds_of(datetime(2026, 11, 23, tzinfo=UTC)), 100)
    assert buckets_of(0, 5, LENGTHS_S, most=120) is None


@given(
    st.sampled_from([(5,), LENGTHS_S, (7, 21, 35), (1, 10, 15), (300, 3600)]),
    st.integers(0, 3_000_000_000),
    st.integers(1, 1_000_000_000),
    st.sampled_from([30, 120]),
)
def test_buckets_are_whole_windows_before_the_last(
    lengths_s: tuple[int, ...], start: int, length: int, most: int
) -> None:
    """Whatever the range and the windows, buckets are of whole windows, not too many, and none is still filling."""
    start_s, end_s = (second // lengths_s[0] * lengths_s[0] for second in (start, start + length))
    buckets = buckets_of(start_s, end_s, lengths_s, most=most)
    if buckets is None:
        return
    assert 1 <= buckets.points <= most
    assert buckets.length_s in lengths_s
    assert buckets.windows <= MOST_WINDOWS
    assert not buckets.start_s % buckets.length_s
    assert not buckets.bucket_s % buckets.length_s
    assert buckets.start_s + buckets.points * buckets.bucket_s <= end_s - lengths_s[0]


@pytest.mark.parametrize("range_name", RANGES)
def test_the_period_before_is_as_long_and_ends_where_the_range_begins(range_name: str) -> None:
    """For today it is the whole of yesterday; all time has none."""
    start_s, end_s = span_of(range_name, AS_OF, LENGTHS_S)
    earlier = before(range_name, start_s, end_s, LENGTHS_S)
    if range_name == "all":
        assert earlier is None
    elif range_name == "today":
        assert earlier == (start_s - 86_400, start_s)
    else:
        assert earlier == (start_s - (end_s - start_s), start_s)


def _totals(messages: int, *, at: datetime = AS_OF, visits: int | None = None) -> Totals:
    return Totals(at, at, LENGTHS_S, SHOWN, messages, messages if visits is None else visits, 0)


def _seen(messages: int = 9, *, progressed_s: float = 0, responded_s: float = 0, ends: Ends | None = None) -> Observed:
    partitions = [Partition("website.visits", 0, 5), Partition("website.visits", 1, 4)]
    result = PollResult(_totals(messages), partitions, [], TwoWaySum())
    return Observed(result, None, Since(AS_OF, responded_s), Since(AS_OF, progressed_s), 1.0, ends)


def test_the_state_is_live_only_when_figures_come() -> None:
    """Away: the database does not respond; stale: messages wait and are not counted; the next command helps."""
    unavailable = PollFailure("MariaDB is unavailable", unprovisioned=False)
    unprovisioned = PollFailure("no tables", unprovisioned=True)
    waiting = Ends({0: 7, 1: 4}, None)
    for seen, state, command in (
        (_seen(), "live", None),
        (_seen(progressed_s=3600, ends=Ends({0: 5, 1: 4}, None)), "live", None),
        (_seen(progressed_s=3600, ends=Ends({}, "Kafka is unavailable")), "live", None),
        (_seen(progressed_s=1, ends=waiting), "live", None),
        (_seen(progressed_s=11, ends=waiting), "stale", DATAFLOW),
        (_seen(0), "live", LOAD_GENERATOR),
        (_seen(0, ends=waiting), "live", DATAFLOW),
        (_seen(responded_s=4), "away", None),
        (_seen()._replace(failure=unavailable), "away", None),
        (_seen()._replace(failure=unprovisioned), "unprovisioned", PROVISION),
        (_seen()._replace(result=None), "starting", None),
    ):
        status = status_of(seen)
        assert (status.state, status.next_command) == (state, command), seen
        assert (status.why is None) == (state == "live")


def test_a_reason_stays_the_same_while_nothing_changes() -> None:
    """Screen readers announce every change of it: it contains neither ages nor counts."""
    stale = [
        status_of(_seen(progressed_s=progressed_s, ends=Ends({0: 5 + progressed_s, 1: 4}, None))).why
        for progressed_s in (11, 12, 99)
    ]
    unavailable = [status_of(_seen(responded_s=responded_s)).why for responded_s in (4, 5, 99)]
    assert stale == 3 * [
        "messages wait in Kafka, and none has been counted since 2026-11-23 20:01:07 UTC: is the dataflow running?"
    ]
    assert unavailable == 3 * ["MariaDB has not responded since 2026-11-23 20:01:07 UTC"]


def test_a_lag_is_known_for_every_partition_or_not_at_all() -> None:
    """Ends may be older than positions: no lag is below 0."""
    status = status_of(_seen(ends=Ends({0: 7, 1: 3}, None)))
    assert (status.lag, status.partitions) == (2, [PartitionLag(0, 5, 2), PartitionLag(1, 4, 0)])
    status = status_of(_seen(ends=Ends({0: 7}, None)))
    assert (status.lag, status.partitions) == (None, [PartitionLag(0, 5, 2), PartitionLag(1, 4, None)])


def test_a_rate_is_of_the_last_seconds() -> None:
    """A count that goes down is another database's: the rate starts over."""
    rate = Rate()
    assert rate.per_s() is None
    for second in range(10):
        rate.add(_totals(100 * second**2, at=AS_OF + timedelta(seconds=second)))
    assert rate.per_s() == (8100 - 1600) / 5
    rate.add(_totals(3, at=AS_OF + timedelta(seconds=11)))
    assert rate.per_s() is None


def test_no_spreadsheet_runs_a_name_in_the_csv() -> None:
    """A name that begins like a formula gets an apostrophe."""
    entries = [Standing(1, entry, 1, 1, 0.25) for entry in ("=A1", "+1", "-1", "@x", "a=b")]
    text = csv_of(
        Board(
            board="country",
            title="Country",
            complete_from=None,
            entries_total=5,
            duration_s=5,
            visits=5,
            entries=entries,
        )
    )
    assert [line.split(",")[1] for line in text.splitlines()] == ["country", "'=A1", "'+1", "'-1", "'@x", "a=b"]


def test_a_dead_poller_is_not_alive() -> None:
    """/livez returns 500 for as long as the process lasts."""
    poller = Poller(Login.reader(Settings()), dict, lambda _polled: None)
    request = Request({"type": "http", "method": "GET", "headers": [], "state": {"poller": poller}})
    response = asyncio.run(web._livez(request))
    assert (response.status_code, bytes(response.body)) == (500, b'{"live":false}')
