"""`python -m leaderboard`: the JSON API, the live stream, and how the server starts and ends."""

import csv
import io
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from ops.provision import provision
from ops.servers.software import ROOT
from settings import Settings
from tests.browser.server import Board, Visits, add_visits, now, serving
from tests.metrics import parsed, total
from tests.support import process_environment, produce, query, wait_until

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def board(settings: Settings, environment: dict[str, str], tmp_path: Path) -> Iterator[Board]:
    """The leaderboard of the test's database."""
    with serving(environment, tmp_path) as board:
        yield board


class Event(dict[str, str]):
    """One server-sent event: its fields."""

    @property
    def json(self) -> Any:
        """Its data."""
        return json.loads(self["data"])


@contextmanager
def listening(board: Board, query: str = "", last_id: str | None = None) -> Iterator[Iterator[Event]]:
    """Follow the stream; yield its events."""
    connection = HTTPConnection("127.0.0.1", board.port, timeout=20)
    connection.request("GET", f"/api/v1/stream{query}", headers={"Last-Event-ID": last_id} if last_id else {})
    response = connection.getresponse()
    assert response.status == 200
    assert response.headers["Content-Type"].startswith("text/event-stream")

    def events() -> Iterator[Event]:
        event = Event()
        for line in response:
            name, _, value = line.decode().rstrip("\r\n").partition(": ")
            if name:
                event[name] = value
            elif event:
                yield event
                event = Event()

    try:
        yield events()
    finally:
        connection.close()
        response.close()


def until(events: Iterator[Event], name: str) -> Event:
    """Return the next event of a name."""
    return next(event for event in events if event.get("event") == name)


def test_a_board_over_every_range(board: Board, settings: Settings) -> None:
    """Entries have rank, entry, duration, visits and share, and the rank of the previous period."""
    add_visits(
        settings,
        Visits(NOON, "FAQ", "Peru", 10, 2),
        Visits(NOON, "ORDER", "Kenya", 30),
        Visits(NOON - timedelta(minutes=6), "FAQ", "Peru", 500),
        Visits(NOON - timedelta(days=1), "CATALOG", "Peru", 7),
        Visits(NOON - timedelta(days=400), "CATALOG", "Chad", 1),
    )
    for range_name, rows in {
        "window": [["ORDER", 30, 1, None], ["FAQ", 10, 2, None]],
        "1m": [["ORDER", 30, 1, None], ["FAQ", 10, 2, None]],
        "5m": [["ORDER", 30, 1, None], ["FAQ", 10, 2, 1]],
        "1h": [["FAQ", 510, 3, None], ["ORDER", 30, 1, None]],
        "today": [["FAQ", 510, 3, None], ["ORDER", 30, 1, None]],
        "all": [["FAQ", 510, 3, None], ["ORDER", 30, 1, None], ["CATALOG", 8, 2, None]],
    }.items():
        body = board.get(f"/api/v1/boards/action?range={range_name}").json
        names = ("entry", "duration_s", "visits", "previous_rank")
        assert [[row[name] for name in names] for row in body["entries"]] == rows, range_name
        assert body["as_of"] == "2026-11-20T12:00:00Z"
    body = board.get("/api/v1/boards/country?range=today&limit=1").json
    [row] = body.pop("entries")
    assert row.pop("trend")
    figures = {"duration_s": 510, "visits": 3, "share": 510 / 540, "previous_rank": 1}
    assert row == {"rank": 1, "entry": "Peru", **figures, "name": None, "flag": None}
    assert body == {
        "range": "today",
        "start": "2026-11-20T00:00:00Z",
        "end": "2026-11-20T12:00:05Z",
        "as_of": "2026-11-20T12:00:00Z",
        "compared_with": {"start": "2026-11-19T00:00:00Z", "end": "2026-11-20T00:00:00Z"},
        "trend_bucket_s": body["trend_bucket_s"],
        "board": "country",
        "title": "Country",
        "complete_from": None,
        "entries_total": 2,
        "duration_s": 540,
        "visits": 4,
    }


