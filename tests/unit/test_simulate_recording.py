"""Recordings as people have them: compressed, with a byte order mark, with other separators, or broken."""

import gzip
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from backports import zstd

from ops.servers.software import ROOT
from process.errors import ExitCode, Fatal
from process.signals import Stop
from simulate.__main__ import main
from simulate.recorded import messages_in
from simulate.replay import Replay
from simulate.shape import Shape

LINES = [
    b'{"visitDate": "2026-01-01T12:00:%02dZ", "country": "USA", "lastAction": "ORDER", "duration": 5}' % second
    for second in range(60)
]
NDJSON = b"\n".join(LINES) + b"\n"
HEADER = "visitDate,country,lastAction,duration"
CSV = HEADER + "\r\n" + "".join(f"2026-01-01T12:00:{second:02}Z,USA,ORDER,5\r\n" for second in range(60))
BOM = b"\xef\xbb\xbf"
TWO_FRAMES = zstd.compress(NDJSON[:1000]) + zstd.compress(NDJSON[1000:])
SKIPPABLE = b"\x50\x2a\x4d\x18\x04\x00\x00\x00abcd"


def _messages(path: Path, content: bytes) -> list[bytes]:
    path.write_bytes(content)
    return list(messages_in(path, None, Shape()))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("visits.ndjson", NDJSON),
        ("visits.ndjson", BOM + NDJSON),
        ("visits.ndjson.gz", gzip.compress(NDJSON)),
        ("visits.ndjson.gz", gzip.compress(BOM + NDJSON)),
        ("visits.gz", gzip.compress(NDJSON[:1000]) + gzip.compress(NDJSON[1000:])),
        ("visits.ndjson.zst", zstd.compress(NDJSON)),
        ("visits.ndjson.zst", zstd.compress(BOM + NDJSON)),
        ("visits.zst", TWO_FRAMES),
        ("visits.zst", SKIPPABLE + TWO_FRAMES),
        ("visits.ndjson", gzip.compress(NDJSON)),  # a name may be wrong: the content decides
        ("visits.ndjson.gz", NDJSON),
        ("visits.csv", CSV.encode()),
        ("visits.csv", BOM + CSV.encode()),
        ("visits.csv.gz", gzip.compress(BOM + CSV.encode())),
        ("visits.CSV.zst", zstd.compress(CSV.encode())),
        ("visits.csv", CSV.replace("\r\n", "\r").encode()),
        ("visits.csv", ("\r\n" + CSV).encode()),
    ],
)
def test_every_form_gives_the_same_messages(name: str, content: bytes, tmp_path: Path) -> None:
    """Compressed or not, with a byte order mark or without, in one part or several."""
    assert _messages(tmp_path / name, content) == LINES


