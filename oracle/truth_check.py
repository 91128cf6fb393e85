"""Database and outputs against truth files: what simulators recorded as sent and acknowledged."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from confluent_kafka import Message

from oracle.recount import moment_of
from oracle.rejects import reason_of
from oracle.snapshot import Snapshot
from oracle.sums import Row, Sums
from oracle.truth import CartDigest, Truth, add, load
from process.errors import ExitCode, Fatal

CARTS = "carts"
"""The output that a truth knows."""


class TruthCheck:
    """Observes the outputs as they are read, and compares everything in the end.

    A topic with messages of other producers too has more than the truth. Messages that were sent and never
    acknowledged may be there or not: with such, nothing may be below the truth, and the rest is not judged.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        """Read the truth files; they add up.

        :raises Fatal: one cannot be read, or they are of different topics.
        """
        self._truth: Truth = add([load(path) for path in paths])
        self._carts: defaultdict[int, CartDigest] = defaultdict(CartDigest)
        self._reasons: Counter[str] = Counter()

    @property
    def unresolved(self) -> int:
        """The number of messages that may be in the log or not."""
        return len(self._truth.unresolved)

    def observe_cart(self, record: Message) -> None:
        """Take a record of the carts topic into account."""
        self._carts[record.partition() or 0].add([record.value() or b""])

    def observe_reject(self, record: Message) -> None:
        """Take a record of the rejected topic into account."""
        self._reasons[reason_of(record)] += 1

    def refuse_other_pipeline(self, at: Snapshot) -> None:
        """Refuse truth of another topic, or of other rules.

        :raises Fatal: topic, window lengths or NAIVE_TIMEZONE differ.
        """
        truth = self._truth
        pairs = (
            ("topic_id", truth.topic_id, at.topic_id),
            ("window lengths", truth.window_lengths_s, at.lengths_s),
            ("NAIVE_TIMEZONE", truth.naive_timezone, at.rules.zone.key if at.rules.zone else None),
            ("BOARDS", truth.boards, at.boards),
        )
        for name, true, found in pairs:
            if true != found:
                message = f"the truth is of {name} {true}, but the database is of {found}: they do not belong together"
                raise Fatal(message, ExitCode.CONFIG)

    def differences(self, at: Snapshot) -> Iterator[str]:
        """Yield what differs, once all outputs have been observed."""
        truth, positions = self._truth, at.positions
        for partition in sorted(positions.keys() | truth.messages.keys()):
            stated = positions[partition].messages if partition in positions else 0
            yield from self._count(f"partition {partition}, messages", stated, truth.messages.get(partition, 0))
        yield from self._count("visits", sum(row.visits for row in positions.values()), truth.visits)
        for reason in sorted(self._reasons.keys() | truth.rejected.keys()):
            yield from self._count(f"rejected, {reason}", self._reasons[reason], truth.rejected.get(reason, 0))
        yield from self._cart_differences()
        yield from self._total_differences(at)

    def _count(self, name: str, stated: int, true: int) -> Iterator[str]:
        if not true <= stated <= true + self.unresolved:
            yield f"truth, {name}: found {stated}, truth {true}"

    def _cart_differences(self) -> Iterator[str]:
        true_carts = self._truth.carts
        for partition in sorted(self._carts.keys() | true_carts.keys()):
            found, true = self._carts[partition].carts(), true_carts.get(partition, CartDigest().carts())
            where = f"partition {partition}, carts"
            yield from self._count(where, found.count, true.count)
            if self.unresolved or found.count != true.count:
                continue
            if found.in_any_order != true.in_any_order:
                yield f"truth, {where}: the same number, but other lines"
            elif true.in_order is not None and found.in_order != true.in_order:
                yield f"truth, {where}: the same lines, but in another order"

    def _total_differences(self, at: Snapshot) -> Iterator[str]:
        true_sums = {length_s: Sums(length_s, at.boards) for length_s in at.lengths_s}
        for total in self._truth.totals:
            row = Row(total.window_start_s, total.board, total.entry, total.duration_s, total.visits)
            true_sums[total.length_s].put(row)
        for length_s, sums in true_sums.items():
            for found, true in at.totals[length_s].compared_with(sums):
                below = found.duration_s < true.duration_s or found.visits < true.visits
                if below or not self.unresolved:
                    key = f"{length_s} s {moment_of(true.window_start_s, 0)} {true.board} {true.entry!a}"
                    database = f"{found.duration_s} s in {found.visits} visits"
                    yield f"truth, {key}: database {database}, truth {true.duration_s} s in {true.visits} visits"
