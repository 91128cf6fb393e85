"""The boards: what visits are totalled by. A board of your own is one more entry, and at most a field of `Visit`."""

from collections.abc import Sequence
from typing import NamedTuple

from process.errors import ExitCode, Fatal
from settings import Settings


class Board(NamedTuple):
    """Visits are totalled by the values of one to three text fields of `Visit`; `title` is for people."""

    name: str
    title: str
    fields: tuple[str, ...]


BOARDS = (
    Board("action", "Last action", ("last_action",)),
    Board("country", "Country", ("country",)),
    Board("country/action", "Country and last action", ("country", "last_action")),
)
"""Names have 16 characters at most."""


def boards_of(settings: Settings) -> tuple[Board, ...]:
    """Return the boards that BOARDS names, in its order.

    :raises Fatal: CONFIG, there is no such board.
    """
    known = {board.name: board for board in BOARDS}
    for name in settings.boards:
        if name not in known:
            message = f"BOARDS is {','.join(settings.boards)!r}, but must be of {', '.join(known)}"
            raise Fatal(message, ExitCode.CONFIG)
    return tuple(known[name] for name in settings.boards)


def entry_of(values: Sequence[str]) -> str:
    """Return the entry of a board: a value as it is, or several joined by a slash, such as `NOR/ORDER`.

    Of several, a slash within a value is written %2F, and a percent sign %25: `entry_values` reads them back.
    """
    if len(values) == 1:
        return values[0]
    return "/".join(value.replace("%", "%25").replace("/", "%2F") for value in values)


def entry_values(fields: Sequence[str], entry: str) -> tuple[str, ...]:
    """Return the values of an entry of a board that totals by these fields."""
    if len(fields) == 1:
        return (entry,)
    return tuple(value.replace("%2F", "/").replace("%25", "%") for value in entry.split("/"))
