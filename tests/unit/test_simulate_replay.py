"""Replay of recorded visits: their bytes, their meanings and their timing."""

from fractions import Fraction
from pathlib import Path

import pytest

from process.errors import Fatal
from simulate.chunk import Chunk
from simulate.pace import Pace
from simulate.replay import Replay

NDJSON = b"""{"visitDate": "2026-01-01T12:00:00Z", "country": "USA", "lastAction": "ORDER", "duration": 5}
{"visitDate":"2026-01-01T12:00:30+00:00","country":"USA","lastAction":"FAQ","duration":5,"more":[1]}

not a visit
{"visitDate": "2026-01-01T12:00:10Z", "country": "DEU", "lastAction": "FAQ", "duration": 6}\r
{"visitDate": "2026-01-01T12:01:00Z", "country": "DEU", "lastAction": "FAQ", "duration": 6}"""

NOON_MS = 1_767_268_800_000


def _replay(path: Path, *, speed: int | None = None, until: int | None = None, key: str = "none") -> Replay:
    pace = None if speed is None else Pace(Fraction(speed), Fraction(60))
    return Replay(path, pace=pace, until=until, key=key)


def _all(replay: Replay) -> Chunk:
    chunk = replay.take(replay.due(0))
    assert replay.done
    return chunk


@pytest.fixture
def ndjson(tmp_path: Path) -> Path:
    """A file of five messages and one empty line."""
    path = tmp_path / "visits.ndjson"
    path.write_bytes(NDJSON)
    return path


def test_ndjson_is_sent_byte_by_byte(ndjson: Path) -> None:
    """Invalid messages too, with their reason; empty lines and line ends are left out."""
    chunk = _all(_replay(ndjson))
    assert chunk.values == [line.rstrip(b"\r") for line in NDJSON.split(b"\n") if line]
    assert chunk.rejected == {2: "malformed"}
    assert chunk.dates_ms[0] == NOON_MS
    dated = [(index, date_ms) for index, date_ms in zip(chunk.indexes, chunk.dates_ms, strict=True) if index < 3]
    visits = [(*chunk.templates[index], date_ms - NOON_MS) for index, date_ms in dated]
    assert visits == [
        ("USA", "ORDER", 5, 0),
        ("USA", "FAQ", 5, 30_000),
        ("DEU", "FAQ", 6, 10_000),
        ("DEU", "FAQ", 6, 60_000),
    ]


def test_visits_are_due_at_their_recorded_pace_times_speed(ndjson: Path) -> None:
    """One that is dated before its predecessor is due at once, and so is an invalid message."""
    replay = _replay(ndjson, speed=1)
    assert [replay.due(elapsed_s) for elapsed_s in (0, 29.9, 30, 59.9, 60)] == [1, 1, 4, 4, 5]
    assert _replay(ndjson, speed=60).due(0.5) == 4
    assert replay.behind_s(70) == 0.0
    replay.take(2)
    assert replay.behind_s(70) == 40


def test_count_ends_a_replay(ndjson: Path) -> None:
    """After this many messages."""
    assert len(_all(_replay(ndjson, until=3)).values) == 3


def test_keys_come_from_the_visits(ndjson: Path) -> None:
    """An invalid message has none."""
    assert _all(_replay(ndjson, key="country")).keys == [b"USA", b"USA", None, b"DEU", b"DEU"]
    assert _all(_replay(ndjson, key="action")).keys == [b"ORDER", b"FAQ", None, b"FAQ", b"FAQ"]


def test_csv_rows_become_messages(tmp_path: Path) -> None:
    """Columns in any order, others ignored; a duration that is not a whole number is sent unchanged, and rejected."""
    path = tmp_path / "visits.CSV"
    path.write_text(
        "\ufeffduration,country,page,lastAction,visitDate\r\n"
        '7,"a,""b""",/x,SHOPPING_CART,2026-01-01T12:00:00Z\r\n'
        "1.5,USA,/x,ORDER,2026-01-01T12:00:00Z\r\n"
        "7,USA\r\n",
        encoding="utf-8",
    )
    chunk = _all(_replay(path))
    assert chunk.values == [
        rb'{"visitDate": "2026-01-01T12:00:00Z", "country": "a,\"b\"", "lastAction": "SHOPPING_CART", "duration": 7}',
        b'{"visitDate": "2026-01-01T12:00:00Z", "country": "USA", "lastAction": "ORDER", "duration": "1.5"}',
        b'{"visitDate": null, "country": "USA", "lastAction": null, "duration": 7}',
    ]
    assert chunk.rejected == {1: "invalid", 2: "invalid"}
    assert chunk.templates.cart_suffixes == [b',"a,""b""",SHOPPING_CART,7', None]


def test_a_long_file_comes_in_chunks(tmp_path: Path) -> None:
    """In its order, every line once."""
    path = tmp_path / "long.ndjson"
    lines = [b'{"number": %d}' % number for number in range(10_000)]
    path.write_bytes(b"\n".join(lines))
    replay = _replay(path)
    values: list[bytes | None] = []
    while not replay.done:
        chunk = replay.take(min(replay.due(0), 3000))
        assert chunk.first == len(values)
        values += chunk.values
    assert values == lines


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("gone.ndjson", None, "cannot be read: .*No such file"),
        ("visits.csv", b"", "the header has no visitDate, country, lastAction, duration"),
        ("visits.csv", b"visitDate,country,duration\n", "the header has no lastAction; it must contain visitDate"),
        ("visits.csv", b"visitDate,country,lastAction,duration\n\xff", "line 2 is not UTF-8"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_message(
    name: str, content: bytes | None, message: str, tmp_path: Path
) -> None:
    """It names the file."""
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(Fatal, match=f"{name}.*{message}"):
        _replay(tmp_path / name)