def test_a_series_adds_up(board: Board, settings: Settings) -> None:
    """Every complete window is in it once; the one that is still filling is not."""
    add_visits(settings, *(Visits(NOON - timedelta(seconds=5 * at), "FAQ", "Peru", 1, at) for at in range(1, 60)))
    add_visits(settings, Visits(NOON, "FAQ", "Peru", 1, 1000))
    body = board.get("/api/v1/series?range=5m").json
    assert body["series"] == {"start": "2026-11-20T11:55:05Z", "bucket_s": 5, "visits": list(range(59, 0, -1))}
    for range_name in ("1h", "today", "all"):
        series = board.get(f"/api/v1/series?range={range_name}").json["series"]
        end = datetime.fromisoformat(series["start"]) + timedelta(seconds=series["bucket_s"] * len(series["visits"]))
        assert NOON - timedelta(seconds=series["bucket_s"]) < end <= NOON
        assert sum(series["visits"]) == sum(at for at in range(1, 60) if NOON - timedelta(seconds=5 * at) < end), (
            range_name
        )


def test_a_wrong_request_gets_what_is_allowed(board: Board) -> None:
    """400 for a parameter, 404 for a board; the response is JSON."""
    ranges, limits = "one of window, 1m, 5m, 1h, today, all", "a whole number from 1 to 1000"
    boards = "there are action and country"
    for path, code, error in (
        ("/api/v1/boards/action?range=2h", 400, f"range is '2h', but must be {ranges}"),
        ("/api/v1/boards/action?range=", 400, f"range is '', but must be {ranges}"),
        ("/api/v1/boards/action?limit=0", 400, f"limit is '0', but must be {limits}"),
        ("/api/v1/boards/action?limit=1001", 400, f"limit is '1001', but must be {limits}"),
        ("/api/v1/boards/action?limit=%C2%B2", 400, f"limit is '\u00b2', but must be {limits}"),
        ("/api/v1/boards/action?rnage=1h", 400, "parameter 'rnage' is unknown here; allowed: range, limit"),
        ("/api/v1/boards/action?range=1h&range=5m", 400, "parameter 'range' is given twice"),
        ("/api/v1/stream?limit=x", 400, f"limit is 'x', but must be {limits}"),
        ("/api/v1/status?range=1h", 400, "parameter 'range' is unknown here; allowed: none"),
        ("/api/v1/boards/city", 404, f"board 'city' does not exist; {boards}"),
        ("/api/v1/boards/city.csv", 404, f"board 'city' does not exist; {boards}"),
        ("/api/v2", 404, "Not Found"),
    ):
        response = board.get(path)
        assert (response.code, response.json) == (code, {"error": error})


def test_csv_holds_the_board_and_no_formula(board: Board, settings: Settings) -> None:
    """A name that a spreadsheet would run is quoted by an apostrophe."""
    add_visits(settings, Visits(NOON, "FAQ", "=1+1", 3), Visits(NOON, "FAQ", 'the "Isles", North', 1))
    response = board.get("/api/v1/boards/country.csv?range=all")
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert "country-all-20261120T120000Z.csv" in response.headers["Content-Disposition"]
    assert list(csv.reader(io.StringIO(response.body.decode()))) == [
        ["rank", "country", "duration_s", "visits", "share", "name"],
        ["1", "'=1+1", "3", "1", "0.750000", ""],
        ["2", 'the "Isles", North', "1", "1", "0.250000", ""],
    ]


def test_codes_of_countries_have_names_and_flags(board: Board, settings: Settings) -> None:
    """Entries stay what was sent, everywhere; names are beside them, and only on the board of countries."""
    sent = ("GBR", "NO", "XXX", "nor")
    add_visits(settings, *(Visits(NOON, sent[1], code, 10 - at) for at, code in enumerate(sent)))
    named = [("GBR", "United Kingdom", "🇬🇧"), ("NO", "Norway", "🇳🇴"), ("XXX", None, None), ("nor", None, None)]

    def shown(found: Any) -> list[tuple[str, str | None, str | None]]:
        return [(row["entry"], row["name"], row["flag"]) for row in found["entries"]]

    assert shown(board.get("/api/v1/boards/country?range=all").json) == named
    assert shown(board.get("/api/v1/boards/action?range=all").json) == [("NO", None, None)]
    assert shown(board.get("/api/v1/snapshot?range=all").json["boards"]["country"]) == named
    with listening(board, "?range=all") as events:
        assert shown(until(events, "boards").json["country"]) == named
    rows = csv.DictReader(io.StringIO(board.get("/api/v1/boards/country.csv?range=all").body.decode()))
    assert [(row["country"], row["name"] or None) for row in rows] == [(code, name) for code, name, _ in named]


