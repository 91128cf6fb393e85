"""The command line: the options of the load generator, checked before anything is touched."""

import argparse
import time
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import NoReturn

from simulate import quantities
from simulate.options import AnomalyOptions, Options
from simulate.schedule import PROFILES
from simulate.workload import USUAL_ACTIONS, Weights

_EXAMPLES = """\
six common uses:
  a thousand visits a second, dated now, until Ctrl-C:
    python -m simulate --rate 1000
  the same messages on every run, one in a hundred malformed, printed instead of sent:
    python -m simulate --count 10000 --seed 42 --start 2026-01-01T00:00:00Z --malformed-share 0.01 --dry-run
  a million as fast as Kafka accepts them, and the figures as JSON:
    python -m simulate --rate 0 --count 1000000 --summary json
  every anomaly, and the truth to check the database against (python -m ops verify --truth truth.json):
    python -m simulate --rate 2000 --profile wave --duration 10s --late-share 0.02 --late-by 1h \\
      --out-of-order 2s --duplicate-share 0.01 --malformed-share 0.01 --key country --truth truth.json
  the last 24 hours of visits within seconds, then 20 visits a second until Ctrl-C:
    python -m simulate --history 24h --rate 20
  a replay of recorded visits, sixty times as fast as they were recorded:
    python -m simulate --replay visits.ndjson --speed 60
"""

_NOT_WITH_REPLAY = [
    "profile",
    "seed",
    "start",
    "history",
    "history_rate",
    "countries",
    "zipf",
    "actions",
    "late_share",
    "late_by",
    "out_of_order",
    "duplicate_share",
    "malformed_share",
]


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"simulate: {message}\n")


def options_of(argv: Sequence[str]) -> Options:
    """Parse the command line; what is not allowed ends the process with an error message and exit code 2."""
    parser = _parser()
    given = parser.parse_args(argv)
    if given.replay:
        _check_replay(parser, given)
    elif given.max_gap is not None:
        parser.error("--max-gap needs --replay")
    _check_history(parser, given)
    if given.dry_run and given.truth:
        parser.error("--truth records what Kafka acknowledged: it is not allowed with --dry-run")
    if given.dry_run and given.summary == "json":
        parser.error("--summary json and --dry-run both write to standard output: choose one")
    if given.late_by and not given.late_share:
        parser.error("--late-by needs --late-share")
    if given.rate == 0 and given.profile not in {None, "steady"}:
        parser.error(f"--profile {given.profile} needs a --rate above 0: flat out has no profile")
    if given.zipf is not None and not isinstance(given.countries, int | None):
        parser.error("--zipf is not allowed with weights in --countries, nor with world: they are the skew")
    options = _options(given)
    anomalies = options.anomalies
    if anomalies.malformed_share + anomalies.duplicate_share + anomalies.late_share > 1 + 1e-9:
        parser.error("--malformed-share, --duplicate-share and --late-share are more than 1 together")
    begin_ms = time.time_ns() // 1_000_000 if options.start_ms is None else options.start_ms
    if begin_ms < options.history_ms + anomalies.late_by_ms + anomalies.out_of_order_ms:
        parser.error("--history, --late-by and --out-of-order would date visits before 1970: choose a later --start")
    return options


def _options(given: argparse.Namespace) -> Options:
    late_by_ms = given.late_by or quantities.time_ms("30s")
    recorded_pace = given.replay is not None and given.rate is None
    return Options(
        rate=None if recorded_pace else Fraction(1000) if given.rate is None else given.rate,
        profile=given.profile or "steady",
        speed=Fraction(1) if given.speed is None else given.speed,
        count=given.count,
        duration_s=None if given.duration is None else Fraction(given.duration, 1000),
        seed=42 if given.seed is None else given.seed,
        start_ms=given.start,
        countries=_countries(given),
        zipf=Decimal(1) if given.zipf is None else given.zipf,
        actions=given.actions or USUAL_ACTIONS,
        anomalies=AnomalyOptions(
            malformed_share=given.malformed_share or 0.0,
            duplicate_share=given.duplicate_share or 0.0,
            late_share=given.late_share or 0.0,
            late_by_ms=late_by_ms if given.late_share else 0,
            out_of_order_ms=given.out_of_order or 0,
        ),
        key=given.key,
        replay=given.replay,
        max_gap_s=Fraction(given.max_gap or quantities.time_ms("1m"), 1000),
        history_ms=given.history or 0,
        history_rate=given.history_rate or Fraction(5),
        live=given.history is None or not (given.rate is None and given.count is None and given.duration is None),
        truth=given.truth,
        dry_run=given.dry_run,
        summary=given.summary,
    )


