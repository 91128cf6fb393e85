"""The world: large countries first, a long tail, and each country awake by its own clock."""

from collections import Counter
from collections.abc import Sequence
from hashlib import sha256
from itertools import pairwise

import pytest
from faker.providers.date_time import Provider

from settings import Settings
from simulate.arguments import options_of
from simulate.chunk import Chunk
from simulate.run import source_of
from simulate.workload import USUAL_ACTIONS, draw_templates
from simulate.world import OFFSETS_MINUTES, WORLD, Rhythm, activity, day_shares

HOUR_MS = 3_600_000
END = "2026-01-02T00:00:00Z"
END_MS = 1_767_312_000_000


def _chunks(arguments: Sequence[str], *, at_once: int = 4096) -> list[Chunk]:
    source = source_of(options_of(["--start", END, *arguments]), Settings(), scheduled=False)
    chunks = []
    while not source.done:
        chunks.append(source.take(min(at_once, source.due(0))))
    return chunks


def _values(chunks: Sequence[Chunk]) -> list[bytes | None]:
    return [value for chunk in chunks for value in chunk.values]


def test_the_world_has_real_countries_the_largest_first_and_a_long_tail() -> None:
    """A few have half of the visits; most have less than one in a hundred."""
    codes, weights = zip(*WORLD, strict=True)
    assert len(set(codes)) == len(codes) == len(OFFSETS_MINUTES)
    assert set(codes) <= {country.alpha_3_code for country in Provider.countries}
    assert list(weights) == sorted(weights, reverse=True)
    assert sum(weights[:4]) * 2 < sum(weights) < sum(weights[:6]) * 2
    assert sum(weight * 100 < sum(weights) for weight in weights) > len(weights) / 2


@pytest.mark.parametrize("country", ["USA", "JPN", "DEU", "IND", "NPL"])
def test_the_evening_is_the_peak_by_the_clock_of_each_country(country: str) -> None:
    """From 20 to 21 local time; least active before dawn."""
    by_minute = [activity(country, minute) for minute in range(1440)]
    peak, low = by_minute.index(max(by_minute)), by_minute.index(min(by_minute))
    assert (peak + OFFSETS_MINUTES[country]) % 1440 == 20 * 60
    assert (low + OFFSETS_MINUTES[country]) % 1440 == 4 * 60
    assert max(abs(one - other) for one, other in pairwise(by_minute)) < max(by_minute) / 100  # no steps


def test_a_day_has_its_rhythm_and_1000_on_average() -> None:
    """From any moment on: the shares are those of the clock, not of the beginning."""
    shares = day_shares(END_MS)
    assert sum(shares) == 1000 * 86_400
    assert 600 < min(shares) < 900
    assert 1100 < max(shares) < 1500
    later = day_shares(END_MS + 90 * 60_000 + 123)
    assert later == [*shares[5400:], *shares[:5400]]


def test_the_mix_of_countries_follows_the_hour() -> None:
    """The same samples are other templates at another hour; all countries occur at every hour."""
    templates = draw_templates(42, WORLD, USUAL_ACTIONS)
    rhythm = Rhythm(templates)
    samples = list(range(len(templates)))
    by_hour = []
    for hour in range(24):
        indexes = rhythm.indexes(samples, [END_MS + hour * HOUR_MS] * len(samples))
        by_hour.append(Counter(templates[index].country for index in indexes))
        assert set(by_hour[-1]) == set(OFFSETS_MINUTES)
        actions = Counter(templates[index].last_action for index in indexes)
        for action, percent in USUAL_ACTIONS:
            assert abs(100 * actions[action] / len(samples) - float(percent)) < 2
    japan, america = ([counts[name] for counts in by_hour] for name in ("JPN", "USA"))
    assert japan.index(max(japan)) in {9, 10, 11, 12, 13}
    assert america.index(max(america)) in {0, 1, 2, 3, 4, 23}
    assert max(japan) > 8 * min(japan)


