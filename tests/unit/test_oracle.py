"""The recount reads messages and Kafka's errors as the pipeline does, though it shares no code with it."""

import ast
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from confluent_kafka import KafkaError
from hypothesis import example, given, settings
from hypothesis import strategies as st

from clients import kafka, kafka_config
from ops.servers import ROOT
from oracle import kafka as oracle_kafka
from oracle.message import Visit
from tests.unit.samples import classify, decode_value

VISIT = b'{"visitDate":"2026-11-23T20:00:00.123Z","country":"USA","lastAction":"ORDER","duration":17}'
ZONES = (None, ZoneInfo("Europe/Berlin"))
DEEP = b"[" * 200 + b"]" * 200


DECLARED = {"operators.boards", "operators.outputs", "operators.visit"}
SHARED = {"settings", "clients.kafka_config", "clients.mariadb"} | DECLARED
ERROR_CODES = sorted({code for name, code in vars(KafkaError).items() if name.lstrip("_").isupper()})


def imported_by(path: Path) -> Iterator[str]:
    """Yield the modules that a file imports; `from package import name` as package.name where that is a module."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}, line {node.lineno}: import by the whole name"
            package = node.module or ""
            for alias in node.names:
                module = f"{package}.{alias.name}"
                yield module if is_module(module) else package


def is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").exists()


def test_the_recount_shares_no_code_with_the_pipeline() -> None:
    """Of the project it imports itself, settings, process/, the way to connect, and what is declared."""
    ours = {path.stem for path in ROOT.iterdir() if path.is_dir() or path.suffix == ".py"}
    imported = {name for path in ROOT.glob("oracle/**/*.py") for name in imported_by(path)}
    shared = {name for name in imported if name.split(".")[0] in ours - {"oracle", "process"}}
    assert shared == SHARED
    assert not any(name.split(".")[0] in {"importlib", "sys"} for name in imported)


@pytest.mark.parametrize("before", [None, KafkaError._RESOLVE, KafkaError._AUTHENTICATION])
def test_errors_of_kafka_are_read_alike(before: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Message and exit code, whatever error the connections have met before."""
    monkeypatch.setattr(kafka_config, "connection_errors", kafka_config.ConnectionErrors())
    if before is not None:
        kafka_config.connection_errors.record(KafkaError(before, "no connection"))
    assert len(ERROR_CODES) > 100
    for code in ERROR_CODES:
        error = KafkaError(code, "the reason")
        found, expected = oracle_kafka.fatal_of(error, "reading"), kafka.fatal_of(error, "reading")
        assert (found.message, found.code) == (expected.message, expected.code)


def pipelines(message: bytes | None, zone: ZoneInfo | None) -> Visit | str:
    """Return what the pipeline makes of a message, in the recount's terms."""
    found = decode_value(message, zone)
    if isinstance(found, tuple):
        return found[0]
    since = found.visit_date - datetime(1970, 1, 1, tzinfo=UTC)
    second = since.days * 86_400 + since.seconds
    return Visit(second, since.microseconds, found.country, found.last_action, found.duration)


def assert_same(message: bytes | None) -> None:
    for zone in ZONES:
        assert classify(message, zone) == pipelines(message, zone), message


def visit_with(**fields: bytes) -> bytes:
    """Return a visit as JSON; a field is the bytes of its value."""
    usual = {
        "visitDate": b'"2026-11-23T20:00:00.123Z"',
        "country": b'"USA"',
        "lastAction": b'"ORDER"',
        "duration": b"17",
    }
    return b"{%s}" % b",".join(b'"%s":%s' % (name.encode(), value) for name, value in (usual | fields).items())


