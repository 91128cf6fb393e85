"""Every peer counts a small topic on real servers as the recount does; what it needs is downloaded by Maven."""

import os
from collections.abc import Iterator

import pytest

from bench import place
from bench.peers import EXACTLY_ONCE, PEERS
from bench.place import Visits
from bench.report import Run
from ops.servers import Servers

VISITS = Visits(20_000, 4, 42, "2026-01-01T00:00:00Z")
# Spark, 288 MB to download, is compared with the recount by `make bench` and `python -m bench peers spark` alone.
JAVA_PEERS = [name for name in PEERS if name not in {"stock", "spark"}]


@pytest.fixture(scope="module")
def filled(servers: Servers) -> Iterator[dict[str, str]]:
    """One topic for all of them."""
    with pytest.MonkeyPatch.context() as patch:
        for variable, value in servers.environment().items():
            patch.setenv(variable, value)
        with place.servers() as environ, place.topic(environ, VISITS.partitions) as named:
            place.fill(named, VISITS)
            yield named


@pytest.mark.parametrize("name", JAVA_PEERS)
def test_a_peer_counts_what_the_recount_counts(name: str, filled: dict[str, str]) -> None:
    """Visits that it drops as late are a figure: in order within each partition, there are none."""
    check(name, measured(name, filled))


@pytest.mark.parametrize("name", EXACTLY_ONCE)
def test_exactly_once_carts_are_the_same_carts(name: str, filled: dict[str, str]) -> None:
    """A read_committed consumer finds every one once."""
    check(f"{name}_exactly_once", measured(name, filled, exactly_once=True))


def measured(name: str, filled: dict[str, str], **options: bool) -> Run:
    reason = PEERS[name].missing()
    if reason and os.environ.get("CI"):
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)
    run: Run = PEERS[name].measure(filled, VISITS, parallelism=2, **options)
    return run


def check(case: str, run: Run) -> None:
    counts = run.counts
    assert (run.case, run.messages) == (case, VISITS.messages)
    assert (counts["action"], counts["country"]) == (VISITS.messages, VISITS.messages)
    assert (counts["action_late"], counts["country_late"], counts["differences"]) == (0, 0, 0)
    assert counts["carts"] == counts["carts_expected"] > 0
    assert min(run.seconds, run.cpu_s, run.peak_mib) > 0
    assert "java" in run.versions
