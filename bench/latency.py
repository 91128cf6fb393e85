"""Measure how long it takes from produce to the committed row, at a steady rate of visits.

For each rate a dataflow is started on a topic and a database of its own. It counts one visit of each partition,
then 3 s of visits to warm up, then those that are measured. A process of its own polls progress.next_offset of all
partitions about 1000 times a second: a visit's latency is from just before it was produced until the first result in
which its partition's next_offset is beyond its offset. Prints one line of JSON for each rate.

Examples:
    python -m bench latency
    python -m bench latency --rate 1000 5000 20000 --seconds 60 --processes 2
    FLUSH_INTERVAL_MS=5 python -m bench latency --rate 1000
"""

import argparse
import gc
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from itertools import pairwise
from typing import Any, NamedTuple

import msgspec

from bench import place, report
from bench.counts import counts_of
from bench.live import Live, live, values_of
from bench.place import Visits
from bench.process import Usage
from bench.producer import Sending, Sent
from bench.progress import Advance, Observed, Observer
from bench.transactions import control_records
from settings import Settings

_WARM_UP_S = 3
_RATES = (1000, 20_000)
_PERCENTILES = {"p50": 50, "p90": 90, "p99": 99, "max": 100}


class Latency(report.Run, frozen=True, kw_only=True):
    """One rate, once: `messages` are the visits that were measured, `sent_before` those before them.

    `seconds` are from the first produce to the last commit, and everything a second is of that time; `behind_max_ms`
    is how long a visit was due before it was produced, at most; `poll_…_ms` is between two results
    of the observer.
    """

    rate: int
    flush_interval_ms: int
    sent_before: int
    p50_ms: float
    p90_ms: float
    p99_ms: float
    max_ms: float
    commits_per_s: float
    transactions_per_s: float
    behind_max_ms: float
    poll_p50_ms: float
    poll_p90_ms: float
    poll_p99_ms: float
    poll_max_ms: float


class _Measured(NamedTuple):
    """What the dataflow did with the measured visits."""

    sending: Sending
    observed: Observed
    transactions: int
    cpu_s: float
    counts: dict[str, int]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the rates, and the size of the dataflow."""
    add = parser.add_argument
    text = "visits a second, one after the other (default: 1000 20000)"
    add("--rate", type=report.positive, nargs="+", default=_RATES, metavar="N", help=text)
    add("--seconds", type=report.positive, default=20, metavar="N", help="how long each rate lasts (default: 20)")
    report.add_processes(parser)
    report.add_visits(parser, messages=None)


def main(arguments: argparse.Namespace) -> int:
    """Measure one rate after the other, print each."""
    gc.disable()  # a collection over all that was sent would hold up the next visits
    with place.servers() as environ:
        for rate in arguments.rate:
            visits = report.visits_of(arguments, rate * arguments.seconds)
            report.show(measure(environ, visits, rate=rate, processes=arguments.processes))
    return 0


def measure(environ: Mapping[str, str], visits: Visits, *, rate: int, processes: int) -> Latency:
    """Run the dataflow at one rate.

    :raises Fatal: it ended, counted wrong, or did not keep up.
    """
    sent_before = visits.partitions + rate * _WARM_UP_S
    values = values_of(visits._replace(messages=sent_before + visits.messages), rate, environ)
    first, warm_up, rest = values[: visits.partitions], values[visits.partitions : sent_before], values[sent_before:]
    with place.topic(environ, visits.partitions) as named, place.pipeline(named) as provisioned:
        settings = Settings.from_environment(provisioned)
        with live(provisioned, processes, first) as dataflow:
            dataflow.send(warm_up, rate)
            measured = _measured(dataflow, settings, rest, rate)
            peak_mib = dataflow.end().peak_mib
    (sent, behind_s), (advances, polled_s) = measured.sending, measured.observed
    latencies = latencies_ms(sent, advances)
    report.check("latency", visits.messages, {"observed": len(latencies)})
    seconds = advances[-1].seen_s - min(visit.produced_s for visit in sent)
    usage = Usage(seconds, measured.cpu_s, peak_mib)
    run = report.run_of("latency", visits, usage, measured.counts, processes=processes)
    return Latency(
        **msgspec.structs.asdict(run),
        rate=rate,
        flush_interval_ms=settings.flush_interval_ms,
        sent_before=sent_before,
        **_percentiles("", latencies),
        commits_per_s=round(len(advances) / seconds, 1),
        transactions_per_s=round(measured.transactions / seconds, 1),
        behind_max_ms=round(behind_s * 1000, 3),
        **_percentiles("poll_", sorted((end - begin) * 1000 for begin, end in pairwise(polled_s))),
    )


def _measured(dataflow: Live, settings: Settings, values: Sequence[bytes], rate: int) -> _Measured:
    _, records_before = _committed(dataflow, settings)
    with closing(Observer(settings)) as observer:
        cpu_before_s = dataflow.cpu_s
        sending = dataflow.send(values, rate)
        cpu_s = dataflow.cpu_s - cpu_before_s
        observed = observer.finish()
    counts, records = _committed(dataflow, settings)
    return _Measured(sending, observed, records - records_before, cpu_s, counts)


def _committed(dataflow: Live, settings: Settings) -> tuple[dict[str, int], int]:
    """Return the counts of everything so far, and the number of control records in the output topics."""
    counts = counts_of("latency", settings, dataflow.sent)
    outputs = counts["carts"] + counts["rejected"]
    return counts, control_records(settings, settings.visits_partitions, outputs)


def _percentiles(prefix: str, ordered_ms: Sequence[float]) -> dict[str, Any]:
    return {f"{prefix}{name}_ms": round(percentile(ordered_ms, each), 3) for name, each in _PERCENTILES.items()}


def latencies_ms(sent: Iterable[Sent], advances: Iterable[Advance]) -> list[float]:
    """Return, in rising order, how long after its produce each visit was seen committed; one that was not has none."""
    offsets: dict[int, list[int]] = defaultdict(list)
    times_s: dict[int, list[float]] = defaultdict(list)
    for advance in advances:
        offsets[advance.partition].append(advance.next_offset)
        times_s[advance.partition].append(advance.seen_s)
    found = []
    for partition, offset, produced_s in sent:
        first_beyond = bisect_right(offsets[partition], offset)
        if first_beyond < len(offsets[partition]):
            found.append((times_s[partition][first_beyond] - produced_s) * 1000)
    return sorted(found)


def percentile(ordered: Sequence[float], percent: int) -> float:
    """Return the smallest of some values in rising order that `percent` of them do not exceed."""
    return ordered[-(-len(ordered) * percent // 100) - 1]
