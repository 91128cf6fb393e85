"""What a message is: every row of the table, and that no bytes end the run."""

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from operators.batches import RawBatch
from operators.visit import Visit
from tests.unit.samples import decode_batch, decode_value, message, raw_batch, visit_bytes

BERLIN = ZoneInfo("Europe/Berlin")
MIDNIGHT = "2026-01-01T00:00:00Z"


def reason_of(value: bytes | None, zone: ZoneInfo | None = None) -> str:
    outcome = decode_value(value, zone)
    assert not isinstance(outcome, Visit), outcome
    return outcome[0]


def test_a_visit_is_decoded() -> None:
    """A JSON object with the four fields is a visit."""
    date = datetime(2026, 11, 23, 20, 0, 0, 123_000, tzinfo=UTC)
    assert decode_value(visit_bytes()) == Visit(date, "USA", "FAQ", 17)


def test_other_fields_are_ignored_whatever_their_bytes() -> None:
    """Only the four fields are our concern."""
    value = visit_bytes()[:-1] + b', "userAgent": "\xff", "n": {"deep": [1, null]}}'
    assert isinstance(decode_value(value), Visit)


def test_other_fields_are_ignored_also_where_the_zone_is_missing() -> None:
    """Their bytes do not make a visit without an offset malformed."""
    value = visit_bytes(date="2026-07-01T00:30:00")[:-1] + b', "n": 1e999, "userAgent": "\xff"}'
    assert reason_of(value) == "no_timezone"
    assert isinstance(decode_value(value, BERLIN), Visit)


def test_of_a_repeated_field_each_is_checked_and_the_last_counts() -> None:
    """JSON leaves it open; the database must not."""
    assert decode_value(visit_bytes()[:-1] + b', "duration": 4}') == decode_value(visit_bytes(duration="4"))
    assert reason_of(visit_bytes(duration='"x"')[:-1] + b', "duration": 4}') == "invalid"
    for field, earlier in (("country", ""), ("country", "x" * 65), ("visitDate", "2026-01-01T00:00:00")):
        assert reason_of(b'{"%s": "%s", ' % (field.encode(), earlier.encode()) + visit_bytes()[1:]) == "invalid"


def test_of_a_repeated_field_only_the_last_is_checked_for_control_characters_and_the_range_of_dates() -> None:
    """These two checks look at the visit, not at its bytes."""
    for field, value in (("country", "\\u0001"), ("lastAction", "\\n"), ("visitDate", "1969-01-01T00:00:00Z")):
        repeated = b'"%s": "%s"' % (field.encode(), value.encode())
        assert decode_value(b"{" + repeated + b", " + visit_bytes()[1:]) == decode_value(visit_bytes())
        assert reason_of(visit_bytes()[:-1] + b", " + repeated + b"}") == "invalid"


@pytest.mark.parametrize(
    ("date", "expected"),
    [
        ("2026-01-01 00:00:00z", datetime(2026, 1, 1, tzinfo=UTC)),
        ("2026-01-01T05:30:00+05:30", datetime(2026, 1, 1, tzinfo=UTC)),
        ("2026-01-01T05:30:00+0530", datetime(2026, 1, 1, tzinfo=UTC)),
        ("2026-01-01T00:00:00.9999996Z", datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC)),
        ("1970-01-01T00:00:00Z", datetime(1970, 1, 1, tzinfo=UTC)),
        ("2099-12-31T23:59:59.999999Z", datetime(2099, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)),
        ("2100-01-01T00:30:00+01:00", datetime(2099, 12, 31, 23, 30, tzinfo=UTC)),
    ],
)
def test_dates_are_read_as_rfc_3339(date: str, expected: datetime) -> None:
    """Space or T, offsets with and without a colon, fractions rounded to microseconds."""
    outcome = decode_value(visit_bytes(date=date))
    assert isinstance(outcome, Visit)
    assert outcome.visit_date == expected


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"not JSON",
        visit_bytes() + visit_bytes(),
        visit_bytes()[:-1],
        visit_bytes(duration="NaN"),
        visit_bytes(country="\\ud800"),
        visit_bytes().replace(b"USA", b"\xff"),
        b"[" * 600,
        visit_bytes()[:-1] + b', "x": ' + b"[" * 300 + b"]" * 300 + b"}",
        b'{"a":' * 100_000,
    ],
    ids=lambda value: repr(value)[:40],
)
def test_what_is_not_json_is_malformed(value: bytes | None) -> None:
    """Null, empty, two documents, half a document, NaN, a lone surrogate, bad UTF-8, a bomb of brackets."""
    assert reason_of(value) == "malformed"
    assert reason_of(value, BERLIN) == "malformed"


