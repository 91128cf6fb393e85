"""Records of any bytes, as another client may send them: each is counted or rejected, and verify agrees."""

from pathlib import Path
from typing import Any

import pytest

from ops.rejects.record import ATTEMPT_HEADER
from process.errors import ExitCode
from settings import Settings
from tests.pipeline import ops, run_to_end
from tests.raw_records import RawRecord, produce_raw
from tests.support import Record, query, read_committed
from tests.unit.samples import visit_bytes

pytestmark = pytest.mark.environment(VISITS_PARTITIONS="1")

UNREADABLE = ("headers_unreadable", b"a header's name is not UTF-8")
THOUSAND = tuple((b"h%d" % at, b"\xff\x00%d" % at) for at in range(1000))
BAD_NAMES = (
    ((b"\xff", b"x"),),
    ((b"ok", b"1"), (b"\xed\xa0\x80", None), (b"later", b"2")),
    ((b"\xc3", b""), (b"\xff\xfe", b"x")),
    (*THOUSAND, (b"\x80", b"")),
)

EXPECTED: list[tuple[RawRecord, list[Any]]] = [
    *((RawRecord(b"?", b"\xff\x00", headers), [UNREADABLE]) for headers in BAD_NAMES),
    (RawRecord(None, None, BAD_NAMES[0]), [UNREADABLE]),
    (RawRecord(b"\x00" * 200_000, b"", BAD_NAMES[1]), [UNREADABLE]),
    # The client reads a name as far as its first NUL.
    (RawRecord(b"?", b"\x00", ((b"a\x00b", b"c\x00d"), (b"\x00", b""))), [("a", b"c\x00d"), ("", b"")]),
    (RawRecord(b"", b"", ((b"", None), (b"", b""), (b"n", None))), [("", None), ("", b""), ("n", None)]),
    (RawRecord(b"?", None, THOUSAND), [(name.decode(), value) for name, value in THOUSAND]),
    (
        RawRecord(b"?", None, ((b"headers_unreadable", b"theirs"), (b"visit\x00", b"theirs"), (b"t", b"1"))),
        [("t", b"1")],
    ),
]


def headers_but_coordinates(record: Record) -> list[tuple[str, bytes | None]]:
    ours = ("__connect.errors.", "visit", "reason")
    return [pair for pair in record.headers if not pair[0].startswith(ours)]


@pytest.fixture
def counted(settings: Settings, environment: dict[str, str], tmp_path: Path) -> Settings:
    """All records are processed, in two runs; before the second, a stranger writes to the rejected topic."""
    records = [record for record, _ in EXPECTED]
    visits = [RawRecord(visit_bytes(), b"\xff", headers) for headers in BAD_NAMES]
    produce_raw(settings, settings.visits_topic, 0, [*records, *visits])
    run_to_end(environment, tmp_path)
    produce_raw(settings, settings.rejected_topic, 0, [RawRecord(b"foreign", b"", headers) for headers in BAD_NAMES])
    query(settings, "UPDATE progress SET next_offset = 0, messages = 0, visits = 0, rejected = 0")
    query(settings, "DELETE FROM window_totals")
    run_to_end(environment, tmp_path)
    return settings


def test_whatever_the_bytes_of_a_record_it_is_counted_or_rejected(
    counted: Settings, environment: dict[str, str]
) -> None:
    """Key and value are kept; so are the headers, or one of ours tells why they are not. Nothing comes twice."""
    assert query(counted, "SELECT messages, visits, rejected FROM progress") == [(14, 4, 10)]
    rejects = [record for record in read_committed(counted, counted.rejected_topic) if record.value != b"foreign"]
    assert [(record.key, record.value) for record in rejects] == [(record.key, record.value) for record, _ in EXPECTED]
    assert [headers_but_coordinates(record) for record in rejects] == [headers for _, headers in EXPECTED]
    assert [dict(record.headers)["__connect.errors.offset"] for record in rejects] == [b"%d" % at for at in range(10)]
    verified = ops(environment, "verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert "10 rejects compared" in verified.stdout


def test_verify_finds_headers_that_are_missing_without_a_reason(counted: Settings, environment: dict[str, str]) -> None:
    """A record without headers must have the header that explains it, and no other may have it."""
    (visit,) = (value for name, value in read_committed(counted, counted.rejected_topic)[0].headers if name == "visit")
    assert visit is not None
    offsets = {"unexplained": b"14", "wrongly": b"15"}
    produce_raw(counted, counted.visits_topic, 0, [RawRecord(b"?", None, BAD_NAMES[0]), RawRecord(b"?")])
    for offset in offsets.values():
        headers = [(b"visit", visit.removesuffix(b"/0") + b"/" + offset), (b"reason", b"malformed")]
        headers += [(b"__connect.errors.topic", counted.visits_topic.encode()), (b"__connect.errors.partition", b"0")]
        headers += [(b"__connect.errors.offset", offset)]
        headers += [(b"headers_unreadable", UNREADABLE[1])] if offset == offsets["wrongly"] else []
        produce_raw(counted, counted.rejected_topic, 0, [RawRecord(b"?", None, tuple(headers))])
    query(counted, "UPDATE progress SET next_offset = 16, messages = 16, rejected = 12")
    verified = ops(environment, "verify")
    assert verified.returncode == ExitCode.DIFFERENCES, verified.stdout + verified.stderr
    found = [line.partition("visit at offset ")[2] for line in verified.stdout.splitlines() if "visit at" in line]
    reason = f"{UNREADABLE[1].decode()!a}"
    assert found == [
        f"14: headers_unreadable: the output has null, the recount {reason}",
        f"15: headers_unreadable: the output has {reason}, the recount null",
    ]


def test_rejected_shows_and_sends_back_what_there_is(counted: Settings, environment: dict[str, str]) -> None:
    """Foreign records are counted apart; what is sent back has its key and its bytes."""
    shown = ops(environment, "rejected", "show").stdout.splitlines()
    assert len([line for line in shown if line.startswith("partition 0 ")]) == 14
    assert len([line for line in shown if line.startswith("  headers  none")]) == 6
    assert all(line.isprintable() for line in shown)
    replayed = ops(environment, "rejected", "replay")
    assert replayed.stdout.splitlines()[0].startswith("10 visits sent back"), replayed.stdout + replayed.stderr
    back = read_committed(counted, counted.visits_topic)[14:]
    assert [(record.key, record.value) for record in back] == [(record.key, record.value) for record, _ in EXPECTED]
    theirs = [[pair for pair in headers if pair != UNREADABLE] for _, headers in EXPECTED]
    assert [list(record.headers) for record in back] == [[*headers, (ATTEMPT_HEADER, b"1")] for headers in theirs]
