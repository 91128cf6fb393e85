"""The API's parameters: a wrong value is refused with a message that names the allowed ones."""

from collections.abc import Callable, Collection
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request

from leaderboard.boards import MOST_ENTRIES
from leaderboard.ranges import RANGES

DEFAULT_RANGE = "5m"
DEFAULT_LIMIT = 10


def range_of(value: str) -> str:
    """Return a range of `RANGES`.

    :raises ValueError: it is not one; the text states what is allowed.
    """
    if value not in RANGES:
        raise ValueError(f"one of {', '.join(RANGES)}")
    return value


def limit_of(value: str) -> int:
    """Return a number of entries.

    :raises ValueError: it is not one; the text states what is allowed.
    """
    if not (value.isascii() and value.isdigit() and len(value) <= 4 and 1 <= int(value) <= MOST_ENTRIES):
        raise ValueError(f"a whole number from 1 to {MOST_ENTRIES}")
    return int(value)


_PARSERS: dict[str, Callable[[str], Any]] = {"range": range_of, "limit": limit_of}
_DEFAULTS: dict[str, Any] = {"range": DEFAULT_RANGE, "limit": DEFAULT_LIMIT}


def parameters_of(request: Request, *names: str, **defaults: Any) -> list[Any]:
    """Return the values of the query's parameters, in the order of `names`.

    :raises HTTPException: 400 for a parameter that is unknown, given twice, or wrong.
    """
    given: dict[str, Any] = {}
    for name, value in request.query_params.multi_items():
        if name not in names:
            allowed = ", ".join(names) or "none"
            raise HTTPException(400, f"parameter {name!r} is unknown here; allowed: {allowed}")
        if name in given:
            raise HTTPException(400, f"parameter {name!r} is given twice")
        try:
            given[name] = _PARSERS[name](value)
        except ValueError as error:
            raise HTTPException(400, f"{name} is {value!r}, but must be {error}") from error
    return [given.get(name, defaults.get(name, _DEFAULTS[name])) for name in names]


def board_of(request: Request, boards: Collection[str]) -> str:
    """Return the board that the path names, one of `boards`.

    :raises HTTPException: 404 for one that does not exist.
    """
    name: str = request.path_params["board"]
    if name not in boards:
        raise HTTPException(404, f"board {name!r} does not exist; there are {' and '.join(boards)}")
    return name
