"""Names and flags for boards of countries, whose entries may be ISO 3166-1 codes of two or three letters.

Which codes there are, iso3166 knows (with Kosovo's XK and XKX); the names are the everyday ones of Unicode's CLDR.
"""

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import iso3166
from babel import Locale

from operators.boards import entry_values

FIELD = "country"

_FLAG_LETTERS = 0x1F1E6 - ord("A")  # two regional indicator symbols are a flag


class Country(NamedTuple):
    """How an entry that is a code is shown."""

    name: str
    flag: str


def country_of(fields: Sequence[str], entry: str) -> Country | None:
    """Return how an entry of a board of these fields is shown; None where it is shown as it is.

    A country is named by its code, in capitals. Several values are separated by a slash between blanks.
    """
    countries = _countries()
    if len(fields) == 1:
        return countries.get(entry) if fields[0] == FIELD else None
    values = entry_values(fields, entry)
    if len(values) != len(fields):
        return None
    found = [countries.get(value) if field == FIELD else None for field, value in zip(fields, values, strict=True)]
    names = [country.name if country else value for country, value in zip(found, values, strict=True)]
    return Country(" / ".join(names), next((country.flag for country in found if country), ""))


@cache
def _countries() -> dict[str, Country]:
    names = Locale("en").territories
    countries: dict[str, Country] = {}
    for code in iso3166.countries:
        flag = "".join(chr(_FLAG_LETTERS + ord(letter)) for letter in code.alpha2)
        countries[code.alpha2] = countries[code.alpha3] = Country(names[code.alpha2], flag)
    return countries