@pytest.mark.parametrize(
    "message",
    [
        *(
            None,
            b"",
            b" ",
            b"{}",
            b"[]",
            b"null",
            b"NaN",
            b"Infinity",
            b"-",
            b"0",
            b'"',
            b'"\xff"',
            VISIT * 2,
        ),
        *(
            VISIT[:-1],
            VISIT + b" \n\t\r",
            VISIT + b"\x00",
            b"\xef\xbb\xbf" + VISIT,
            VISIT.decode().encode("utf-16"),
        ),
        *(
            b"[" * 300 + b"]" * 300,
            b"[" * 256 + b"]" * 257,
            b"[" * 250 + b"]" * 250,
            b"[" * 200 + b"1" + b"]" * 200,
        ),
        *(
            b"[1,]",
            b"[,1]",
            b'{"a":1,}',
            b'{"a" 1}',
            b"{1:2}",
            b"[1 2]",
            b"[1}",
            b'{"a":1]',
            b"[]]",
            b'[{"a":[]}]',
        ),
        *(
            b'"\\ud800"',
            b'"\\udc00"',
            b'"\\ud83d\\ude00"',
            b'"\\ud83d\\u0041"',
            b'"\\x41"',
            b'"\\u00g0"',
            b'"\t"',
        ),
    ],
)
def test_documents_of_every_kind_are_read_alike(message: bytes | None) -> None:
    """Whole, broken, nested, not JSON: recount and pipeline return the same."""
    assert_same(message)


@pytest.mark.parametrize(
    "ignored",
    [
        *(
            b"1e999",
            b"-1e999",
            b"1e-999",
            b"01",
            b"1.",
            b".5",
            b"+1",
            b"1e",
            b"9" * 4300,
            b"9" * 4301,
            b"-" + b"9" * 4300,
        ),
        *(
            b'"\xff"',
            b'["\xff"]',
            b'{"\xff":1}',
            b'"\\ud800"',
            b'"\\u0000"',
            b'{"\\ud83d":1}',
            b'["\\ud83d\\ud83d\\ude00"]',
            b'"\x01"',
            b'"\x7f"',
            b'"\\q"',
            b"truE",
            b"nul",
            b"[[[]",
        ),
        *(b"1e12345678", b"0e999999", b"0." + b"0" * 400 + b"1e400", b"1" + b"0" * 400 + b"e-400", DEEP),
    ],
)
@pytest.mark.parametrize("duration", [b"17", b"-1", b"1e999"])
@pytest.mark.parametrize("date", [b'"2026-11-23T20:00:00Z"', b'"2026-11-23T20:00:00"'])
def test_bytes_of_ignored_fields_count_as_they_do_in_the_pipeline(ignored: bytes, duration: bytes, date: bytes) -> None:
    """In a visit they do not matter, but they decide between malformed and invalid."""
    assert_same(visit_with(visitDate=date, duration=duration, other=ignored))


@pytest.mark.parametrize(
    "duration",
    [
        *(
            b"0",
            b"-0",
            b"-1",
            b"2147483647",
            b"2147483648",
            b"9.0",
            b"1e2",
            b"01",
            b"true",
            b"null",
            b'"5"',
            b"[]",
            b"{}",
        ),
        *(b"9" * 19, b"9" * 20, b"18446744073709551616", b"9" * 4400, b"0.0", b"-"),
    ],
)
def test_durations_are_read_alike(duration: bytes) -> None:
    """Whole seconds from 0 to 2147483647, and nothing else."""
    assert_same(visit_with(duration=duration))


@pytest.mark.parametrize(
    "name",
    [
        *(
            b'""',
            b'"%s"' % (b"x" * 64),
            b'"%s"' % (b"x" * 65),
            b'"%s"' % ("é" * 64).encode(),
            b'"%s"' % ("é" * 65).encode(),
        ),
        *(
            b'"\\u0000"',
            b'"\\u001f"',
            b'"\x7f"',
            b'"\\u007f"',
            b'"\xc2\x80"',
            b'" "',
            b'"\\ud83d\\ude00"',
            b'"\xff"',
        ),
        *(
            b'"\\n"',
            b'"\\""',
            b'"\\/"',
            b"null",
            b"1",
            b'["a"]',
            b'"\xed\xa0\x80"',
            b'"\\u00e9"',
            b'"a\xf0\x9f\x98\x80"',
        ),
    ],
)
def test_names_are_read_alike(name: bytes) -> None:
    """1 to 64 characters without control characters."""
    assert_same(visit_with(country=name))
    assert_same(visit_with(lastAction=name))
    assert_same(visit_with(country=name, visitDate=b'"2026-11-23T20:00:00"'))


