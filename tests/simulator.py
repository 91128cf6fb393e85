"""`python -m simulate` as a process, and what Kafka contains after it, decoded by the pipeline's own rules."""

import select
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from operators.decode import VisitDecoder
from operators.lines import csv_lines
from operators.rules import VisitRules
from operators.visit import Visit
from oracle.truth import CartDigest, Carts, Total, Truth
from settings import Settings
from tests.support import Record, ends, process_environment, read_committed, wait_until

ANOMALIES = [
    *("--malformed-share", "0.1", "--late-share", "0.1", "--late-by", "2d", "--duplicate-share", "0.05"),
    *("--out-of-order", "3s"),
]
START = ("--start", "2026-01-01T00:00:00Z")


class Contents(NamedTuple):
    """What a topic contains, decoded by the pipeline's own rules."""

    messages: dict[int, int]
    rejected: dict[str, int]
    carts: dict[int, Carts]
    totals: list[Total]


class Run:
    """`python -m simulate` as a process of its own."""

    def __init__(self, arguments: Sequence[str], environment: dict[str, str], cwd: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "simulate", *arguments],
            env=process_environment(environment),
            cwd=cwd,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
        )

    def next_line(self, *, deadline_s: float = 30) -> str:
        """Wait for the next line on standard error; return it."""
        assert self.process.stderr
        poll = select.poll()
        poll.register(self.process.stderr, select.POLLIN | select.POLLHUP)
        assert poll.poll(deadline_s * 1000), f"no line within {deadline_s:.0f} s"
        return self.process.stderr.readline().decode()

    def end(self, *, timeout_s: float = 120) -> tuple[int, str, str]:
        """Wait for its end; return exit code, standard output and standard error."""
        try:
            out, err = self.process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            raise
        return self.process.returncode, out.decode(), err.decode()


def run_to_end(arguments: Sequence[str], environment: dict[str, str], cwd: Path) -> str:
    """Run it, expecting exit code 0; return its standard output."""
    code, out, err = Run(arguments, environment, cwd).end()
    assert code == 0, err
    return out


def await_messages(settings: Settings, number: int) -> None:
    """Wait until the visits' topic contains more than this many messages."""
    wait_until(
        lambda: sum(ends(settings, settings.visits_topic).values()) > number,
        deadline_s=60,
        what=f"{number} messages",
    )


def contents_of(settings: Settings, records: Sequence[Record], partitions: int = 4) -> Contents:
    """Return what the topic's records are."""
    decoder = VisitDecoder(VisitRules.of(settings))
    messages, rejected = dict.fromkeys(range(partitions), 0), Counter[str]()
    digests = [CartDigest() for _ in range(partitions)]
    amounts: Counter[tuple[tuple[int, int, str, str], str]] = Counter()
    for record in records:
        messages[record.partition] += 1
        visit = decoder.value(record.value)
        if not isinstance(visit, Visit):
            rejected[visit[0]] += 1
            continue
        if visit.last_action == "SHOPPING_CART":
            digests[record.partition].add([csv_lines([visit])[0].encode()])
        second = int(visit.visit_date.timestamp())
        for length_s in settings.window_lengths_s:
            for board, entry in (("action", visit.last_action), ("country", visit.country)):
                row = (length_s, second - second % length_s, board, entry)
                amounts[row, "seconds"] += visit.duration
                amounts[row, "visits"] += 1
    rows = sorted({row for row, _ in amounts})
    totals = [Total(*row, amounts[row, "seconds"], amounts[row, "visits"]) for row in rows]
    return Contents(messages, dict(rejected), {n: digest.carts() for n, digest in enumerate(digests)}, totals)


def stated(truth: Truth) -> Contents:
    """Return what the topic contains according to a truth."""
    return Contents(truth.messages, truth.rejected, truth.carts, truth.totals)


def check(settings: Settings, truth: Truth) -> list[Record]:
    """Compare a truth with the topic; return the topic's records."""
    records = read_committed(settings, settings.visits_topic)
    assert stated(truth) == contents_of(settings, records)
    assert truth.visits == len(records) - sum(truth.rejected.values())
    assert truth.unresolved == []
    return records