def _countries(given: argparse.Namespace) -> int | Weights | None:
    if given.countries is None:
        return None if given.zipf is None else 20
    return None if given.countries == quantities.WORLD_NAME else given.countries


def _check_replay(parser: _Parser, given: argparse.Namespace) -> None:
    for name in _NOT_WITH_REPLAY:
        if getattr(given, name) is not None:
            option = name.replace("_", "-")
            parser.error(f"--{option} is not allowed with --replay: the visits come from the file")
    if given.rate:
        parser.error("--rate with --replay can only be 0 (flat out); --speed makes the recorded pace faster")
    if given.rate == 0 and given.speed is not None:
        parser.error("--speed is not allowed with --replay and --rate 0: flat out ignores the recorded pace")
    if given.rate == 0 and given.max_gap is not None:
        parser.error("--max-gap is not allowed with --replay and --rate 0: flat out never waits")


def _check_history(parser: _Parser, given: argparse.Namespace) -> None:
    if given.history is None and given.history_rate is not None:
        parser.error("--history-rate needs --history")
    if given.history is not None and given.rate == 0:
        parser.error("--rate 0 is not allowed with --history: a history is always sent flat out, and then it ends")


def _parser() -> _Parser:
    parser = _Parser(
        prog="python -m simulate",
        description="Load generator: sends visits to topic VISITS_TOPIC of the Kafka at KAFKA_BOOTSTRAP_SERVERS.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    pace = parser.add_argument_group("how many, how fast")
    add = pace.add_argument
    add("--rate", type=quantities.rate, metavar="N", help="messages a second; 0: flat out (default 1000)")
    add("--profile", choices=PROFILES, help="how the rate varies around --rate (default steady)")
    add = pace.add_mutually_exclusive_group().add_argument
    add("--count", type=quantities.count, metavar="N", help="end after this many messages")
    add("--duration", type=quantities.time_ms, metavar="TIME", help="end after a time, such as 60 or 5m")
    _add_visits(parser)
    _add_anomalies(parser)
    add = parser.add_argument_group("output").add_argument
    add("--truth", type=Path, metavar="FILE", help="write what database and output topics must contain in the end")
    add("--summary", choices=("text", "json"), default="text", help="json: one line on standard output (default text)")
    add("--dry-run", action="store_true", help=r"print the messages and send nothing; \N is a null value")
    return parser


def _add_visits(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("which visits").add_argument
    add("--seed", type=quantities.seed, metavar="N", help="another seed gives other visits (default 42)")
    add("--start", type=quantities.start_ms, metavar="DATE", help="date visits from here on, the same on every run")
    add("--speed", type=quantities.speed, metavar="X", help="event time against real time (default 1)")
    add("--history", type=quantities.time_ms, metavar="TIME", help="first send this much of the past, at once")
    add("--history-rate", type=quantities.history_rate, metavar="N", help="its visits per second (default 5)")
    add("--countries", type=quantities.countries, metavar="N", help="world, how many, or USA=5,DEU=2 (default world)")
    add("--zipf", type=quantities.zipf, metavar="S", help="skew: the n-th country weighs 1 / n**S (default 1)")
    add("--actions", type=quantities.actions, metavar="NAME=W,...", help="last actions and their weights")
    add("--key", choices=("none", "country", "action"), default="none", help="the messages' keys (default none)")
    add("--replay", type=Path, metavar="FILE", help="send visits from a file, or - for standard input, instead")
    add("--max-gap", type=quantities.time_ms, metavar="TIME", help="longest wait in a replay (default 1m)")


def _add_anomalies(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("anomalies").add_argument
    add("--late-share", type=quantities.share, metavar="SHARE", help="visits dated earlier than they are sent")
    add("--late-by", type=quantities.time_ms, metavar="TIME", help="by how much at most, up to days (default 30s)")
    add("--out-of-order", type=quantities.time_ms, metavar="TIME", help="visits are dated up to this much earlier")
    add("--duplicate-share", type=quantities.share, metavar="SHARE", help="messages that repeat the one before")
    add("--malformed-share", type=quantities.share, metavar="SHARE", help="messages that are not valid visits")
