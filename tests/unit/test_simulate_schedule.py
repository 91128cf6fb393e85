"""When each visit is sent: rates, profiles and event time, in whole numbers."""

from fractions import Fraction

import pytest

from simulate.schedule import PROFILES, Schedule

RATES = [Fraction(1, 10), Fraction(1), Fraction(3), Fraction(1000), Fraction("1234.567"), Fraction(300_000)]


@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile_reaches_the_rate_on_average(profile: str) -> None:
    """Over its period a profile lets as many messages pass as the steady one."""
    shares = PROFILES[profile]
    assert sum(shares) == 1000 * len(shares)
    assert min(shares) > 0
    assert Schedule(Fraction(50), profile).messages_in(Fraction(60)) == 3000


def test_the_wave_and_the_burst_are_as_documented() -> None:
    """A wave swings between a tenth and nearly twice the rate; a burst is one second in ten, five and a half times."""
    assert (min(PROFILES["wave"]), max(PROFILES["wave"])) == (100, 1900)
    assert PROFILES["burst"] == (500,) * 9 + (5500,)
    assert list(PROFILES["ramp"]) == sorted(PROFILES["ramp"])


def test_a_steady_rate_dates_messages_evenly() -> None:
    """Three messages a second are a third of a second apart, milliseconds truncated."""
    assert Schedule(Fraction(3)).dates_ms(0, 7) == [0, 333, 666, 1000, 1333, 1666, 2000]


def test_speed_stretches_event_time() -> None:
    """At speed 60 a second of real time is a minute of event time."""
    assert Schedule(Fraction(2), speed=Fraction(60)).dates_ms(3, 3) == [90_000, 120_000, 150_000]


def test_a_burst_is_in_its_second() -> None:
    """At 2 messages a second, nine seconds have one each, and the tenth has eleven."""
    dates = Schedule(Fraction(2), "burst").dates_ms(0, 21)
    assert dates[:10] == [0, 1000, 2000, 3000, 4000, 5000, 6000, 7000, 8000, 9000]
    assert [date // 1000 for date in dates[9:]] == [9] * 11 + [10]


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("rate", RATES, ids=str)
def test_dates_do_not_depend_on_how_many_are_requested_at_once(profile: str, rate: Fraction) -> None:
    """One by one, or all at once: the same dates, never falling."""
    schedule = Schedule(rate, profile, Fraction("1.5"))
    first = 12_345
    dates = schedule.dates_ms(first, 200)
    assert dates == [schedule.dates_ms(message, 1)[0] for message in range(first, first + 200)]
    assert dates == sorted(dates)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("rate", RATES, ids=str)
def test_what_is_due_is_what_is_dated(profile: str, rate: Fraction) -> None:
    """A message is due just after its moment, and not before."""
    schedule = Schedule(rate, profile)
    for message in (0, 1, 59, 60, 61, 5000):
        moment_s = schedule.due_s(message)
        assert schedule.due(moment_s + 1e-9 * (1 + moment_s)) >= message + 1
        if message:
            assert schedule.due(moment_s * (1 - 1e-9)) <= message


@pytest.mark.parametrize("profile", PROFILES)
def test_a_duration_has_the_messages_that_are_dated_before_its_end(profile: str) -> None:
    """So `--duration` with `--start` gives the same number on every run."""
    schedule = Schedule(Fraction(7), profile)
    number = schedule.messages_in(Fraction("12.5"))
    dates = schedule.dates_ms(0, number + 1)
    assert dates[-2] < 12_500 <= dates[-1]
