"""Visits from many countries: each has a name of its own."""

from collections.abc import Callable

from tests.traffic import ACTIONS, START_S, Sent

_DATE = "2026-01-01T00:00:00.000Z"


def visits_of_names(count: int, *, name: Callable[[int], str], partitions: int = 4, first: int = 0) -> list[Sent]:
    """Return a visit for each of so many names."""
    visits = []
    for at in range(first, first + count):
        country, action, duration_s = name(at), ACTIONS[at % len(ACTIONS)], at % 600
        text = f'{{"visitDate": "{_DATE}", "country": "{country}", "lastAction": "{action}", "duration": {duration_s}}}'
        partition = at % partitions
        visits.append(Sent(partition, text.encode(), START_S * 1000, country, action, duration_s))
    return visits