@pytest.mark.parametrize(
    "date",
    [
        *(
            "2026-11-23T20:00:00Z",
            "2026-11-23t20:00:00z",
            "2026-11-23 20:00:00+05:30",
            "2026-11-23T20:00:00+0530",
        ),
        *("2026-11-23T20:00:00-00:00", "2026-11-23T20:00:00-23:59", "2026-11-23T20:00:00+24:00"),
        *(
            "2026-11-23T20:00:00+05:60",
            "2026-11-23T20:00:00+05",
            "2026-11-23T20:00:00+5:30",
            "2026-11-23_20:00:00Z",
        ),
        *(
            "2026-11-23T20:00:00.Z",
            "2026-11-23T20:00:00.1Z",
            "2026-11-23T20:00:00.1234564Z",
            "2026-11-23T20:00:00,1Z",
        ),
        *("2026-12-31T23:59:59.9999995Z", "2026-11-23T20:00:00.99999949999Z", "9999-12-31T23:59:59.9999999Z"),
        *("2026-11-23T24:00:00Z", "2026-11-23T20:60:00Z", "2026-11-23T20:00:60Z", "2026-02-29T00:00:00Z"),
        *(
            "2024-02-29T00:00:00Z",
            "2100-01-01T00:00:00Z",
            "2099-12-31T23:59:59.999999Z",
            "1970-01-01T00:00:00Z",
        ),
        *(
            "1969-12-31T23:59:59.9999995Z",
            "1969-12-31T23:59:59Z",
            "1970-01-01T01:00:00+02:00",
            "0001-01-01T00:00:00+10:00",
        ),
        *(
            "0000-01-01T00:00:00Z",
            "9999-12-31T23:59:59-10:00",
            "2100-01-01T01:00:00+02:00",
            "2026-11-23T20:00Z",
        ),
        *(
            "2026-11-23T20:00:00",
            "2026-11-23T20:00:00.5",
            "2026-03-29T02:30:00",
            "2026-10-25T02:30:00",
            "1960-01-01T00:00:00",
        ),
        *("1969-12-31T23:59:59.9999995", "1970-01-01T00:30:00", "2099-12-31T23:59:59", "2100-01-01T00:30:00"),
        *(
            "0001-01-01T00:00:00",
            "9999-12-31T23:59:59.9999999",
            "2026-11-23T20:00:00\\u0000",
            "2026-11-23T20:00:00.\\u0000",
        ),
        *(
            "2026-11-23T20:00:00\\u0000Z",
            "2026-11-23T20:00:00Z\\u0000",
            "2026-11-23T20:00:00\\u0000 x",
            "2026-11-23T20:00:00+01:00\\u0000x",
            "2026\\u002d11-23T20:00:00Z",
            "",
            "2026-11-23",
        ),
        *(
            "2026-11-23T20:00:00Z ",
            " 2026-11-23T20:00:00Z",
            "+026-11-23T20:00:00Z",
            "2026-11-23T20:00:00 Z",
            "٢٠٢٦-11-23T20:00:00Z",
        ),
    ],
)
def test_dates_are_read_alike(date: str) -> None:
    """RFC 3339 as the pipeline's decoder reads it, to the microsecond."""
    assert_same(visit_with(visitDate=f'"{date}"'.encode()))
    assert_same(visit_with(visitDate=f'"{date}"'.encode(), other=b'"\xff"'))
    assert_same(visit_with(visitDate=f'"{date}"'.encode(), country=b'"\\u0001"'))


@pytest.mark.parametrize("end", [rb"\u0000", rb"\u0000 x", rb".5\u0000Z", rb"Z\u0000", rb"+01:00\u0000x"])
def test_a_date_with_a_nul_is_invalid_for_both(end: bytes) -> None:
    """Nothing may follow a date, whether it has an offset or not."""
    for zone in ZONES:
        message = visit_with(visitDate=b'"2026-11-23T20:00:00%s"' % end)
        assert classify(message, zone) == pipelines(message, zone) == "invalid"


