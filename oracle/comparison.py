"""The database against the recount: each difference as a line of key, database value and recount."""

from collections.abc import Iterator

from oracle.kafka import Topic
from oracle.recount import Recount, moment_of
from oracle.snapshot import Position, Snapshot
from oracle.sums import Row, Sums


def of_partitions(at: Snapshot, visits: Topic, *outputs: Topic) -> Iterator[str]:
    """Compare the number of partitions in Kafka with the rows of `progress`; an input that has grown is fine."""
    if visits.partitions < at.partitions:
        yield f"{visits.name}: {visits.partitions} partitions, but {at.partitions} are provisioned"
    for topic in outputs:
        if topic.partitions < at.partitions:
            yield f"{topic.name}: {topic.partitions} partitions, but {at.partitions} are needed"
    for partition in sorted(set(range(at.partitions)) ^ at.positions.keys()):
        found = "a" if partition in at.positions else "no"
        yield f"progress, partition {partition}: {found} row, but {at.partitions} partitions are provisioned"
    if at.foreign_positions:
        yield f"progress: {at.foreign_positions} rows of other topics"


def growth(at: Snapshot, visits: Topic) -> str | None:
    """Return a sentence on partitions that are not counted yet, if the input has grown: that is not a difference."""
    if visits.partitions <= at.partitions:
        return None
    grown = f"{visits.name}: {visits.partitions} partitions, but {at.partitions} are provisioned"
    return f"{grown}: the others are not counted yet; run python -m ops provision"


def of_log_end(position: Position, end: int) -> Iterator[str]:
    """Compare a position with the end of its partition's log."""
    if position.next_offset > end:
        beyond = f"database {position.next_offset}, but the log ends at {end}"
        yield f"progress, partition {position.partition}, next_offset: {beyond}"


def of_position(position: Position, recount: Recount, *, partial: bool) -> Iterator[str]:
    """Compare a row of `progress`; `partial`: the log's head is gone, so the database may count more."""
    where = f"progress, partition {position.partition}"
    if position.messages != position.visits + position.rejected:
        parts = f"{position.visits} visits + {position.rejected} rejected"
        yield f"{where}, messages: database {position.messages}, but it has {parts}"
    for name in ("messages", "visits", "rejected"):
        stated, counted = getattr(position, name), getattr(recount, name)
        if stated < counted or (stated > counted and not partial):
            yield f"{where}, {name}: database {stated}, recount {counted}"
    stated_date, date = position.max_visit_date, recount.max_visit_date
    later = bool(stated_date and (date is None or stated_date > date))
    if stated_date != date and not (partial and later):
        yield f"{where}, max_visit_date: database {stated_date}, recount {date}"


def of_totals(at: Snapshot, recount: Sums, *, partial: bool) -> Iterator[str]:
    """Compare every row of `window_totals`; `partial`: no row may be below the recount."""
    for length_s, stated in sorted(at.totals.items()):
        if length_s not in at.lengths_s:
            yield f"window_totals {length_s} s: not a window length of this database"
            continue
        counted = recount if length_s == recount.length_s else recount.of_length(length_s)
        for row, other in stated.compared_with(counted):
            if not (partial and row.duration_s >= other.duration_s and row.visits >= other.visits):
                yield f"window_totals {_key(length_s, row)}: database {_amount(row)}, recount {_amount(other)}"


def of_boards(at: Snapshot) -> Iterator[str]:
    """Compare the database with itself: each window on every board, and all of them with progress."""
    visits = sum(position.visits for position in at.positions.values())
    for length_s, stated in sorted(at.totals.items()):
        for one, other in stated.boards_that_differ():
            start = moment_of(one.window_start_s, 0)
            if start < at.complete_from.get(other.board, start):
                continue
            window = f"{length_s} s {start}"
            yield f"window_totals {window}: by {one.board} {_amount(one)}, by {other.board} {_amount(other)}"
        counted = stated.visits(stated.boards[0])
        if counted != visits:
            yield f"window_totals {length_s} s: {counted} visits, but progress has {visits}"


def _key(length_s: int, row: Row) -> str:
    return f"{length_s} s {moment_of(row.window_start_s, 0)} {row.board} {row.entry!a}"


def _amount(row: Row) -> str:
    return f"{row.duration_s} s in {row.visits} visits"
