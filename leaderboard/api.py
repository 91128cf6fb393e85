"""The JSON API, described at /api: boards, series, status, CSV, and the live stream of all of them."""

import csv
import io
from typing import Any

from sse_starlette import EventSourceResponse
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from leaderboard import countries
from leaderboard.boards import MOST_ENTRIES
from leaderboard.hub import Hub, Unavailable, encoder
from leaderboard.parameters import board_of, parameters_of
from leaderboard.wire import Board, RangeReading

_PING_S = 15
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def json_response(value: Any, status_code: int = 200) -> Response:
    """Return a value as JSON that must not be cached."""
    headers = {"Cache-Control": "no-store"}
    return Response(encoder.encode(value), status_code, headers, "application/json")


async def board(request: Request) -> Response:
    """/api/v1/boards/{board}: one board."""
    range_name, limit = parameters_of(request, "range", "limit")
    reading = await _reading(request, range_name)
    return json_response({**_span(reading), **_fields(_board(request, reading).limited(limit))})


async def board_csv(request: Request) -> Response:
    """/api/v1/boards/{board}.csv: one board for a spreadsheet."""
    range_name, limit = parameters_of(request, "range", "limit", limit=MOST_ENTRIES)
    reading = await _reading(request, range_name)
    board = _board(request, reading)
    name = board.board.replace("/", "-")
    headers = {
        "Cache-Control": "no-store",
        "Content-Disposition": f'attachment; filename="{name}-{range_name}-{reading.as_of:%Y%m%dT%H%M%SZ}.csv"',
    }
    return Response(csv_of(board.limited(limit)), 200, headers, "text/csv")


async def series(request: Request) -> Response:
    """/api/v1/series: visits over time."""
    (range_name,) = parameters_of(request, "range")
    reading = await _reading(request, range_name)
    return json_response({**_span(reading), "series": reading.series})


async def snapshot(request: Request) -> Response:
    """/api/v1/snapshot: what the stream sends, once."""
    range_name, limit = parameters_of(request, "range", "limit")
    reading = await _reading(request, range_name)
    return json_response({"boards": reading.limited(limit), "status": _hub(request).status()})


async def status(request: Request) -> Response:
    """/api/v1/status: whether the figures are live, and what waits."""
    parameters_of(request)
    return json_response(_hub(request).status())


async def stream(request: Request) -> Response:
    """/api/v1/stream: boards and status as server-sent events."""
    range_name, limit = parameters_of(request, "range", "limit")
    events = _hub(request).events(range_name, limit, request.headers.get("last-event-id"))
    return EventSourceResponse(events, ping=_PING_S)


ROUTES = [
    Route("/api/v1/boards/{board:path}.csv", board_csv),
    Route("/api/v1/boards/{board:path}", board),
    Route("/api/v1/series", series),
    Route("/api/v1/snapshot", snapshot),
    Route("/api/v1/status", status),
    Route("/api/v1/stream", stream),
]


def csv_of(board: Board) -> str:
    """Return a board as CSV (RFC 4180).

    A name that a spreadsheet would run as a formula gets an apostrophe in front: names are untrusted input
    (https://owasp.org/www-community/attacks/CSV_Injection). The last column of countries is the name of a code.
    """
    text = io.StringIO()
    writer = csv.writer(text)
    named = any(standing.name for standing in board.entries) or board.board == countries.FIELD
    writer.writerow(["rank", board.board, "duration_s", "visits", "share", *(["name"] if named else [])])
    for standing in board.entries:
        entry = f"'{standing.entry}" if standing.entry.startswith(_FORMULA) else standing.entry
        figures = [standing.duration_s, standing.visits, f"{standing.share:.6f}"]
        writer.writerow([standing.rank, entry, *figures, *([standing.name] if named else [])])
    return text.getvalue()


def _hub(request: Request) -> Hub:
    hub: Hub = request.state.hub
    return hub


async def _reading(request: Request, range_name: str) -> RangeReading:
    try:
        return await _hub(request).reading(range_name)
    except Unavailable as error:
        raise HTTPException(503, str(error)) from error


def _board(request: Request, reading: RangeReading) -> Board:
    return reading.boards[board_of(request, reading.boards)]


def _span(reading: RangeReading) -> dict[str, Any]:
    names = ("range", "start", "end", "as_of", "compared_with", "trend_bucket_s")
    return {name: getattr(reading, name) for name in names}


def _fields(board: Board) -> dict[str, Any]:
    return {
        name: getattr(board, name)
        for name in ("board", "title", "complete_from", "entries_total", "duration_s", "visits", "entries")
    }
