"""Rejected visits, summed by reason and partition, and how old they are."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from rich.box import SIMPLE
from rich.table import Table
from rich.text import Text

from clients.kafka import printable
from ops.rejects.record import Rejected

FOREIGN = "(no visit named)"
AGES_S = (("<1h", 3600), ("<1d", 86_400), ("<7d", 604_800))
OLDER = "older"
_AGES = (*(name for name, _ in AGES_S), OLDER)


@dataclass
class Group:
    """The rejected visits of one reason in one partition; times are milliseconds since 1970."""

    ages: Counter[str] = field(default_factory=Counter)
    sent_back: int = 0
    oldest_ms: int = 0
    newest_ms: int = 0

    def add(self, timestamp_ms: int, now_ms: int, sent_back: bool) -> None:
        """Add one record."""
        first = not self.ages
        self.ages[age_of((now_ms - timestamp_ms) / 1000)] += 1
        self.sent_back += sent_back
        self.oldest_ms = timestamp_ms if first else min(self.oldest_ms, timestamp_ms)
        self.newest_ms = timestamp_ms if first else max(self.newest_ms, timestamp_ms)


Groups = dict[tuple[str, int], Group]


def age_of(age_s: float) -> str:
    """Return the column of an age: the first whose limit is above it."""
    return next((name for name, limit_s in AGES_S if age_s < limit_s), OLDER)


def groups_of(records: Iterable[Rejected], markers: set[str], now_ms: int) -> Groups:
    """Sum records by reason and partition; `markers` name the visits that were sent back."""
    groups: Groups = defaultdict(Group)
    for rejected in records:
        reason = rejected.reason if rejected.origin else FOREIGN
        groups[reason, rejected.partition].add(rejected.timestamp_ms, now_ms, rejected.marker in markers)
    return dict(sorted(groups.items()))


def as_json(topic: str, groups: Groups) -> dict[str, Any]:
    """Return the sums for machines."""
    rows = [
        {
            "reason": reason,
            "partition": partition,
            "count": group.ages.total(),
            "ages": {name: group.ages[name] for name in _AGES},
            "sent_back": group.sent_back,
            "oldest": _time(group.oldest_ms),
            "newest": _time(group.newest_ms),
        }
        for (reason, partition), group in groups.items()
    ]
    return {"topic": topic, "count": sum(group.ages.total() for group in groups.values()), "rejected": rows}


def as_table(topic: str, groups: Groups) -> Table:
    """Return the sums for a terminal."""
    title = Text(f"rejected visits in {topic}, by age")
    table = Table(title=title, title_justify="left", show_footer=True, box=SIMPLE, padding=(0, 1, 0, 0))
    table.add_column("reason", "all", no_wrap=True)
    table.add_column("partition", justify="right", no_wrap=True)
    rows = {place: _figures(group) for place, group in groups.items()}
    for index, name in enumerate((*_AGES, "all", "sent back")):
        table.add_column(name, str(sum(figures[index] for figures in rows.values())), justify="right")
    table.add_column("oldest (UTC)", no_wrap=True)
    for (reason, partition), figures in rows.items():
        oldest = _time(groups[reason, partition].oldest_ms)[:16].replace("T", " ")
        table.add_row(Text(printable(reason.encode())), str(partition), *map(str, figures), oldest)
    return table


def _figures(group: Group) -> list[int]:
    return [group.ages[name] for name in _AGES] + [group.ages.total(), group.sent_back]


def _time(timestamp_ms: int) -> str:
    return datetime.fromtimestamp(timestamp_ms / 1000, UTC).isoformat(timespec="milliseconds")
