"""What the boards look like in a terminal, and as plain text elsewhere."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from leaderboard.boards import Boards, ShownBoard
from leaderboard.countries import country_of
from leaderboard.top import Entry, Top

_HEADINGS = ("rank", "entry", "visits", "duration", "share")
_UNITS = (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1))


class View(NamedTuple):
    """The last boards that were read, the rate of visits, and why the boards are old, if they are."""

    boards: Boards | None = None
    visits_per_s: float | None = None
    failure: str | None = None

    def with_boards(self, boards: Boards) -> "View":
        """Return the view after a successful reading."""
        if self.boards is None:
            return View(boards)
        elapsed_s = (boards.read_at - self.boards.read_at).total_seconds()
        visits = boards.visits - self.boards.visits
        return View(boards, visits / elapsed_s if elapsed_s > 0 and visits >= 0 else None)

    def with_failure(self, why: str) -> "View":
        """Return the view after a failed reading: the last boards stay."""
        return View(self.boards, None, why)


def duration_text(duration_s: int) -> str:
    """Return seconds in their two largest units: 17s, 12m 05s, 4h 12m, 3d 04h."""
    largest = next((at for at, (_, unit_s) in enumerate(_UNITS) if duration_s >= unit_s), len(_UNITS) - 1)
    name, unit_s = _UNITS[largest]
    text = f"{duration_s // unit_s:,}{name}"
    if largest + 1 == len(_UNITS):
        return text
    smaller_name, smaller_s = _UNITS[largest + 1]
    return f"{text} {duration_s % unit_s // smaller_s:02}{smaller_name}"


def shown(entry: str) -> str:
    """Return a name without characters that control a terminal."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in entry)


def plain(view: View, top: int) -> str:
    """Return the boards as lines of text, one below the other; the reason is above them if they are old."""
    if view.boards is None:
        return view.failure or "no data yet"
    lines = [status_text(view), *([view.failure] if view.failure else [])]
    for board, first in _boards(view.boards):
        cells = [_HEADINGS, *(_cells(entry, _label(board, entry, coded=True)) for entry in first.entries[:top])]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines += ["", f"{board.title.upper()} ({first.entries_total})"]
        lines += [_line(row, widths) for row in cells]
    return "\n".join(lines)


def live(view: View, height: int) -> RenderableType:
    """Return the boards side by side, as high as the terminal; grey when they are old."""
    if view.boards is None:
        return Text(view.failure or "connecting to MariaDB", style="yellow")
    side_by_side = Table.grid(padding=(0, 3))
    tables = [_table(board, first, max(1, height - 7)) for board, first in _boards(view.boards)]
    side_by_side.add_row(*tables)
    parts: list[RenderableType] = [Text(status_text(view), style="bold"), side_by_side]
    if view.failure:
        side_by_side.style = "bright_black"
        parts = [Text(status_text(view), style="bright_black"), Text(view.failure, style="red"), side_by_side]
    return Group(*parts)


def status_text(view: View) -> str:
    """Return the line above the boards."""
    boards = view.boards
    if boards is None:
        return ""
    rate = "-" if view.visits_per_s is None else f"{view.visits_per_s:,.0f}"
    span = "all" if boards.range == "all" else f"{boards.range} from {_utc(boards.start)} to {_utc(boards.end)}"
    return (
        f"as of {_utc(boards.as_of)} | {span} | {boards.visits:,} visits, {boards.rejected:,} rejected "
        f"in all | {rate} visits/s"
    )


def _boards(boards: Boards) -> Iterable[tuple[ShownBoard, Top]]:
    return ((board, boards.boards[board.name]) for board in boards.shown)


def _label(board: ShownBoard, entry: Entry, *, coded: bool = False) -> str:
    """Return the entry's name, and the flag of a country; with the country's code if there is room for it."""
    country = country_of(board.fields, entry.entry)
    if country is None:
        return shown(entry.entry)
    return f"{country.flag} {shown(country.name)}".strip() + (f" ({shown(entry.entry)})" if coded else "")


def _cells(entry: Entry, label: str) -> tuple[str, ...]:
    figures = (f"{entry.visits:,}", duration_text(entry.duration_s), f"{entry.share:.1%}")
    return (str(entry.rank), label, *figures)


def _line(cells: tuple[str, ...], widths: list[int]) -> str:
    rank, entry, *figures = cells
    padded = (cell.rjust(width) for cell, width in zip(figures, widths[2:], strict=True))
    return "  ".join([rank.rjust(widths[0]), entry.ljust(widths[1]), *padded])


def _table(board: ShownBoard, first: Top, rows: int) -> Table:
    table = Table(
        title=f"{board.title.upper()} ({first.entries_total})", title_justify="left", title_style="bold", box=None
    )
    for heading in _HEADINGS:
        left = heading == "entry"
        table.add_column(heading, justify="left" if left else "right", no_wrap=True, overflow="ellipsis")
    for entry in first.entries[:rows]:
        table.add_row(*map(Text, _cells(entry, _label(board, entry))))
    return table


def _utc(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