@pytest.mark.parametrize(
    "repeated",
    [
        *(
            b'"duration":18',
            b'"duration":-1',
            b'"country":"B"',
            b'"country":""',
            b'"country":"\\u0001"',
            b'"duration":1.5',
        ),
        *(
            b'"visitDate":"2027-01-01T00:00:00Z"',
            b'"visitDate":"2027-01-01T00:00:00"',
            b'"visitDate":"1960-01-01T00:00:00Z"',
        ),
        *(b'"\\u0064uration":3', b'"visitDate":5', b'"Duration":-1', b'"duration ":-1'),
    ],
)
def test_repeated_fields_are_read_alike(repeated: bytes) -> None:
    """Each is checked and the last counts."""
    for visit in (VISIT, visit_with(visitDate=b'"2026-11-23T20:00:00"')):
        assert_same(visit[:-1] + b"," + repeated + b"}")
        assert_same(b"{" + repeated + b"," + visit[1:])


_DIGITS = st.text("0123456789", min_size=1, max_size=12)
_DATES = st.builds(
    "{}{}{}{}{}".format,
    st.datetimes().map(lambda moment: moment.strftime("%Y-%m-%d").rjust(10, "0")) | st.text("0123456789-", max_size=10),
    st.sampled_from("Tt _"),
    st.times().map(lambda moment: moment.strftime("%H:%M:%S")) | st.text("0123456789:", max_size=8),
    st.just("") | st.builds(".{}".format, _DIGITS),
    st.sampled_from(
        ["", "Z", "z", "+05:30", "-0000", "+23:59", "-12:00", "+24:00", "Zz", "\\u0000", "Z\\u0000", "\\u0000 x"]
    ),
).map(lambda text: f'"{text}"'.encode())
_STRINGS = st.text(max_size=70).map(
    lambda text: json.dumps(text, ensure_ascii=len(text) % 2 == 0).encode("utf-8", "replace")
)
_RAW = st.binary(max_size=12).map(lambda raw: b'"%s"' % raw)
_NUMBERS = st.from_regex(rb"-?[0-9]{1,22}(\.[0-9]{0,3})?([eE][+-]?[0-9]{0,5})?", fullmatch=True)
_SCALARS = (
    _STRINGS | _RAW | _NUMBERS | _DATES | st.sampled_from([b"true", b"null", b"[]", b"{}", b"[1,2]", b'{"a":[null]}'])
)
_NAMES = st.sampled_from([b"visitDate", b"country", b"lastAction", b"duration", b"other", b"\\u0063ountry", b"\xff"])
_WHOLE = st.fixed_dictionaries(
    {}, optional={"visitDate": _DATES, "country": _STRINGS | _RAW, "duration": _NUMBERS, "x": _SCALARS}
).map(lambda fields: visit_with(**fields))


@st.composite
def _documents(draw: st.DrawFn) -> bytes:
    members = draw(st.lists(st.tuples(_NAMES, _SCALARS), max_size=3))
    whole = draw(_WHOLE)
    more = b"".join(b',%s"%s" :%s' % (draw(st.sampled_from([b"", b" ", b"\n"])), *member) for member in members)
    return whole[:-1] + more + draw(st.sampled_from([b"}", b"}", b"}", b" }\r\n", b"", b",}", b"}}"]))


@st.composite
def _mutated(draw: st.DrawFn) -> bytes:
    document = bytearray(draw(_documents()))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(document)))
        document[at : at + draw(st.integers(0, 2))] = draw(
            st.binary(max_size=2) | st.sampled_from([b'"', b"\\", b"[", b"{"])
        )
    return bytes(document)


@settings(max_examples=400, deadline=None)
@given(_documents() | _mutated() | _WHOLE | st.binary(max_size=40) | _SCALARS)
@example(VISIT)
def test_any_message_is_read_alike(message: bytes) -> None:
    """Whatever the bytes, recount and pipeline see the same visit or the same reason."""
    assert_same(message)