@pytest.mark.parametrize(
    ("name", "content", "reported"),
    [
        ("visits.csv", CSV, ""),
        ("visits.csv", CSV.replace(",", ";"), "is separated by semicolons"),
        ("visits.tsv", CSV.replace(",", "\t"), "is separated by tabs"),
        ("visits.csv", CSV.replace(",", "|"), "is separated by vertical bars"),
        ("visits.csv", "\ufeffsep=;\r\n" + CSV.replace(",", ";"), "is separated by semicolons (its line sep=)"),
        ("visits.csv", '"sep=\t"\n' + CSV.replace(",", "\t"), "is separated by tabs (its line sep=)"),
        ("visits.csv", "SEP=,\n" + CSV, "is separated by commas (its line sep=)"),
        ("visits.csv", "sep=^\n" + CSV.replace(",", "^"), "is separated by '^' (its line sep=)"),
    ],
)
def test_the_separator_is_recognized_and_reported(
    name: str, content: str, reported: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On standard error, unless it is the usual one."""
    assert _messages(tmp_path / name, content.encode()) == LINES
    expected = f"simulate: --replay {tmp_path / name} {reported}\n" if reported else ""
    assert capsys.readouterr() == ("", expected)


def test_a_semicolon_in_a_column_does_not_separate(tmp_path: Path) -> None:
    """The separator is that with which the header has all fields, not the most frequent one."""
    content = "a;b;c;d;e;f;g,visitDate,country,lastAction,duration\n1;2,2026-01-01T12:00:00Z,USA,ORDER,5\n"
    assert _messages(tmp_path / "visits.csv", content.encode()) == LINES[:1]


ROW = "2026-01-01T12:00:00Z,USA,ORDER,5\n"
BROKEN = [
    (
        "visits.csv",
        "visitDate, country,lastAction,duration\n",
        "the header has no country; .*found 'visitDate', ' coun",
    ),
    ("visits.csv", "event_time;country;action\n1;2;3\n", "found 'event_time', 'country', 'action'"),
    ("visits.csv", "sep=;\n", "found nothing"),
    ("visits.csv", HEADER + ",country\n" + ROW, "the header has more than one country"),
    (
        "visits.csv",
        HEADER + "\n" + ROW * 3 + '2026-01-01T12:00:00Z,"USA,ORDER,5\n' + ROW,
        "line 5: .*not closed as it s",
    ),
    ("visits.csv", HEADER + "\n" + ROW + '2026-01-01T12:00:00Z,"USA,ORDER,5\n2,"DEU",FAQ,6\n', "line 3: .*by line 4: "),
    ("visits.csv", HEADER + "\n" + '2026-01-01T12:00:00Z,"U\n' + ROW + '",ORDER,5\n', "line 2: .*country is 'U.n2026"),
    ("visits.csv", 'visitDate,"country,lastAction,duration\n' + ROW, "line 1: a quotation mark is not closed"),
    ("visits.csv", HEADER + "\n" + ROW + '2026-01-01T12:00:00Z,"a\\"b",ORDER,5\n', "line 3: .*double those inside"),
    ("visits.csv", HEADER + "\n" + '2026-01-01T12:00:00Z,"' + "x" * 200_000, "line 2: .*field limit"),
    (
        "visits.csv",
        HEADER + "\n" + ROW + "2026-01-01T12:00:00Z,Korea, Rep.,ORDER,5\n",
        "line 3 has 5 fields, but .* 4: quote",
    ),
    ("visits.ndjson", json.dumps(json.loads(LINES[0]), indent=2), "line 1: JSON over several lines: .*: jq -c "),
    ("visits.ndjson", "\n\n{\n  " + LINES[0].decode()[1:], "line 3: JSON over several lines"),
    ("visits.ndjson", "[\n" + LINES[0].decode() + ",\n" + LINES[1].decode() + "\n]\n", "line 1: one JSON array"),
    ("visits.ndjson", "[" + LINES[0].decode() + "," + LINES[1].decode() + "]\n", "line 1: one JSON array .*jq -c"),
    ("visits.ndjson", json.dumps([json.loads(line) for line in LINES * 50], indent=1), "line 1: one JSON array"),
]


@pytest.mark.parametrize(("name", "content", "message"), BROKEN)
def test_what_cannot_be_read_as_it_is_meant_is_one_message(
    name: str, content: str, message: str, tmp_path: Path
) -> None:
    """It names the file, the line, the value and the cure."""
    with pytest.raises(Fatal, match=f"--replay .*{name}.*{message}") as fatal:
        _messages(tmp_path / name, content.encode())
    assert fatal.value.code == ExitCode.CONFIG


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (CSV.encode("utf-16"), "is UTF-16 or UTF-32, not UTF-8: convert it, as with iconv -f UTF-16 -t UTF-8"),
        (CSV.encode("utf-16-be"), "is UTF-16 or UTF-32"),
        (NDJSON.decode().encode("utf-16-le"), "is UTF-16 or UTF-32"),
        (NDJSON.decode().encode("utf-32"), "is UTF-16 or UTF-32"),
        (gzip.compress(CSV.encode("utf-16")), "is UTF-16 or UTF-32"),
        ((CSV + "x,Österreich").encode("cp1252"), r"line 62 is not UTF-8 \(b'\\xd6sterrei'\): convert the file"),
        (gzip.compress(CSV.encode())[:-9], "is damaged or incomplete: .*: compress or copy it again"),
        (zstd.compress(CSV.encode())[:-9], "is damaged or incomplete: .*: compress or copy it again"),
        (b"\x1f\x8bnot gzip at all", "is damaged or incomplete"),
        (b"\x28\xb5\x2f\xfdnot zstd at all", "is damaged or incomplete"),
        (b"BZh91AY&SY", "is compressed as bzip2, which is not read: decompress it, or use gzip or zstd"),
        (b"PK\x03\x04\x14\x00", "is compressed as zip"),
        (b"\xfd7zXZ\x00\x00", "is compressed as xz"),
    ],
)
def test_what_is_not_utf_8_or_is_damaged_is_one_message(content: bytes, message: str, tmp_path: Path) -> None:
    """With the cure."""
    with pytest.raises(Fatal, match=message):
        _messages(tmp_path / "visits.csv", content)


def test_messages_that_look_like_json_of_several_lines_are_sent(tmp_path: Path) -> None:
    """Recorded messages that are not visits: half a document, an array of one, a document after another."""
    lines = [b'{"visitDate": "2026', b"[" + LINES[0] + b"]", LINES[0] * 2, b"[1, 2]", b"{}"]
    for line in lines:
        assert _messages(tmp_path / "visits.ndjson", line + b"\n" + LINES[0]) == [line, LINES[0]]


def _taken(replay: Replay) -> tuple[list[bytes | None], Fatal]:
    values: list[bytes | None] = []
    try:
        while not replay.done:
            values += replay.take(replay.due(0)).values
    except Fatal as fatal:
        return values, fatal
    raise AssertionError("the replay has ended as if it were complete")


@pytest.mark.parametrize("rows", [1, 4095, 4096, 4097, 10_000])
def test_all_before_the_line_that_cannot_be_read_is_sent(rows: int, tmp_path: Path) -> None:
    """And the message has how many that were."""
    path = tmp_path / "visits.csv"
    path.write_text(HEADER + "\n" + ROW * rows + '2026-01-01T12:00:00Z,"USA,ORDER,5\n' + ROW * 1500)
    values, fatal = _taken(Replay(path, pace=None, until=None, key="none"))
    assert values == [LINES[0]] * rows
    assert f", line {rows + 2}: " in fatal.message
    assert fatal.message.endswith(f"; the replay is incomplete: it ended after {rows} messages")


def test_a_dry_run_of_an_incomplete_replay_does_not_end_with_0(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is before the broken row is printed, and the message comes after it."""
    path = tmp_path / "visits.csv"
    path.write_text(HEADER + "\n" + ROW + '2026-01-01T12:00:00Z,"USA,ORDER,5\n' + ROW * 1500)
    assert main(["--replay", str(path), "--rate", "0", "--dry-run"]) == ExitCode.CONFIG
    out, err = capsys.readouterr()
    assert out.encode() == LINES[0] + b"\n"
    assert err.count("\n") == 1
    assert f"{path}, line 3: a quotation mark is not closed as it should be by line 1503" in err


@pytest.mark.parametrize("content", [NDJSON, BOM + NDJSON, CSV.encode(), gzip.compress(CSV.encode()), TWO_FRAMES])
def test_standard_input_is_read_in_every_form(content: bytes) -> None:
    """Its content decides which it is: it has no name."""
    command = [sys.executable, "-m", "simulate", "--replay", "-", "--rate", "0", "--dry-run"]
    run = subprocess.run(command, cwd=ROOT, input=content, capture_output=True, timeout=60, check=False)
    assert (run.returncode, run.stdout, run.stderr) == (0, NDJSON, b"")


def test_a_requested_stop_ends_the_wait_for_input(tmp_path: Path) -> None:
    """A pipe whose writer sends nothing more."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    stop = Stop()
    found: list[bytes] = []
    reader = threading.Thread(target=lambda: found.extend(messages_in(pipe, stop, Shape())))
    reader.start()
    with pipe.open("wb") as writer:
        writer.write(NDJSON)
        writer.flush()
        stop.set()
        reader.join(30)
        assert not reader.is_alive()
    stop.close()
    assert found in ([], LINES)  # the stop may come before the first byte is read
