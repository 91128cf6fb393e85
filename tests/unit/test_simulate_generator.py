"""The visit generator: the same bytes for the same seed, and as many anomalies as requested."""

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from hashlib import sha256
from zoneinfo import ZoneInfo

import msgspec

from operators.visit import Visit
from settings import Settings
from simulate.arguments import options_of
from simulate.chunk import Chunk
from simulate.run import generator_of
from tests.unit.samples import decode_value

START = "2026-01-01T00:00:00Z"
ANOMALIES = [
    *("--malformed-share", "0.1", "--late-share", "0.1", "--late-by", "3d", "--duplicate-share", "0.1"),
    *("--out-of-order", "2s", "--profile", "wave", "--countries", "1000", "--zipf", "1.2", "--speed", "60"),
    *("--seed", "7", "--key", "country"),
]


def _chunks(arguments: Sequence[str], *, at_once: int = 4096, settings: Settings | None = None) -> list[Chunk]:
    options = options_of([*arguments, "--start", START])
    generator = generator_of(options, settings or Settings(), scheduled=False)
    chunks = []
    while not generator.done:
        chunks.append(generator.take(min(at_once, generator.due(0))))
    return chunks


def _values(chunks: Sequence[Chunk]) -> list[bytes | None]:
    return [value for chunk in chunks for value in chunk.values]


def _digest(values: Sequence[bytes | None]) -> str:
    return sha256(b"\n".join(b"\\N" if value is None else value for value in values)).hexdigest()


def test_the_same_seed_gives_the_same_bytes_on_any_machine_and_python() -> None:
    """Recorded once; a difference here breaks what people have recorded with a seed."""
    values = _values(_chunks([*ANOMALIES, "--count", "20000"]))
    assert _digest(values) == "9e250fb9abadb8c5a0a36ae0b6efe155fc19cc13d8bd22e41ca9b9c5294acc29"


def test_a_visit_looks_as_the_pipeline_expects_it() -> None:
    """Date with milliseconds and Z, then country, last action and duration."""
    (chunk,) = _chunks(["--count", "2", "--countries", "USA=1", "--actions", "ORDER=1", "--seed", "1"])
    first = msgspec.json.decode(chunk.values[0] or b"", type=dict)
    assert chunk.values[0] == (
        b'{"visitDate": "2026-01-01T00:00:00.000Z", "country": "USA", "lastAction": "ORDER", "duration": %d}'
        % first["duration"]
    )
    assert chunk.dates_ms == [1_767_225_600_000, 1_767_225_600_001]


def test_rate_and_pauses_do_not_change_the_messages() -> None:
    """Taken one by one, a few at a time or by the thousand: the same messages, keys and meanings."""
    arguments = [*ANOMALIES, "--count", "9000"]
    whole = _chunks(arguments)
    for at_once in (1, 7, 1000):
        chunks = _chunks(arguments, at_once=at_once)
        assert _values(chunks) == _values(whole)
        assert [key for chunk in chunks for key in chunk.keys or ()] == [k for chunk in whole for k in chunk.keys or ()]
        assert _reasons(chunks) == _reasons(whole)


def test_every_message_has_its_meaning() -> None:
    """Country, action, duration and date of every visit, and the reason of every other message."""
    for naive_timezone in (None, ZoneInfo("America/New_York")):
        settings = Settings(naive_timezone=naive_timezone)
        for chunk in _chunks([*ANOMALIES, "--count", "8000"], settings=settings):
            _check_meanings(chunk, naive_timezone)


def test_shares_are_reached() -> None:
    """Of 100,000 messages as many as requested are malformed, late and duplicates, within chance."""
    chunks = _chunks(
        ["--count", "100000", "--malformed-share", "0.05", "--late-share", "0.1", "--duplicate-share", "0.2"]
    )
    counts = [sum(len(getattr(chunk, kind)) for chunk in chunks) for kind in ("late", "duplicates")]
    assert abs(counts[0] - 10_000) < 500
    assert abs(counts[1] - 20_000) < 600
    reasons = Counter(reason for chunk in chunks for reason in chunk.rejected.values())
    assert abs(reasons.total() - 5_000 / 0.8) < 400  # of the duplicates, too, one in 20 is malformed, and so on
    assert set(reasons) == {"malformed", "invalid", "no_timezone"}


def test_a_duplicate_is_the_message_before_it() -> None:
    """Its bytes, its key and its meaning, also where a chunk begins."""
    chunks = _chunks(["--count", "9000", "--duplicate-share", "0.5", "--malformed-share", "0.2"], at_once=3)
    values = _values(chunks)
    duplicates = [chunk.first + position for chunk in chunks for position in chunk.duplicates]
    assert len(duplicates) > 4000
    assert all(values[number] == values[number - 1] for number in duplicates)


def test_late_visits_are_late_by_no_more_than_requested() -> None:
    """Others are dated when they are due."""
    dates_ms = Fraction(1)
    late_ms = []
    for chunk in _chunks(["--count", "5000", "--late-share", "0.1", "--late-by", "2h"]):
        for position, date_ms in enumerate(chunk.dates_ms):
            planned_ms = 1_767_225_600_000 + (chunk.first + position) * dates_ms
            if position in chunk.late:
                late_ms.append(planned_ms - date_ms)
            else:
                assert date_ms == planned_ms
    assert 0 < min(late_ms) < 300_000
    assert 6_900_000 < max(late_ms) <= 7_200_000


def test_out_of_order_mixes_dates_within_the_time() -> None:
    """Every visit is dated up to 2 s before it is due."""
    (chunk,) = _chunks(["--count", "4000", "--out-of-order", "2s"])
    back_ms = [1_767_225_600_000 + n - date_ms for n, date_ms in enumerate(chunk.dates_ms)]
    assert 0 <= min(back_ms) < 20
    assert 1980 < max(back_ms) <= 2000


def _reasons(chunks: Sequence[Chunk]) -> dict[int, str]:
    return {chunk.first + n: reason for chunk in chunks for n, reason in sorted(chunk.rejected.items())}


def _check_meanings(chunk: Chunk, naive_timezone: ZoneInfo | None) -> None:
    for position, (value, index, date_ms) in enumerate(zip(chunk.values, chunk.indexes, chunk.dates_ms, strict=True)):
        outcome = decode_value(value, naive_timezone)
        if isinstance(outcome, Visit):
            assert (outcome.country, outcome.last_action, outcome.duration) == tuple(chunk.templates[index])
            assert round(outcome.visit_date.timestamp() * 1000) == date_ms
            assert position not in chunk.rejected
        else:
            assert index == chunk.templates.rejected_index
            assert chunk.rejected[position] == outcome[0]