def test_a_chunk_over_a_full_hour_has_each_visit_by_its_own() -> None:
    """However many are taken at once."""
    rhythm = Rhythm(draw_templates(42, WORLD, USUAL_ACTIONS))
    samples = [7000] * 4
    dates_ms = [END_MS - 2, END_MS - 1, END_MS, END_MS + 1]
    each = [rhythm.indexes([sample], [date_ms])[0] for sample, date_ms in zip(samples, dates_ms, strict=True)]
    assert rhythm.indexes(samples, dates_ms) == each
    assert len(set(each)) == 2


HISTORY = ["--history", "24h", "--history-rate", "0.5", "--seed", "7"]


def test_a_history_is_the_time_before_its_end() -> None:
    """Its rate on average, in order, from its beginning to its end, with the day's rhythm; then nothing."""
    chunks = _chunks(HISTORY)
    dates_ms = [date_ms for chunk in chunks for date_ms in chunk.dates_ms]
    assert len(dates_ms) == 43_200
    assert dates_ms == sorted(dates_ms)
    assert dates_ms[0] == END_MS - 24 * HOUR_MS
    assert END_MS - 10_000 < dates_ms[-1] < END_MS
    by_hour = Counter(date_ms // HOUR_MS for date_ms in dates_ms)
    assert max(by_hour.values()) > 1.4 * min(by_hour.values())


def test_a_history_is_the_same_for_the_same_seed_and_end() -> None:
    """Taken in any portions; recorded once, as people may have recorded it."""
    values = _values(_chunks(HISTORY))
    assert values == _values(_chunks(HISTORY, at_once=1000))
    assert values != _values(_chunks([*HISTORY[:-1], "8"]))
    digest = sha256(b"\n".join(value or b"" for value in values)).hexdigest()
    assert digest == "b218191bab69e75ea1098199681655f2265882dc25fb6bddf0155889a6b49a7d"


def test_the_live_visits_after_a_history_are_those_without_it() -> None:
    """From its end on; the round-robin over partitions continues."""
    live = ["--seed", "7", "--count", "5000", "--rate", "100"]
    chunks = _chunks([*HISTORY[:4], *live])
    assert _values(chunks)[43_200:] == _values(_chunks(live))
    first = 0
    for chunk in chunks:
        assert chunk.first == first
        first += len(chunk.values)
    assert chunks[-1].dates_ms[-1] == END_MS + 49_990


def test_anomalies_are_in_the_history_too() -> None:
    """Each in its share."""
    chunks = _chunks([*HISTORY, "--malformed-share", "0.1", "--late-share", "0.1", "--late-by", "2h"])
    assert abs(sum(len(chunk.rejected) for chunk in chunks) - 4320) < 300
    assert abs(sum(len(chunk.late) for chunk in chunks) - 4320) < 300


def test_any_countries_can_have_a_history() -> None:
    """Without rhythm: an even rate."""
    chunks = _chunks([*HISTORY, "--countries", "USA=3,DEU=1"])
    dates_ms = [date_ms for chunk in chunks for date_ms in chunk.dates_ms]
    assert {later - earlier for earlier, later in pairwise(dates_ms)} == {2000}
    countries = Counter(chunk.templates[index].country for chunk in chunks for index in chunk.indexes)
    assert set(countries) == {"USA", "DEU"}


def test_a_history_longer_than_a_day_repeats_its_rhythm() -> None:
    """A week has seven days of the same number of visits."""
    dates_ms = [
        date_ms for chunk in _chunks(["--history", "7d", "--history-rate", "0.1"]) for date_ms in chunk.dates_ms
    ]
    by_day = Counter((END_MS - 1 - date_ms) // (24 * HOUR_MS) for date_ms in dates_ms)
    assert set(by_day.values()) <= {8640, 8639, 8641}
    assert len(by_day) == 7