@pytest.mark.parametrize(
    "value",
    [
        b"17",
        b"[]",
        b"{}",
        visit_bytes().replace(b"country", b"land"),
        visit_bytes(duration="null"),
        visit_bytes(duration="9.0"),
        visit_bytes(duration="-1"),
        visit_bytes(duration="2147483648"),
        visit_bytes(duration="1e2"),
        visit_bytes(duration="true"),
        visit_bytes(duration='"17"'),
        visit_bytes(country=""),
        visit_bytes(country="x" * 65),
        visit_bytes(country="U\\u0000SA"),
        visit_bytes(action="\\u001f"),
        visit_bytes(action="\x7f"),
        visit_bytes(date="yesterday"),
        visit_bytes(date="2026-02-29T00:00:00Z"),
        visit_bytes(date="2026-01-01T24:00:00Z"),
        visit_bytes(date="1969-12-31T23:59:59.999999Z"),
        visit_bytes(date="1970-01-01T00:00:00+00:01"),
        visit_bytes(date="2100-01-01T00:00:00Z"),
        visit_bytes(date="0001-01-01T00:00:00+23:59"),
        visit_bytes(date="9999-12-31T23:59:59-23:59"),
        visit_bytes(date="2026-01-01T00:00:00\\u0000"),
        visit_bytes(date="2026-01-01T00:00:00\\u0000 x"),
        visit_bytes(date="2026-01-01T00:00:00.5\\u0000Z"),
        visit_bytes(date="2026-01-01T00:00:00Z\\u0000"),
        visit_bytes(date="2026-01-01T00:00:00+01:00\\u0000x"),
        visit_bytes(date="2026-01-01T00:00:00\\u0000", country="\\u0000"),
        b'{"visitDate": "2026-01-01T00:00:00\\u0000", ' + visit_bytes(date="2026-01-01T00:00:00")[1:],
        visit_bytes(date="2026-01-01T00:00:00")[:-1] + b', "visitDate": "2026-01-01T00:00:00\\u0000"}',
        visit_bytes(date="2026-01-01T00:00:00", country=""),
        visit_bytes(date="2026-01-01T00:00:00", country="\\n"),
        visit_bytes(date="1969-12-31T12:00:00"),
        visit_bytes(date="2100-01-02T00:00:00"),
    ],
    ids=lambda value: repr(value)[:90],
)
def test_json_that_is_no_visit_is_invalid(value: bytes) -> None:
    """No object, a field missing, null or of another type, a number, name or date out of its range."""
    assert reason_of(value) == "invalid"
    assert reason_of(value, BERLIN) == "invalid"


def test_nul_in_other_fields_does_not_make_a_date_invalid() -> None:
    """Neither in an ignored field, nor in its name, nor as the text of an escape."""
    nul = b', "user\\u0000Agent": "\\u0000", "visitDate\\u0000": 1}'
    outcome = decode_value(visit_bytes(date="2026-07-01T00:30:00", country="\\\\u0000")[:-1] + nul, BERLIN)
    assert isinstance(outcome, Visit)
    assert (outcome.country, outcome.visit_date) == ("\\u0000", datetime(2026, 6, 30, 22, 30, tzinfo=UTC))


@pytest.mark.parametrize(
    "ignored",
    [b'"\\ud83d"', b'"\\ude00"', b'["\\ud83d\\n"]', b'{"\\ud83d": 1}', b'"\\ud83d\\u0041"', b'"\\ud83d\\ud83d\\ude00"'],
    ids=bytes.decode,
)
@pytest.mark.parametrize("date", [MIDNIGHT, "2026-01-01T00:00:00"])
def test_half_a_surrogate_pair_is_malformed_also_in_an_ignored_field(ignored: bytes, date: str) -> None:
    """It is not JSON that can be decoded; the whole pair is, and raw bytes that are not UTF-8 do not matter there."""
    start = visit_bytes(date=date)[:-1] + b', "userAgent": '
    assert reason_of(start + ignored + b"}", BERLIN) == "malformed"
    for harmless in (b'"\\ud83d\\ude00"', b'"\\\\ud83d"', b'"\xed\xa0\xbd"'):
        assert isinstance(decode_value(start + harmless + b"}", BERLIN), Visit)


def test_limits_belong_to_the_visit() -> None:
    """0 and 2147483647 seconds, and 64 characters, are right."""
    for value in (visit_bytes(duration="0"), visit_bytes(duration="2147483647"), visit_bytes(country="é" * 64)):
        assert isinstance(decode_value(value), Visit)


def test_names_keep_what_is_no_control_character() -> None:
    """Spaces that do not print, and U+0085, are names like others: only U+0000-001F and U+007F are not."""
    for name in ("USA ", "\u00a0", "\u0085", "\u2028", "\U0001f6d2"):
        outcome = decode_value(visit_bytes(country=name))
        assert isinstance(outcome, Visit)
        assert outcome.country == name


