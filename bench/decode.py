"""Measure the decoder alone: what other names, nested fields, dates as numbers and milliseconds cost.

It decodes batches of messages that the simulator writes for each shape, in turns, in this process. One line of JSON a
shape: microseconds of CPU time a visit, the median of all rounds, and the difference from the usual shape.

Examples:
    python -m bench decode
    python -m bench decode --rounds 50
"""

import argparse
import random
import statistics
import time
from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from bench import report
from operators.decode import VisitDecoder
from operators.rules import VisitRules
from settings import Settings
from simulate.dates import encode_date
from simulate.shape import Shape

BATCH = 4000
_START_MS = 1_767_225_600_000
_NESTED = "visitDate:event.time,lastAction:event.type,country:context.geo.country"

SHAPES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "usual": {},
        "renamed": {"VISIT_FIELDS": "visitDate:event_time,lastAction:event_type"},
        "constants": {"VISIT_FIELDS": "country:=NOR,duration:=0"},
        "nested": {"VISIT_FIELDS": _NESTED},
        "durations_in_ms": {"DURATION_UNIT": "ms"},
        "dates_as_numbers": {"VISIT_DATE_FORMAT": "epoch_ms"},
        "dates_as_digits": {"VISIT_DATE_FORMAT": "epoch_ms"},
    }
)


class Decoded(msgspec.Struct, frozen=True, kw_only=True):
    """CPU microseconds a visit in one shape, and how many more than in the usual one."""

    case: str
    cpu_us: float
    more_us: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add how often."""
    parser.add_argument("--rounds", type=report.positive, default=20, metavar="N", help="batches of each (default: 20)")


def main(arguments: argparse.Namespace) -> int:
    """Measure, print."""
    for decoded in measure(arguments.rounds):
        report.show(decoded)
    return 0


def measure(rounds: int) -> list[Decoded]:
    """Decode a batch of each shape in turns, so many times."""
    decoders = {name: VisitDecoder(VisitRules.of(_settings(name))) for name in SHAPES}
    batches = {name: messages(name) for name in SHAPES}
    seconds: dict[str, list[float]] = {name: [] for name in SHAPES}
    for _ in range(rounds):
        for name, decoder in decoders.items():
            began = time.process_time()
            visits, _ = decoder.values(batches[name])
            seconds[name].append(time.process_time() - began)
            del visits
    medians = {name: statistics.median(of) / BATCH * 1e6 for name, of in seconds.items()}
    usual = medians["usual"]
    return [
        Decoded(case=name, cpu_us=round(cpu_us, 3), more_us=round(cpu_us - usual, 3))
        for name, cpu_us in medians.items()
    ]


def messages(name: str) -> list[bytes | None]:
    """Return a batch in one shape: every fourth visit an abandoned cart."""
    shape, rng = Shape(_settings(name)), random.Random(name)  # noqa: S311 - seeded: the same bytes on every run
    values: list[bytes | None] = []
    for date_ms in range(_START_MS, _START_MS + BATCH):
        action = "SHOPPING_CART" if date_ms % 4 == 0 else rng.choice(["CATALOG", "FAQ", "ORDER"])
        suffix = shape.suffix(rng.choice(["NOR", "USA", "DEU"]), action, rng.randrange(600))
        value = shape.prefix + shape.encoded_date(date_ms, encode_date(date_ms)) + suffix
        values.append(value.replace(b"%d" % date_ms, b'"%d"' % date_ms) if name == "dates_as_digits" else value)
    return values


def _settings(name: str) -> Settings:
    return Settings.from_environment(SHAPES[name])
