"""Look at rejected visits, and send them back to the input topic.

A visit is rejected for its bytes alone: sent back under the same rules it is rejected again, with one attempt
more. And `reset --yes` counts the whole log again: both the original visit and every copy sent back.

ls sums by reason, partition and age (since the rejection). show prints them one by one, their bytes escaped.

replay sends the original bytes, key and headers to the partition that they came from. Each visit goes in one
Kafka transaction with a marker, named by the visit's own place in the input, in the compacted topic
<rejected topic>.replayed. A visit that has a marker is not sent again, so running it twice sends nothing twice;
killed at any moment, it resumes exactly where it was; and of two that run at once the first ends with an error
message. A reset keeps the markers. The header website-attempt counts how often a visit was sent back; one that
has been sent back --max-attempts times is skipped and reported. More than 100 need your confirmation.

Examples:
    python -m ops rejected ls
    python -m ops rejected show --reason malformed --limit 5
    python -m ops rejected replay --reason invalid --dry-run
    python -m ops rejected replay --partition 2 --offsets 100-199 --yes
"""

import argparse
import sys
import time

import msgspec
from rich.console import Console

from ops.rejects.listing import as_json, as_table, groups_of
from ops.rejects.markers import ensure_markers_topic, read_markers
from ops.rejects.plan import Planner, Verdict
from ops.rejects.record import REASONS, RejectedLog, Selection
from ops.rejects.replay import Replayer, chunks_of
from ops.rejects.showing import lines_of
from oracle.kafka import admin_client, existing_topics
from process.errors import ExitCode, Fatal
from settings import Settings

CONFIRM_BEYOND = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the three commands."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ls|show|replay")
    ls = actions.add_parser("ls", help="sums by reason, partition and age")
    ls.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    show = actions.add_parser("show", help="print rejected visits, their bytes escaped")
    show.add_argument("--limit", type=_count, default=20, metavar="N", help="print so many at most (default: 20)")
    show.add_argument(
        "--bytes", type=_count, default=500, metavar="N", help="of each key, header and value (default: 500)"
    )
    replay = actions.add_parser("replay", help="send rejected visits back to the input topic, each once")
    replay.add_argument("--dry-run", action="store_true", help="print what would be sent, and send nothing")
    replay.add_argument(
        "--max-attempts", type=_count, default=3, metavar="N", help="skip what was sent back so often (default: 3)"
    )
    replay.add_argument("--yes", action="store_true", help=f"send more than {CONFIRM_BEYOND} without confirmation")
    for action in (ls, show, replay):
        _add_selection(action)


def main(arguments: argparse.Namespace) -> int:
    """List, show or replay; return 0."""
    settings = Settings.from_environment()
    begin, end = arguments.offsets or (0, None)
    selection = Selection(frozenset(arguments.reason or ()), arguments.partition, begin, end)
    if arguments.action == "ls":
        _list(settings, selection, json=arguments.json)
    elif arguments.action == "show":
        _show(settings, selection, limit=arguments.limit, most_bytes=arguments.bytes)
    else:
        max_attempts, dry_run = arguments.max_attempts, arguments.dry_run
        replay(settings, selection, max_attempts=max_attempts, dry_run=dry_run, confirmed=arguments.yes)
    return 0


def replay(settings: Settings, selection: Selection, *, max_attempts: int, dry_run: bool, confirmed: bool) -> None:
    """Send what is selected and not sent yet back to the input topic, and print what was skipped and why.

    :raises Fatal: many, and not confirmed; Kafka cannot be reached or refuses; another replay has begun.
    """
    admin = admin_client(settings)
    log = RejectedLog(settings, admin, selection)
    (visits,) = existing_topics(admin, settings, [settings.visits_topic])

    def planner() -> Planner:
        return Planner(read_markers(settings, admin), partitions=visits.partitions, max_attempts=max_attempts)

    preview = planner()
    to_send = sum(1 for _ in preview.chosen(log.records()))
    if dry_run or not to_send:
        _report(preview, f"{to_send} visits would be sent back to {visits.name}" if dry_run else "nothing to send back")
        return
    if to_send > CONFIRM_BEYOND and not confirmed:
        _confirm(f"send {to_send} visits back to topic {visits.name!r}")

    ensure_markers_topic(settings, admin)
    replayer = Replayer(settings)
    # Only now no other replay can send: what an earlier one has sent meanwhile is marked.
    final = planner()
    for chunk in chunks_of(final.chosen(log.records())):
        final.counts[Verdict.TOO_LARGE] += len(chunk) - replayer.send(chunk)
    sent = final.counts[Verdict.SEND] - final.counts[Verdict.TOO_LARGE]
    _report(final, f"{sent} visits sent back to {visits.name}")


def _list(settings: Settings, selection: Selection, *, json: bool) -> None:
    admin = admin_client(settings)
    log = RejectedLog(settings, admin, selection)
    groups = groups_of(log.records(), read_markers(settings, admin), int(time.time() * 1000))
    if json:
        print(msgspec.json.encode(as_json(log.topic, groups)).decode())
    else:
        Console().print(as_table(log.topic, groups))


def _show(settings: Settings, selection: Selection, *, limit: int, most_bytes: int) -> None:
    log = RejectedLog(settings, admin_client(settings), selection)
    for number, rejected in enumerate(log.records()):
        if number == limit:
            print(f"there are more than {limit}: --limit shows more of them")
            return
        print(*lines_of(rejected, most_bytes=most_bytes), sep="\n")


def _report(planner: Planner, summary: str) -> None:
    print(summary)
    for verdict, count in planner.counts.items():
        if count and verdict is not Verdict.SEND:
            print(f"{count} skipped: {verdict.value}")


def _confirm(what: str) -> None:
    if not sys.stdin.isatty():
        message = f"to {what}, add --yes, or select fewer with --reason, --partition or --offsets"
        raise Fatal(message, ExitCode.CONFIG)
    if input(f"{what}? [y/N] ").strip().lower() not in {"y", "yes"}:
        raise Fatal("nothing was sent", ExitCode.CONFIG)


def _add_selection(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--reason", action="append", choices=REASONS, help="only these; may be repeated")
    parser.add_argument("--partition", type=_number, metavar="P", help="only this partition")
    parser.add_argument(
        "--offsets",
        type=_offsets,
        metavar="A-B",
        help="only these offsets of the rejected topic, as show prints them: A, A-B, A-",
    )


def _number(value: str) -> int:
    if not (value.isascii() and value.isdigit()):
        raise argparse.ArgumentTypeError(f"{value!r} is not a whole number")
    return int(value)


def _count(value: str) -> int:
    if not (number := _number(value)):
        raise argparse.ArgumentTypeError(f"{value!r} is not 1 or more")
    return number


def _offsets(value: str) -> tuple[int, int | None]:
    begin, dash, last = value.partition("-")
    if dash and not last:
        return _number(begin), None
    first, end = _number(begin), _number(last or begin) + 1
    if end <= first:
        raise argparse.ArgumentTypeError(f"{value!r} ends before it begins")
    return first, end
