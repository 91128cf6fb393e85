"""Other people's visits: names, nesting, constants, date formats and units, in pipeline and recount alike."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from confluent_kafka import TIMESTAMP_CREATE_TIME, TIMESTAMP_NOT_AVAILABLE, Message
from hypothesis import example, given
from hypothesis import strategies as st

from operators.batches import RawBatch
from operators.decode import VisitDecoder
from operators.rules import VisitRules
from operators.visit import Rejection, Visit
from oracle.message import Classifier
from oracle.message import Visit as CountedVisit
from oracle.rules import Rules
from process.errors import ExitCode, Fatal
from settings import Settings

NOON = datetime(2026, 3, 1, 12, 0, 0, 123_000, tzinfo=UTC)
NOON_MS = 1_772_366_400_123
DATE = "2026-03-01T12:00:00.123Z"

SHAPES: dict[str, dict[str, str]] = {
    "usual": {},
    "renamed": {"VISIT_FIELDS": "visitDate:event_time,lastAction:event_type"},
    "nested": {"VISIT_FIELDS": "visitDate:event.time,lastAction:event.type,country:context.geo.country"},
    "constants": {"VISIT_FIELDS": "country:=NOR,duration:=0"},
    "a dot in a name": {"VISIT_FIELDS": r"country:geo\.country"},
    "seconds": {"VISIT_DATE_FORMAT": "epoch_s"},
    "milliseconds": {"VISIT_DATE_FORMAT": "epoch_ms", "DURATION_UNIT": "ms"},
    "microseconds": {"VISIT_DATE_FORMAT": "epoch_us", "VISIT_FIELDS": "visitDate:at.us", "MAX_DURATION_S": "600"},
    "local": {"NAIVE_TIMEZONE": "Europe/Berlin", "VISIT_FIELDS": "visitDate:t"},
}


def settings_of(environment: dict[str, str]) -> Settings:
    return Settings.from_environment(environment)


def both(environment: dict[str, str], value: bytes) -> tuple[Visit | Rejection, CountedVisit | str]:
    settings = settings_of(environment)
    return VisitDecoder(VisitRules.of(settings)).value(value), Classifier(Rules.of(settings))(value)


def in_the_recounts_terms(found: Visit | Rejection) -> CountedVisit | str:
    if isinstance(found, Rejection):
        return str(found.reason)
    since = found.visit_date - datetime(1970, 1, 1, tzinfo=UTC)
    second = since.days * 86_400 + since.seconds
    return CountedVisit(second, since.microseconds, found.country, found.last_action, found.duration)


@pytest.mark.parametrize(
    ("shape", "message", "expected"),
    [
        (
            "renamed",
            {"event_time": "2026-03-01T12:00:00.123Z", "event_type": "cart", "country": "FRA", "duration": 7},
            7,
        ),
        (
            "nested",
            {
                "event": {"time": "2026-03-01T13:00:00.123+01:00", "type": "cart", "id": 1},
                "context": {"geo": {"country": "FRA", "city": "Lyon"}, "ip": None},
                "duration": 7,
            },
            7,
        ),
        (
            "a dot in a name",
            {"visitDate": NOON.isoformat(), "geo.country": "FRA", "lastAction": "cart", "duration": 7},
            7,
        ),
        ("milliseconds", {"visitDate": NOON_MS, "country": "FRA", "lastAction": "cart", "duration": 7499}, 7),
        ("milliseconds", {"visitDate": str(NOON_MS), "country": "FRA", "lastAction": "cart", "duration": 6500}, 7),
        ("microseconds", {"at": {"us": NOON_MS * 1000}, "country": "FRA", "lastAction": "cart", "duration": 7}, 7),
        ("local", {"t": "2026-03-01T13:00:00.123", "country": "FRA", "lastAction": "cart", "duration": 7}, 7),
    ],
)
def test_a_visit_of_another_shape(shape: str, message: dict[str, Any], expected: int) -> None:
    """Pipeline and recount read the same visit from it."""
    found, counted = both(SHAPES[shape], json.dumps(message).encode())
    assert not isinstance(found, Rejection)
    assert (found.visit_date, found.country, found.last_action, found.duration) == (NOON, "FRA", "cart", expected)
    assert counted == in_the_recounts_terms(found)


def test_a_constant_is_the_same_for_all_messages() -> None:
    """Also where a message has a field of that name: its content does not matter."""
    for more in ({}, {"country": "USA", "duration": "x"}):
        message = {"visitDate": NOON.isoformat(), "lastAction": "cart"} | more
        found, counted = both(SHAPES["constants"], json.dumps(message).encode())
        assert not isinstance(found, Rejection)
        assert (found.country, found.duration) == ("NOR", 0)
        assert counted == in_the_recounts_terms(found)


@pytest.mark.parametrize(
    ("shape", "message", "reason"),
    [
        ("renamed", {"visitDate": "2026-03-01T12:00:00Z", "event_type": "a", "country": "b", "duration": 7}, "invalid"),
        ("nested", {"event": {"time": "2026-03-01T12:00:00Z"}, "context": {}, "duration": 1}, "invalid"),
        ("nested", {"event": "x", "context": [], "duration": 1}, "invalid"),
        ("seconds", {"visitDate": NOON_MS, "country": "a", "lastAction": "b", "duration": 7}, "invalid"),
        ("seconds", {"visitDate": -1, "country": "a", "lastAction": "b", "duration": 7}, "invalid"),
        ("seconds", {"visitDate": "1\n", "country": "a", "lastAction": "b", "duration": 7}, "invalid"),
        ("seconds", {"visitDate": "\u0661", "country": "a", "lastAction": "b", "duration": 7}, "invalid"),
        ("seconds", {"visitDate": 1.5, "country": "a", "lastAction": "b", "duration": 7}, "invalid"),
        ("seconds", {"visitDate": "2026-03-01T12:00:00Z", "country": "a", "lastAction": "b", "duration": 7}, "invalid"),
        ("seconds", {"visitDate": "2026-03-01T12:00:00", "country": "a", "lastAction": "b", "duration": 7}, "invalid"),
        ("microseconds", {"at": {"us": 1}, "country": "a", "lastAction": "b", "duration": 601}, "invalid"),
        ("milliseconds", {"visitDate": 1, "country": "a", "lastAction": "b", "duration": 2_147_483_647_001}, "invalid"),
    ],
)
def test_what_is_rejected_in_another_shape(shape: str, message: dict[str, Any], reason: str) -> None:
    """For the same reason by both."""
    found, counted = both(SHAPES[shape], json.dumps(message).encode())
    assert isinstance(found, Rejection)
    assert (found.reason, counted) == (reason, reason)


@given(st.integers(0, 4_102_444_800_000_000 - 1))
@example(1_772_366_400_123_457)
@example(4_102_444_799_999_999)
def test_microseconds_are_exact(number: int) -> None:
    """Every one until 2100, though it is a float on the way."""
    value = b'{"at":{"us":%d},"country":"a","lastAction":"b","duration":1}' % number
    found, counted = both(SHAPES["microseconds"], value)
    assert counted == in_the_recounts_terms(found) == CountedVisit(*divmod(number, 1_000_000), "a", "b", 1)


_VALUES = st.one_of(
    st.sampled_from(
        ["NOR", "cart", "2026-03-01T12:00:00.123Z", "2026-03-01T12:00:00", "1772366400123", "", "\x00", "é"]
    ),
    st.sampled_from([0, 7, -1, NOON_MS, NOON_MS * 1000, NOON_MS // 1000, 10**30, 1.5, True, None]),
    st.dictionaries(
        st.sampled_from(["time", "type", "geo", "us", "country"]), st.sampled_from(["NOR", 1, {}]), max_size=2
    ),
)
_NAMES = st.sampled_from(
    ["visitDate", "country", "lastAction", "duration", "event_time", "event_type", "event", "context", "at", "t"]
)


@pytest.mark.parametrize("shape", SHAPES)
@given(members=st.lists(st.tuples(_NAMES, _VALUES), max_size=8))
def test_pipeline_and_recount_agree_on_any_object(shape: str, members: list[tuple[str, Any]]) -> None:
    """Fields may be missing, repeated, of another type, or nested where they should not be."""
    usual = {
        "usual": {"visitDate": "2026-03-01T12:00:00Z", "country": "a", "lastAction": "b", "duration": 1},
        "renamed": {"event_time": "2026-03-01T12:00:00Z", "country": "a", "event_type": "b", "duration": 1},
        "nested": {
            "event": {"time": "2026-03-01T12:00:00Z", "type": "b"},
            "context": {"geo": {"country": "a"}},
            "duration": 1,
        },
        "microseconds": {"at": {"us": 1}, "country": "a", "lastAction": "b", "duration": 1},
        "local": {"t": "2026-03-01T12:00:00", "country": "a", "lastAction": "b", "duration": 1},
    }.get(shape, {"visitDate": 1, "country": "a", "lastAction": "b", "duration": 1})
    pairs = [*usual.items(), *members]
    for some in (pairs, members):
        value = "{" + ",".join(f"{json.dumps(name)}:{json.dumps(content)}" for name, content in some) + "}"
        found, counted = both(SHAPES[shape], value.encode())
        assert counted == in_the_recounts_terms(found), value


@pytest.mark.parametrize("shape", SHAPES)
def test_a_batch_is_decoded_as_its_messages_are(shape: str) -> None:
    """The shortcut for many gives what each alone gives."""
    decoder = VisitDecoder(VisitRules.of(settings_of(SHAPES[shape])))
    members = {"country": "a", "lastAction": "b", "duration": 1, "event_type": "b", "geo.country": "c"}
    nested = {"event": {"time": NOON.isoformat(), "type": "x"}, "context": {"geo": {"country": "y"}}, "at": {"us": 5}}
    dates = [NOON.isoformat(), 5, "5", "2026-03-01T12:00:00", 10**40, None, "2200-01-01T00:00:00Z"]
    objects = [members | nested | {"visitDate": date, "event_time": date, "t": date} for date in dates]
    values = [json.dumps(each).encode() for each in objects * 3] + [b"", b"?", None]
    visits, rejections = decoder.values(values)
    rest = iter(visits)
    for index, value in enumerate(values):
        assert (rejections.get(index) or next(rest)) == decoder.value(value)


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        (
            {"VISIT_FIELDS": "city:place"},
            "but a visit has no field 'city', only visitDate",
        ),
        ({"VISIT_FIELDS": "country:lastAction"}, "'lastAction' and 'lastAction' cannot both be fields of one message"),
        ({"VISIT_FIELDS": "country:a.b,duration:a"}, "'a.b' and 'a' cannot both be fields of one message"),
        ({"VISIT_FIELDS": "country:a..b"}, "VISIT_FIELDS has country:a..b, but a name is empty"),
        ({"VISIT_FIELDS": "duration:=soon"}, "VISIT_FIELDS has duration:=soon, but the constant must be whole seconds"),
        ({"VISIT_FIELDS": "visitDate:=2026"}, "every visit has a date of its own"),
        ({"VISIT_FIELDS": f"country:={'x' * 65}"}, "the constant must have 1 to 64 printable characters"),
        ({"VISIT_DATE_FORMAT": "epoch_s", "NAIVE_TIMEZONE": "UTC"}, "which has no time zones: set only one of them"),
    ],
)
def test_rules_that_cannot_be_meant(environment: dict[str, str], message: str) -> None:
    """One message that names the setting, its value and what is wrong."""
    with pytest.raises(Fatal) as caught:
        VisitRules.of(settings_of(environment))
    assert message in caught.value.message
    assert caught.value.code == ExitCode.CONFIG


def _record(offset: int, date: str, timestamp: tuple[int, int]) -> Message:
    value = json.dumps({"visitDate": date, "country": "NOR", "lastAction": "ORDER", "duration": 1}).encode()
    return Message(topic="visits", partition=0, offset=offset, value=value, headers=[], timestamp=timestamp)


def test_a_visit_too_far_ahead_of_kafkas_timestamp_is_rejected() -> None:
    """By both, to the microsecond; the others of its batch, and a message without a timestamp, are accepted."""
    at = (TIMESTAMP_CREATE_TIME, NOON_MS)
    records = [
        _record(0, "2026-03-01T12:00:10.123Z", at),
        _record(1, "2026-03-01T12:00:10.123001Z", at),
        _record(2, "2062-03-01T12:00:00Z", (TIMESTAMP_NOT_AVAILABLE, -1)),
        _record(3, "yesterday", at),
        _record(4, "1999-12-31T00:00:00Z", at),
        _record(5, "2062-03-01T12:00:00Z", (TIMESTAMP_CREATE_TIME, 2**62)),
    ]
    settings = settings_of({"MAX_FUTURE": "10s"})
    batch = VisitDecoder(VisitRules.of(settings)).batch(RawBatch(0, 0, 6, records))
    assert batch.offsets == [0, 2, 4, 5]
    assert [(reject.message.offset(), reject.why.reason) for reject in batch.rejects] == [(1, "future"), (3, "invalid")]
    assert "more than 10 s after Kafka's timestamp" in batch.rejects[0].why.explanation
    classifier = Classifier(Rules.of(settings))
    reasons = [found for record in records if isinstance(found := classifier.of_record(record), str)]
    assert reasons == ["future", "invalid"]
