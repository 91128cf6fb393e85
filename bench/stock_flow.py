"""The same work with what comes with Bytewax, for comparison: bench/README.md explains why it is written this way.

KafkaSource ─ decode ─ branch ─┬─ cart lines ── null sink
                               └─ by action, by country: 5 s windows ─┬─ 1 min, 1 h, 1 day ── null sinks
                                                                      └─ late visits
"""

import atexit
import gc
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, TypeVar

import bytewax.operators as op
import bytewax.operators.windowing as win
import msgspec
from bytewax.connectors.kafka import KafkaSource
from bytewax.dataflow import Dataflow
from bytewax.operators import KeyedStream
from bytewax.operators.windowing import EventClock, TumblingWindower
from bytewax.outputs import DynamicSink, StatelessSinkPartition

from operators.lines import csv_lines
from operators.visit import Visit
from settings import Settings

Item = TypeVar("Item")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_decode = msgspec.json.Decoder(Visit).decode


class Total(NamedTuple):
    """Seconds and number of visits of one window that has closed."""

    window_start: datetime
    duration_s: int
    visits: int


class _CountingPartition(StatelessSinkPartition[Item]):
    def __init__(self, count: Callable[[list[Item]], None]) -> None:
        self._count = count

    def write_batch(self, items: list[Item]) -> None:
        self._count(items)


class CountingSink(DynamicSink[Item]):
    """A null sink: counts its items and drops them."""

    def __init__(self, tally: "Counter[str]", name: str, weight: Callable[[list[Item]], int] = len) -> None:
        self._tally = tally
        self._name = name
        self._weight = weight
        tally[name] = 0

    def build(self, step_id: str, worker_index: int, worker_count: int) -> _CountingPartition[Item]:
        return _CountingPartition(self._count)

    def _count(self, items: list[Item]) -> None:
        self._tally[self._name] += self._weight(items)


def flow(wait_s: int) -> Dataflow:
    """Return the graph; the tally is one line of JSON on standard output when the process ends.

    `wait_s` is how long the clocks wait for visits that are out of order, in seconds of event time.
    """
    settings = Settings.from_environment()
    tally: Counter[str] = Counter()
    atexit.register(lambda: print(msgspec.json.encode(tally).decode(), flush=True))
    gc.set_threshold(100_000, 50, 50)  # as the pipeline does
    flow = Dataflow("stock")

    source = KafkaSource(
        [settings.kafka_bootstrap_servers],
        [settings.visits_topic],
        tail=False,
        batch_size=settings.batch_messages,
        add_config={"fetch.queue.backoff.ms": "2", "queued.min.messages": "100000", **settings.kafka_config},
    )
    messages = op.input("visits", flow, source)
    # Stream[KafkaSourceMessage]
    visits = op.map("decode", messages, _visit)
    # Stream[Visit]
    by_cart = op.branch("abandoned_carts", visits, lambda visit: visit.last_action in settings.cart_action)
    lines = op.map("cart_line", by_cart.trues, lambda visit: csv_lines([visit])[0])
    op.output("carts", lines, CountingSink(tally, "carts"))

    _boards("action", op.key_on("by_action", visits, lambda visit: visit.last_action), settings, wait_s, tally)
    _boards("country", op.key_on("by_country", visits, lambda visit: visit.country), settings, wait_s, tally)
    return flow


def _visit(message: Any) -> Visit:  # Any: a source that does not raise on errors would emit them as items
    return _decode(message.value)


def _boards(board: str, visits: KeyedStream[Visit], settings: Settings, wait_s: int, tally: "Counter[str]") -> None:
    """Fold every visit into its shortest window, and the few windows that close into the longer ones."""
    wait = timedelta(seconds=wait_s)
    shortest_s, *longer_s = settings.window_lengths_s
    clock: EventClock[Visit] = EventClock(lambda visit: visit.visit_date, wait)
    out = win.fold_window(
        f"{board}_{shortest_s}_s", visits, clock, _windower(shortest_s), _nothing, _add_visit, _merge, ordered=False
    )
    op.output(f"{board}_late", out.late, CountingSink(tally, f"{board}_late"))
    totals = _totals(board, shortest_s, out.down, tally)
    # KeyedStream[Total]: ("USA", one 5 s window)
    for length_s in longer_s:
        clock_of_totals: EventClock[Total] = EventClock(lambda total: total.window_start, wait)
        longer = win.fold_window(
            f"{board}_{length_s}_s",
            totals,
            clock_of_totals,
            _windower(length_s),
            _nothing,
            _add_total,
            _merge,
            ordered=False,
        )
        _totals(board, length_s, longer.down, tally)
        op.output(f"{board}_{length_s}_s_late", longer.late, CountingSink(tally, f"{board}_{length_s}_s_late", _late))


def _totals(
    board: str, length_s: int, windows: KeyedStream[tuple[int, list[int]]], tally: "Counter[str]"
) -> KeyedStream[Total]:
    def total(window: tuple[int, list[int]]) -> Total:
        window_id, (duration_s, visits) = window
        return Total(_EPOCH + timedelta(seconds=window_id * length_s), duration_s, visits)

    totals = op.map_value(f"{board}_{length_s}_s_total", windows, total)
    op.output(f"{board}_{length_s}_s_out", totals, CountingSink(tally, f"{board}_{length_s}_s", _visits_of))
    return totals


def _windower(length_s: int) -> TumblingWindower:
    return TumblingWindower(length=timedelta(seconds=length_s), align_to=_EPOCH)


def _nothing() -> list[int]:
    return [0, 0]


def _add_visit(amount: list[int], visit: Visit) -> list[int]:
    amount[0] += visit.duration
    amount[1] += 1
    return amount


def _add_total(amount: list[int], total: Total) -> list[int]:
    amount[0] += total.duration_s
    amount[1] += total.visits
    return amount


def _merge(one: list[int], other: list[int]) -> list[int]:
    return [one[0] + other[0], one[1] + other[1]]


def _visits_of(items: list[tuple[str, Total]]) -> int:
    return sum(total.visits for _, total in items)


def _late(items: list[tuple[str, tuple[int, Total]]]) -> int:
    return sum(total.visits for _, (_, total) in items)
