"""Recount the log with code of its own, and compare every row, output and reject with it.

Right also while the pipeline runs: the database is read at one instant, then the log up to the positions that it
states. Prints PASS with the figures, or each difference as key, database value, recount.

Exit codes: 0 PASS; 1 differences; 3 PARTIAL: a part cannot be compared (retention has deleted it, or
the input has grown and is not provisioned), and everything else matches.

Examples:
    python -m ops verify
    python -m ops verify --truth truth.json        what python -m simulate --truth wrote; several add up
"""

import argparse
import time
from collections.abc import Iterable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import NamedTuple

from confluent_kafka import Message

from operators.outputs import Output, outputs_of
from oracle import comparison, kafka, log, snapshot
from oracle.lines import LineCheck
from oracle.log import Extent, Reader
from oracle.message import Classifier
from oracle.outputs import Input
from oracle.recount import Recount
from oracle.rejects import RejectCheck
from oracle.snapshot import Position, Snapshot
from oracle.sums import Sums
from oracle.truth_check import CARTS, TruthCheck
from process.errors import ExitCode, Fatal
from settings import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --truth."""
    parser.add_argument(
        "--truth",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE",
        help="compare also with what simulators recorded as sent, when the dataflow has caught up",
    )


def main(arguments: argparse.Namespace) -> int:
    """Verify, print the result, and return the exit code.

    :raises Fatal: Kafka or MariaDB cannot be reached, or nothing is provisioned.
    """
    began = time.monotonic()
    verification = Verification(Settings.from_environment(), TruthCheck(arguments.truth) if arguments.truth else None)
    verification.run()
    for line in verification.conclusion():
        print(line)
    print(f"verified in {time.monotonic() - began:.1f} s")
    return verification.exit_code


class _Topics(NamedTuple):
    """Where each partition of the topics begins and ends; `lines` are parallel to the outputs."""

    visits: list[Extent]
    lines: list[list[Extent]]
    rejects: list[Extent]

    @property
    def partitions(self) -> int:
        """The number of partitions of the largest."""
        return max(map(len, (self.visits, *self.lines, self.rejects)))


class _Readers(NamedTuple):
    """One reader for each of the topics."""

    visits: Reader
    lines: list[Reader]
    rejects: Reader


class Verification:
    """One comparison of the database and the outputs with the log."""

    def __init__(self, settings: Settings, truth: TruthCheck | None = None) -> None:
        self._settings = settings
        self._truth = truth
        self._differences = 0
        self._head_is_gone = False
        self._partial: list[str] = []
        self._recounts: list[Recount] = []
        self._lines: list[LineCheck] = []
        self._rejects: list[RejectCheck] = []
        self._at: Snapshot
        self._outputs: list[Output]
        self._classify: Classifier

    def run(self) -> None:
        """Compare everything; each difference is printed as it is found.

        The snapshot of the database comes first: whatever it states is in Kafka by then.
        """
        self._at = at = snapshot.take(self._settings)
        if self._truth:
            self._truth.refuse_other_pipeline(at)
        self._outputs = _outputs(self._settings, at)
        self._classify = Classifier(at.rules)
        topics = self._topics()
        sums = Sums(at.lengths_s[0], at.boards)
        with ExitStack() as stack:
            readers = self._readers(stack)
            for partition in range(max(at.partitions, topics.partitions)):
                self._partition(partition, topics=topics, readers=readers, sums=sums)
        self._report(comparison.of_boards(at))
        self._report(comparison.of_totals(at, sums, partial=self._head_is_gone))
        if self._truth:
            self._report(self._truth.differences(at))
            if self._truth.unresolved:
                self._partial.append(f"truth: {self._truth.unresolved} messages may or may not be in the log")

    @property
    def exit_code(self) -> int:
        """0 when all is the same, else DIFFERENCES or PARTIAL."""
        if self._differences:
            return ExitCode.DIFFERENCES
        return ExitCode.PARTIAL if self._partial else 0

    def conclusion(self) -> list[str]:
        """Return the lines that end the report."""
        if self._differences:
            return [f"FAIL: {self._differences} differences; {self._figures()}"]
        if self._partial:
            return [*self._partial, f"PARTIAL: everything that can be compared matches; {self._figures()}"]
        return [f"PASS: {self._figures()}"]

    def _figures(self) -> str:
        messages, visits, rejected = (
            sum(getattr(recount, name) for recount in self._recounts) for name in ("messages", "visits", "rejected")
        )
        lines = ", ".join(
            f"{sum(check.checked for check in self._lines if check.name == output.name)} {output.name}"
            for output in self._outputs
        )
        rejects = sum(check.checked for check in self._rejects)
        foreign = sum(check.foreign for check in self._lines) + sum(check.foreign for check in self._rejects)
        return (
            f"{self._at.partitions} partitions, {messages} messages, {visits} visits, {rejected} rejected; "
            f"{self._at.rows} rows, {lines} and {rejects} rejects compared, {foreign} foreign records "
            f"ignored; as of {self._at.taken_at:%Y-%m-%dT%H:%M:%SZ}"
        )

    def _report(self, differences: Iterable[str]) -> None:
        for difference in differences:
            self._differences += 1
            print(difference)

    def _topics(self) -> _Topics:
        settings, at = self._settings, self._at
        admin = kafka.admin_client(settings)
        names = (settings.visits_topic, settings.rejected_topic, *(output.topic for output in self._outputs))
        visits, rejects, *lines = kafka.existing_topics(admin, settings, names)
        if visits.topic_id != at.topic_id:
            message = (
                f"topic {visits.name!r} has id {visits.topic_id}, but the database counts the one with id "
                f"{at.topic_id}: it was deleted and created anew, and the log that was counted is gone"
            )
            raise Fatal(message, ExitCode.DATA)
        self._report(comparison.of_partitions(at, visits, *lines, rejects))
        if growth := comparison.growth(at, visits):
            self._partial.append(growth)
        # The input's end comes last: whatever visit an output names is before it.
        reject_extents, *line_extents = (
            log.extents(admin, topic.name, topic.partitions, settled=True) for topic in (rejects, *lines)
        )
        visit_extents = log.extents(admin, visits.name, visits.partitions, settled=False)
        return _Topics(visits=visit_extents, lines=line_extents, rejects=reject_extents)

    def _readers(self, stack: ExitStack) -> _Readers:
        settings = self._settings
        return _Readers(
            visits=stack.enter_context(closing(Reader(settings, settings.visits_topic))),
            lines=[stack.enter_context(closing(Reader(settings, output.topic))) for output in self._outputs],
            rejects=stack.enter_context(closing(Reader(settings, settings.rejected_topic))),
        )

    def _partition(self, partition: int, *, topics: _Topics, readers: _Readers, sums: Sums) -> None:
        visits = _extent(topics.visits, partition)
        position = self._at.positions.get(partition) or Position.without_row(partition, visits.start)
        self._report(comparison.of_log_end(position, visits.end))
        begin = max(position.first_offset, visits.start)
        of = self._input(position, begin)
        lines = [
            self._line_check(output, reader, _extent(extents, partition), of)
            for output, reader, extents in zip(self._outputs, readers.lines, topics.lines, strict=True)
        ]
        rejects = self._reject_check(readers.rejects, _extent(topics.rejects, partition), of)
        recount = Recount(position.next_offset, self._classify, sums)
        recount.read(readers.visits.records(partition, Extent(begin, visits.end)), lines, rejects)
        self._recounts.append(recount)
        if head_is_gone := begin > position.first_offset:
            self._head_is_gone = True
            head = f"the log begins at offset {begin}, but counting began at {position.first_offset}"
            self._partial.append(f"{readers.visits.topic}, partition {partition}: {head}")
        shortages = (*(check.shortage() for check in lines), rejects.shortage())
        self._partial += filter(None, shortages)
        self._report(comparison.of_position(position, recount, partial=head_is_gone))

    def _input(self, position: Position, begin: int) -> Input:
        return Input(
            pipeline_id=self._at.pipeline_id,
            topic_id=self._at.topic_id,
            partition=position.partition,
            begin=begin,
            next_offset=position.next_offset,
        )

    def _line_check(self, output: Output, reader: Reader, extent: Extent, of: Input) -> LineCheck:
        observer = self._truth.observe_cart if self._truth and output.name == CARTS else _ignore
        check = LineCheck(output, reader, extent, of=of, report=self._report, observer=observer)
        self._lines.append(check)
        return check

    def _reject_check(self, reader: Reader, extent: Extent, of: Input) -> RejectCheck:
        observer = self._truth.observe_reject if self._truth else _ignore
        check = RejectCheck(reader, extent, of=of, report=self._report, observer=observer)
        self._rejects.append(check)
        return check


def _outputs(settings: Settings, at: Snapshot) -> list[Output]:
    """Return the outputs as the database has them; their topics are those of the settings.

    :raises Fatal: CONFIG, the program does not have one of them.
    """
    topics = {output.name: output.topic for output in outputs_of(settings)}
    if unknown := [name for name, _, _ in at.outputs if name not in topics]:
        message = f"the database has the output {unknown[0]!r}, which operators/outputs.py does not name"
        raise Fatal(message, ExitCode.CONFIG)
    return [Output(name, topics[name], actions, line_format) for name, line_format, actions in at.outputs]


def _ignore(_record: Message) -> None:
    """Do nothing with the record."""


def _extent(extents: list[Extent], partition: int) -> Extent:
    return extents[partition] if partition < len(extents) else Extent(0, 0)
