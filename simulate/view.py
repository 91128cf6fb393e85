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

from simulate.tally import Tally

_LINE_EVERY_S = 5
_BARS = " ▁▂▃▄▅▆▇█"


class View(Protocol):
    """Shows a tally, as often as it likes to."""

    def show(self, tally: Tally) -> None:
        """Show how things stand."""


@contextmanager
def view() -> Iterator[View]:
    """Return the view that suits standard error."""
    if not sys.stderr.isatty():
        yield _Lines()
        return
    with Live(console=Console(stderr=True), auto_refresh=False) as live:
        yield _Panel(live)


class _Lines:
    def __init__(self) -> None:
        self._next_s = float(_LINE_EVERY_S)

    def show(self, tally: Tally) -> None:
        if tally.elapsed_s < self._next_s:
            return
        self._next_s = (tally.elapsed_s // _LINE_EVERY_S + 1) * _LINE_EVERY_S
        print(line_of(tally), file=sys.stderr, flush=True)


class _Panel:
    def __init__(self, live: Live) -> None:
        self._live = live
        self._next_s = 0.0

    def show(self, tally: Tally) -> None:
        if tally.elapsed_s < self._next_s:
            return
        self._next_s = tally.elapsed_s + 0.25
        self._live.update(panel_of(tally), refresh=True)


def asked(tally: Tally) -> str:
    """Say the rate that was asked for."""
    if tally.rate is None:
        return "own pace"
    return f"{float(tally.rate):,g}/s" if tally.rate else "flat out"


def line_of(tally: Tally) -> str:
    """Say in one line how things stand."""
    sender = tally.sender
    reached = tally.last_minute[-1] if tally.last_minute else 0
    said = [
        f"{tally.elapsed_s:.0f} s: {sender.acknowledged:,} acknowledged",
        f"{reached:,}/s ({asked(tally)} asked)",
        f"{sender.under_way:,} under way",
        f"{len(sender.failures):,} failed",
    ]
    if sender.waited_s:
        said.append(f"held up by Kafka for {sender.waited_s:.1f} s")
    return ", ".join([*said, *_remarks(tally)])


def panel_of(tally: Tally) -> Panel:
    """Draw how things stand, with a bar for each of the last 60 seconds."""
    sender = tally.sender
    reached = tally.last_minute[-1] if tally.last_minute else 0
    table = Table.grid(padding=(0, 2))
    rows = {
        "rate": f"{reached:,}/s of {asked(tally)}",
        "acknowledged": f"{sender.acknowledged:,}",
        "under way": f"{sender.under_way:,}",
        "failed": f"{len(sender.failures):,}",
        "late": f"{tally.late:,}",
        "repeated": f"{tally.repeated:,}",
        **{reason: f"{number:,}" for reason, number in sorted(tally.rejected.items())},
        "held up by Kafka": f"{sender.waited_s:.1f} s",
    }
    for name, figure in rows.items():
        table.add_row(name, Text(figure, justify="right"))
    highest = max(tally.last_minute, default=0)
    bars = Text(bars_of(tally.last_minute), style="green")
    legend = Text(f"the last {len(tally.last_minute)} s, up to {highest:,}/s", style="dim")
    remarks = Text("\n".join(_remarks(tally)), style="bold red")
    return Panel(Group(table, bars, legend, remarks), title=f"visitors, {tally.elapsed_s:.0f} s", expand=False)


def bars_of(figures: Sequence[int]) -> str:
    """Draw a bar for each figure, the highest one full."""
    highest = max(figures, default=0) or 1
    return "".join(_BARS[-(-figure * (len(_BARS) - 1) // highest)] for figure in figures)


def _remarks(tally: Tally) -> list[str]:
    remarks = [f"trouble: {tally.sender.trouble}"] if tally.sender.trouble else []
    if tally.ending and tally.sender.under_way:
        remarks.append("waiting for Kafka's answers (a second Ctrl-C gives them up)")
    return remarks
