"""The sentence below each table of RESULTS.md: what its figures come to."""

from collections.abc import Callable

from bench.charts import text_of
from bench.figures import Spread, spread_of
from bench.results import Results


def of(section: str, found: Results) -> str | None:
    """Return the sentence of a section; None where a figure that it needs was not measured."""
    return _READINGS[section](found)


def _middle(found: Results, case: str, figure: str) -> float | None:
    result = found.case(case)
    spread = result.spread(figure) if result else None
    return spread.middle if spread else None


def _ratio(found: Results, over: str, under: str, figure: str) -> str | None:
    spread: Spread | None = spread_of(found.ratios(over, under, figure))
    return text_of(spread.middle) if spread else None


def _floors(found: Results) -> str | None:
    works = ("consume", "decode", "fold", "carts")
    costs = [_middle(found, f"floor_{work}", "cpu_us") for work in works]
    if None in costs:
        return None
    consume, decode, fold, carts = (cost for cost in costs if cost is not None)
    steps = [f"{consume:.2f} µs of CPU to read a visit"]
    steps += [f"{after - before:.2f} to {what}" for what, before, after in (
        ("decode it", consume, decode), ("fold it", decode, fold), ("format the cart lines", fold, carts),
    )]  # fmt: skip
    return f"A plain loop takes {steps[0]}, {steps[1]}, {steps[2]} and {steps[3]}."


def _pipeline(found: Results) -> str | None:
    floor = _ratio(found, "pipeline_1", "floor_carts", "visits_per_s")
    scaling = _ratio(found, "pipeline_2", "pipeline_1", "visits_per_s")
    if floor is None or scaling is None:
        return None
    return f"One process reaches {floor} of the rate of the floor, two processes {scaling} times that of one."


def _peers(found: Results) -> str | None:
    names = {"stock": "Bytewax's own operators", "flink": "Flink SQL", "kafka_streams": "Kafka Streams",
             "spark": "Spark"}  # fmt: skip
    ones = {"stock": "pipeline_1"}
    ratios = {what: _ratio(found, ones.get(name, "pipeline_2"), name, "visits_per_s") for name, what in names.items()}
    parts = [f"{ratio} times the rate of {what}" for what, ratio in ratios.items() if ratio]
    if not parts:
        return None
    return f"In the same round the pipeline (one process against stock, two against the others) has {_joined(parts)}."


def _growth(found: Results) -> str | None:
    names = {"partitions_64": "64 partitions", "shuffled": "shuffled dates"}
    ratios = {what: _ratio(found, name, "base", "seconds") for name, what in names.items()}
    parts = [f"{what} take {ratio} times as long as the first row" for what, ratio in ratios.items() if ratio]
    countries = _ratio(found, "countries_5000", "countries_12", "seconds")
    parts += [f"5,000 countries {countries} times as long as 12"] if countries else []
    text = _joined(parts)
    return f"{text[0].upper()}{text[1:]}." if text else None


def _writes(found: Results) -> str | None:
    rows, commits = (_middle(found, "writes", name) for name in ("rows_added_to", "mariadb_transactions"))
    if not rows or not commits:
        return None
    return f"A transaction in MariaDB carries {text_of(1e6 / commits)} visits in {text_of(rows / commits)} row writes."


def _latency(found: Results) -> str | None:
    rates = {1000: "1,000", 20_000: "20,000", 100_000: "100,000"}
    middles = {text: _middle(found, f"latency_{rate}", "p50_ms") for rate, text in rates.items()}
    parts = [f"{text_of(middle)} ms at {text} visits/s" for text, middle in middles.items() if middle]
    return f"Half of the visits are committed within {_joined(parts)}." if parts else None


def _idle(found: Results) -> str | None:
    percent = _middle(found, "idle", "cpu_percent")
    return None if percent is None else f"A dataflow to which nothing is sent takes {text_of(percent)} % of a core."


def _startup(found: Results) -> str | None:
    few, many = (_middle(found, f"startup_{partitions}", "first_row_s") for partitions in (4, 64))
    if few is None:
        return None
    more = "" if many is None else f", with 64 partitions {text_of(many)} s"
    return f"The first row is committed {text_of(few)} s after the command{more}."


def _junk(found: Results) -> str | None:
    peak, usual = _middle(found, "junk", "peak_mb"), _middle(found, "base", "peak_mb")
    if peak is None or usual is None:
        return None
    return f"It takes {text_of(peak - usual)} MB more than visits do."


def _joined(parts: list[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


_READINGS: dict[str, Callable[[Results], str | None]] = {
    "floors": _floors,
    "pipeline": _pipeline,
    "peers": _peers,
    "growth": _growth,
    "writes": _writes,
    "latency": _latency,
    "idle": _idle,
    "startup": _startup,
    "junk": _junk,
}
