"""Ten minutes of a shop, made up from one seed: enough for every part of the page to show something."""

import math
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from settings import Settings
from tests.browser.server import Visits, book, now

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
    booked = []
    for place, country in enumerate(COUNTRIES):
        wave = 1 + 0.6 * math.sin(tick / 240 + place * 2.3)
        for action, weight in ACTIONS.items():
            visits = int(weight * wave * 0.1 * 0.9**place + seeded.random())
            if visits:
                booked.append(Visits(opened + tick * TICK, action, country, visits * seeded.randrange(20, 40), visits))
    return booked


@contextmanager
def open_shop(settings: Settings) -> Iterator[None]:
    """Have ten minutes of visits counted, and more of them four times a second for as long as this lasts."""
    seeded = random.Random(7)
    opened = now() - timedelta(minutes=10)
    counted = -1
    closed = threading.Event()

    def visit() -> None:
        nonlocal counted
        present = (now() - opened) // TICK
        ticks = range(counted + 1, present + 1)
        book(settings, *(one for tick in ticks for one in moment(opened, tick, seeded)))
        counted = present

    def visit_on() -> None:
        while not closed.wait(TICK.total_seconds()):
            visit()

    visit()
    visitors = threading.Thread(target=visit_on)
    visitors.start()
    try:
        yield
    finally:
        closed.set()
        visitors.join()
