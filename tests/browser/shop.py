"""Ten minutes of a shop's traffic, generated from one seed: enough for every part of the page to show figures."""

import math
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from settings import Settings
from tests.browser.server import Visits, add_visits, now

ACTIONS = {"CATALOG": 44, "SHOPPING_CART": 25, "FAQ": 17, "ORDER": 14}
COUNTRIES = (
    "United States of America",
    "Brazil",
    "Germany",
    "India",
    "France",
    "United Kingdom",
    "Japan",
    "Nigeria",
    "Côte d'Ivoire",
    "Mexico",
    "Türkiye",
    "Indonesia",
    "Peru",
    "Norway",
    "Kenya",
    "Bosnia and Herzegovina",
    "Saint Vincent and the Grenadines",
    "Vietnam",
)


TICK = timedelta(seconds=0.5)


def moment(opened: datetime, tick: int, seeded: random.Random) -> list[Visits]:
    """Return the visits of half a second; countries come and go in waves of some minutes."""
    visited = []
    for place, country in enumerate(COUNTRIES):
        wave = 1 + 0.6 * math.sin(tick / 240 + place * 2.3)
        for action, weight in ACTIONS.items():
            visits = int(weight * wave * 0.1 * 0.9**place + seeded.random())
            if visits:
                visited.append(Visits(opened + tick * TICK, action, country, visits * seeded.randrange(20, 40), visits))
    return visited


@contextmanager
def open_shop(settings: Settings) -> Iterator[None]:
    """Count ten minutes of visits, then those of each half second for as long as this lasts."""
    seeded = random.Random(7)
    opened = now() - timedelta(minutes=10)
    counted = -1
    closed = threading.Event()

    def visit() -> None:
        nonlocal counted
        present = (now() - opened) // TICK
        ticks = range(counted + 1, present + 1)
        add_visits(settings, *(one for tick in ticks for one in moment(opened, tick, seeded)))
        counted = present

    def keep_visiting() -> None:
        while not closed.wait(TICK.total_seconds()):
            visit()

    visit()
    traffic = threading.Thread(target=keep_visiting)
    traffic.start()
    try:
        yield
    finally:
        closed.set()
        traffic.join()
