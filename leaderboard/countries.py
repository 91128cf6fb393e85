"""Names and flags for the board of countries, whose entries may be ISO 3166-1 codes of two or three letters.

Which codes there are, iso3166 knows (with Kosovo's XK and XKX); the names are the everyday ones of Unicode's CLDR.
"""

from functools import cache
from typing import NamedTuple

import iso3166
from babel import Locale

BOARD = "country"

_FLAG_LETTERS = 0x1F1E6 - ord("A")  # two regional indicator symbols are a flag


class Country(NamedTuple):
    """How an entry that is a code is shown."""

    name: str
    flag: str


def country_of(board: str, entry: str) -> Country | None:
    """Return the country that an entry is the code of, in capitals; None for every other entry, and other boards."""
    return _countries().get(entry) if board == BOARD else None


@cache
def _countries() -> dict[str, Country]:
    names = Locale("en").territories
    countries: dict[str, Country] = {}
    for code in iso3166.countries:
        flag = "".join(chr(_FLAG_LETTERS + ord(letter)) for letter in code.alpha2)
        countries[code.alpha2] = countries[code.alpha3] = Country(names[code.alpha2], flag)
    return countries