def test_a_viewer_sees_a_commit_within_a_second(board: Board, settings: Settings) -> None:
    """Events have an id; one comes for every change, and the status in between is the heartbeat."""
    add_visits(settings, Visits(now(), "FAQ", "Peru", 10))
    with listening(board, "?range=1h&limit=3") as events:
        first = until(events, "boards")
        assert [row["entry"] for row in first.json["country"]["entries"]] == ["Peru"]
        took_s: list[float] = []

        def within_a_second() -> bool:
            """Commit once more; a busy machine has a few tries."""
            name, committed = f"Country {len(took_s)}", time.monotonic()
            add_visits(settings, Visits(now(), "FAQ", name, 100 + len(took_s)))
            event = until(events, "boards")
            while event.json["country"]["entries"][0]["entry"] != name:
                event = until(events, "boards")
            took_s.append(time.monotonic() - committed)
            assert len(event["id"]) == 16
            return len(took_s) >= 5 and sorted(took_s[-5:])[2] < 1.0

        wait_until(within_a_second, deadline_s=120, what=lambda: f"below 1 s in three of five: {took_s}")
        assert until(events, "status").json["state"] == "live"


def test_a_viewer_resumes_where_it_was(
    board: Board, settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    """With the id of the last event nothing comes twice, also from another server; new boards come."""
    add_visits(settings, Visits(NOON, "FAQ", "Peru", 10))
    board.get("/api/v1/snapshot?range=1h")
    with listening(board, "?range=1h") as events:
        last = until(events, "boards")
    with serving(environment, tmp_path) as other, listening(other, "?range=1h", last["id"]) as events:
        assert [next(events).get("event") for _ in range(3)] == [None, "status", "status"]
        add_visits(settings, Visits(NOON, "FAQ", "Peru", 1))
        event = until(events, "boards")
        assert event["id"] != last["id"]
        assert event.json["country"]["entries"][0]["duration_s"] == 11


def test_the_status_shows_what_waits_and_whether_it_is_counted(board: Board, settings: Settings) -> None:
    """Lag is per partition; when none of it is counted the figures become stale, and the next command is named."""
    assert board.get("/api/v1/status").json["next_command"] == "python -m simulate"
    produce(settings, [(1, b"{}")] * 3 + [(2, b"{}")])
    wait_until(lambda: board.get("/api/v1/status").json["lag"] == 4, deadline_s=20, what="a lag of 4")
    status = board.get("/api/v1/status").json
    assert [at["lag"] for at in status["partitions"]] == [0, 3, 1, 0]
    stale = wait_until(
        lambda: (status := board.get("/api/v1/status").json)["state"] == "stale" and status, deadline_s=30, what="stale"
    )
    assert "messages wait in Kafka, and none has been counted since " in stale["why"]
    assert stale["lag"] == 4
    assert stale["next_command"] == "python -m bytewax.run dataflow:flow -w 4"


def test_the_two_way_sum_is_green_only_when_checked(board: Board, settings: Settings) -> None:
    """A window whose totals differ is found and named; once it is repaired, a complete pass shows it."""

    def found() -> Any:
        return board.get("/api/v1/status").json["two_way_sum"]

    assert found()["state"] == "unchecked"
    add_visits(settings, *(Visits(NOON - timedelta(seconds=5 * at), "FAQ", "Peru", 10) for at in range(300)))
    wait_until(lambda: found()["state"] == "equal" and found()["windows"] == 329, deadline_s=20, what="equal")
    wrong = "UPDATE window_totals SET visits = visits + ? WHERE length_s = 60 AND board = 'country' LIMIT 1"
    query(settings, wrong, (1,))
    add_visits(settings, Visits(NOON, "FAQ", "Peru", 10))
    wait_until(lambda: found()["state"] == "different", deadline_s=20, what="different")
    assert found()["difference"] == {
        "length_s": 60,
        "window_start": "2026-11-20T11:35:00Z",
        "visits_by_action": 11,
        "visits_by_country": 12,
        "duration_s_by_action": 110,
        "duration_s_by_country": 110,
    }
    query(settings, wrong, (-1,))
    add_visits(settings, Visits(NOON, "FAQ", "Peru", 10))
    wait_until(lambda: found()["state"] == "equal", deadline_s=20, what="equal again")


def test_it_starts_before_anything_is_provisioned(environment: dict[str, str], tmp_path: Path) -> None:
    """It is alive, not ready, names the command that helps, and resumes by itself."""
    with serving(environment, tmp_path, ready="/livez") as board:
        assert board.get("/readyz").code == 503
        status = wait_until(
            lambda: (status := board.get("/api/v1/status").json)["state"] != "starting" and status,
            deadline_s=20,
            what="a first poll",
        )
        assert (status["state"], status["next_command"]) == ("unprovisioned", "python -m ops provision")
        response = board.get("/api/v1/boards/action")
        assert response.code == 503
        assert "python -m ops provision" in response.json["error"]
        provision(Settings.from_environment(environment))
        board.wait_until_ready()
        assert board.get("/api/v1/boards/action").json["entries"] == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_within_5_s_with_viewers_connected(board: Board, number: signal.Signals) -> None:
    """Viewers are disconnected; the exit code is 0, and nothing is logged but its address."""
    with listening(board) as one, listening(board, "?range=all") as other:
        until(one, "status")
        until(other, "status")
        began = time.monotonic()
        assert board.end(number) == 0
        assert time.monotonic() - began < 5
        assert all(event.get("event") in {"boards", "status"} for event in (*one, *other))
    assert board.output().count("\n") == 1
    assert f"the leaderboard is at {board.url}/" in board.output()


def test_an_address_in_use_is_one_clear_message(environment: dict[str, str]) -> None:
    """Exit code 78, and no traceback."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = subprocess.run(
            [sys.executable, "-m", "leaderboard"],
            cwd=ROOT,
            env=process_environment(environment | {"BOARD_PORT": str(port)}),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert ended.returncode == 78
    assert ended.stderr.count("\n") == 1
    assert f"BOARD_PORT {port}" in ended.stderr


def test_nothing_is_loaded_from_elsewhere(board: Board) -> None:
    """Every response forbids it; content types are never sniffed, and figures are never cached."""
    for path in ("/", "/api", "/static/js/main.js", "/api/v1/status", "/nowhere"):
        headers = board.get(path).headers
        assert headers["Content-Security-Policy"].startswith("default-src 'self';")
        assert headers["X-Content-Type-Options"] == "nosniff"
    assert board.get("/api/v1/status").headers["Cache-Control"] == "no-store"
    assert board.get("/static/../web.py").code == 404
    assert board.get("/api/v1/status", method="POST").code == 405


def test_metrics_show_what_the_page_shows(board: Board, settings: Settings) -> None:
    """Also while no dataflow runs: lag comes from Kafka, counts from the database."""
    add_visits(settings, Visits(NOON, "FAQ", "Peru", 10, 3))
    produce(settings, [(1, b"a"), (1, b"b")])
    name = "website_analytics_leaderboard_"
    wait_until(lambda: f'{name}lag_messages{{partition="1"}} 2.0' in metrics(board), deadline_s=30, what="lag of 2")
    with listening(board, "?range=all") as events:
        until(events, "boards")
        samples = parsed(metrics(board))
    figures = {"viewers": 1, "visits": 3, "as_of_timestamp_seconds": NOON.timestamp()}
    assert {figure: total(samples, f"{name}{figure}") for figure in figures} == figures
    assert 0 < total(samples, f"{name}poll_seconds") < 10


def metrics(board: Board) -> str:
    found = board.get("/metrics")
    assert found.code == 200
    return found.body.decode()
