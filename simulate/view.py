"""What the user sees while it runs: a live panel on a terminal, a line every five seconds elsewhere."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from simulate.stats import RunStats

_LINE_EVERY_S = 5
_BARS = " ▁▂▃▄▅▆▇█"


class View(Protocol):
    """Shows a run's figures, as often as suits it."""

    def show(self, stats: RunStats) -> None:
        """Show the present figures."""


@contextmanager
def open_view() -> Iterator[View]:
    """Return the view that suits standard error."""
    if not sys.stderr.isatty():
        yield _Lines()
        return
    with Live(console=Console(stderr=True), auto_refresh=False) as live:
        yield _Panel(live)


class _Lines:
    def __init__(self) -> None:
        self._next_s = float(_LINE_EVERY_S)

    def show(self, stats: RunStats) -> None:
        if stats.elapsed_s < self._next_s:
            return
        self._next_s = (stats.elapsed_s // _LINE_EVERY_S + 1) * _LINE_EVERY_S
        print(line_of(stats), file=sys.stderr, flush=True)


class _Panel:
    def __init__(self, live: Live) -> None:
        self._live = live
        self._next_s = 0.0

    def show(self, stats: RunStats) -> None:
        if stats.elapsed_s < self._next_s:
            return
        self._next_s = stats.elapsed_s + 0.25
        self._live.update(panel_of(stats), refresh=True)


def target_of(stats: RunStats) -> str:
    """Return the rate that was requested, as text."""
    if stats.rate is None:
        return "recorded pace"
    return f"{float(stats.rate):,g}/s" if stats.rate else "flat out"


def line_of(stats: RunStats) -> str:
    """Return the present figures as one line."""
    sender = stats.sender
    reached = stats.last_minute[-1] if stats.last_minute else 0
    parts = [
        f"{stats.elapsed_s:.0f} s: {sender.acknowledged:,} acknowledged",
        f"{reached:,}/s (target {target_of(stats)})",
        f"{sender.in_flight:,} in flight",
        f"{len(sender.failures):,} failed",
    ]
    if sender.waited_s:
        parts.append(f"held up by Kafka for {sender.waited_s:.1f} s")
    return ", ".join([*parts, *_remarks(stats)])


def panel_of(stats: RunStats) -> Panel:
    """Return the present figures as a panel, with a bar for each of the last 60 seconds."""
    sender = stats.sender
    reached = stats.last_minute[-1] if stats.last_minute else 0
    table = Table.grid(padding=(0, 2))
    rows = {
        "rate": f"{reached:,}/s of {target_of(stats)}",
        "acknowledged": f"{sender.acknowledged:,}",
        "in flight": f"{sender.in_flight:,}",
        "failed": f"{len(sender.failures):,}",
        "late": f"{stats.late:,}",
        "repeated": f"{stats.duplicates:,}",
        **{reason: f"{number:,}" for reason, number in sorted(stats.rejected.items())},
        "held up by Kafka": f"{sender.waited_s:.1f} s",
    }
    for name, figure in rows.items():
        table.add_row(name, Text(figure, justify="right"))
    highest = max(stats.last_minute, default=0)
    bars = Text(bars_of(stats.last_minute), style="green")
    legend = Text(f"the last {len(stats.last_minute)} s, up to {highest:,}/s", style="dim")
    remarks = Text("\n".join(_remarks(stats)), style="bold red")
    title = f"load generator, {stats.elapsed_s:.0f} s"
    return Panel(Group(table, bars, legend, remarks), title=title, expand=False)


def bars_of(figures: Sequence[int]) -> str:
    """Return a bar for each figure, the highest one full."""
    highest = max(figures, default=0) or 1
    return "".join(_BARS[-(-figure * (len(_BARS) - 1) // highest)] for figure in figures)


def _remarks(stats: RunStats) -> list[str]:
    remarks = [f"Kafka: {stats.sender.last_error}"] if stats.sender.last_error else []
    if stats.draining and stats.sender.in_flight:
        remarks.append("waiting for acknowledgements (a second Ctrl-C ends the wait)")
    return remarks