def test_a_date_without_a_zone_is_rejected_unless_a_zone_is_named() -> None:
    """NAIVE_TIMEZONE names the clock it was taken from."""
    value = visit_bytes(date="2026-07-01T00:30:00")
    assert reason_of(value) == "no_timezone"
    outcome = decode_value(value, BERLIN)
    assert isinstance(outcome, Visit)
    assert outcome.visit_date.timestamp() == datetime(2026, 6, 30, 22, 30, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("date", "without_a_zone", "in_berlin"),
    [
        ("1969-12-31T23:59:59.999999", "invalid", "invalid"),
        ("1970-01-01T00:30:00", "no_timezone", "invalid"),
        ("2099-12-31T23:59:59", "no_timezone", None),
        ("2100-01-01T00:30:00", "invalid", None),
        ("0001-01-01T00:00:00", "invalid", "invalid"),
        ("9999-12-31T23:59:59", "invalid", "invalid"),
    ],
)
def test_a_date_without_a_zone_out_of_its_range_is_invalid(
    date: str, without_a_zone: str, in_berlin: str | None
) -> None:
    """In the zone that NAIVE_TIMEZONE names, else as if it were UTC."""
    value = visit_bytes(date=date)
    assert reason_of(value) == without_a_zone
    outcome = decode_value(value, BERLIN)
    assert (None if isinstance(outcome, Visit) else outcome[0]) == in_berlin


def test_dates_of_a_named_zone_are_in_utc() -> None:
    """Dates that share a zone compare by its clock, which goes back and forth."""
    for date, expected in (
        ("2026-03-29T02:30:00", "2026-03-29T01:30:00Z"),
        ("2026-07-01T00:30:00", "2026-06-30T22:30:00Z"),
    ):
        outcome = decode_value(visit_bytes(date=date), BERLIN)
        assert isinstance(outcome, Visit)
        assert outcome.visit_date.tzinfo is UTC
        assert outcome == decode_value(visit_bytes(date=expected))


def test_a_batch_keeps_order_offsets_and_rejects_apart() -> None:
    """Visits and offsets are parallel; rejects keep their message."""
    batch = raw_batch(visit_bytes(date=MIDNIGHT), b"?", visit_bytes(date=MIDNIGHT, country="Peru"), None, begin=7)
    decoded = decode_batch(batch)
    assert [visit.country for visit in decoded.visits] == ["USA", "Peru"]
    assert list(decoded.offsets) == [7, 9]
    assert [visit.visit_date for visit in decoded.visits] == [datetime(2026, 1, 1, tzinfo=UTC)] * 2
    assert [(reject.message.offset(), reject.why.reason) for reject in decoded.rejects] == [
        (8, "malformed"),
        (10, "malformed"),
    ]
    assert (decoded.partition, decoded.begin, decoded.end) == (0, 7, 11)


def test_offsets_of_a_batch_with_gaps() -> None:
    """Transactions and deleted records leave gaps: a visit keeps the offset it has."""
    batch = RawBatch(0, 3, 10, [message(4, visit_bytes()), message(8, visit_bytes())])
    assert list(decode_batch(batch).offsets) == [4, 8]


ANYTHING = st.one_of(
    st.none(),
    st.binary(max_size=200),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=70),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
        max_leaves=9,
    ).map(msgspec.json.encode),
)
DATES = st.one_of(
    st.datetimes(timezones=st.timezones() | st.none()).map(datetime.isoformat),
    st.text(max_size=30),
    st.integers(-10, 10).map(lambda n: (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=n)).isoformat()),
    st.just(datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=23))).isoformat()),
)
NEARLY_VISITS = st.fixed_dictionaries(
    {
        "visitDate": DATES,
        "country": st.text(max_size=66),
        "lastAction": st.text(max_size=66),
        "duration": st.integers(-2, 2**32) | st.floats() | st.none(),
    },
    optional={"more": st.text(max_size=20)},
)


@given(
    values=st.lists(ANYTHING | NEARLY_VISITS.map(msgspec.json.encode), max_size=8),
    zone=st.sampled_from([None, BERLIN]),
)
@example(values=[b"[" * 100_000, b'{"visitDate":' * 100_000, b"\xff\xfe", b"\x00"], zone=None)
def test_no_bytes_end_the_run(values: list[bytes | None], zone: ZoneInfo | None) -> None:
    """Whatever is in a message, it becomes a visit or a reject, alone, and every message becomes one of them."""
    decoded = decode_batch(raw_batch(*values), zone)
    alone = [decode_value(value, zone) for value in values]
    assert list(decoded.visits) == [outcome for outcome in alone if isinstance(outcome, Visit)]
    assert [reject.why for reject in decoded.rejects] == [
        outcome for outcome in alone if not isinstance(outcome, Visit)
    ]
    assert len(decoded.visits) + len(decoded.rejects) == len(values)
    for visit in decoded.visits:
        assert 0 <= visit.visit_date.timestamp() < 4_102_444_800
        assert 1 <= len(visit.country) <= 64
