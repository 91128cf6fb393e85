"""The world of the simulator: believable countries, and how their traffic follows the clock of each.

The weights are made up, in the order of large online markets and with a long tail; they are no statistics. The
offsets are standard time, in hours, that of most people where a country has several: fixed, so that one seed gives
the same bytes whichever time zone database a machine has.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache
from itertools import cycle, islice

from simulate.templates import Templates
from simulate.workload import TEMPLATE_COUNT, Weights, allocated

_HOUR_MS = 3_600_000
_MINUTES_A_DAY = 1440

_COUNTRIES = """
USA 240 -6    CHN 130 8     GBR 80 0      DEU 75 1      JPN 70 9      FRA 55 1      KOR 40 9      IND 38 5.5
CAN 34 -5     BRA 32 -3     ITA 30 1      ESP 28 1      AUS 26 10     NLD 24 1      POL 20 1      MEX 19 -6
TUR 17 3      SWE 15 1      CHE 14 1      IDN 13 7      BEL 12 1      AUT 11.5 1    TWN 11 8      DNK 9 1
NOR 8.5 1     SAU 8 3       ARE 7.5 4     CZE 7 1       THA 6.5 7     FIN 6 2       IRL 5.6 0     VNM 5.3 7
MYS 5 8       PRT 4.7 0     ARG 4.4 -3    SGP 4.1 8     PHL 3.9 8     GRC 3.6 2     ISR 3.4 2     HUN 3.2 1
ROU 3 2       CHL 2.8 -4    ZAF 2.6 2     COL 2.4 -5    NZL 2.3 12    UKR 2.1 2     EGY 2 2       SVK 1.8 1
PER 1.7 -5    NGA 1.6 1     BGR 1.5 2     HRV 1.4 1     PAK 1.3 5     KAZ 1.2 5     MAR 1.15 1    SVN 1.1 1
LTU 1 2       SRB 0.95 1    EST 0.9 2     LVA 0.85 2    KEN 0.8 3     LUX 0.75 1    BGD 0.7 6     QAT 0.65 3
KWT 0.6 3     ECU 0.55 -5   URY 0.5 -3    CRI 0.46 -6   PAN 0.42 -5   DOM 0.39 -4   ISL 0.36 0    LKA 0.33 5.5
JOR 0.3 3     CYP 0.28 2    MLT 0.26 1    GHA 0.24 0    TUN 0.22 1    GEO 0.2 4     ARM 0.18 4    NPL 0.16 5.75
BOL 0.15 -4   GTM 0.14 -6   KHM 0.13 7    ALB 0.12 1    MNG 0.11 8    BIH 0.1 1     UGA 0.09 3    SEN 0.08 0
"""

_ACTIVITY = (34, 20, 12, 8, 7, 10, 20, 36, 48, 56, 62, 68, 74, 70, 66, 66, 70, 78, 90, 106, 118, 114, 92, 60)
"""Traffic at the beginning of each local hour: quiet towards morning, highest in the evening."""

_WORDS = _COUNTRIES.split()
WORLD: Weights = [(code, Decimal(weight)) for code, weight in zip(_WORDS[::3], _WORDS[1::3], strict=True)]
OFFSETS_MINUTES = {code: int(60 * Decimal(hours)) for code, hours in zip(_WORDS[::3], _WORDS[2::3], strict=True)}


def activity(country: str, minute: int) -> int:
    """Return how active a country is at a minute of the day in UTC; 60 times what _ACTIVITY has."""
    hour, past = divmod((minute + OFFSETS_MINUTES[country]) % _MINUTES_A_DAY, 60)
    return _ACTIVITY[hour] * (60 - past) + _ACTIVITY[(hour + 1) % 24] * past


def weights_at(minute: int) -> Weights:
    """Return the countries' weights at a minute of the day in UTC."""
    return [(country, weight * activity(country, minute)) for country, weight in WORLD]


def day_shares(begin_ms: int) -> Sequence[int]:
    """Return for each second of the day that begins at this date its share of the rate, 1000 on average."""
    exact = [sum((weight for _, weight in weights_at(minute)), Decimal(0)) for minute in range(_MINUTES_A_DAY)]
    mean = sum(exact, Decimal(0)) / _MINUTES_A_DAY
    shares = [int(1000 * weight / mean) for weight in exact]
    for minute in range(1000 * _MINUTES_A_DAY - sum(shares)):  # what truncation has left
        shares[minute] += 1
    begin_s = begin_ms // 1000 % 86_400
    return [shares[(begin_s + second) // 60 % _MINUTES_A_DAY] for second in range(86_400)]


class Rhythm:
    """Which template a sample stands for, by the hour: each country's share of them follows its own clock."""

    def __init__(self, templates: Templates) -> None:
        self._of_country: defaultdict[str, list[int]] = defaultdict(list)
        for index, template in enumerate(templates):
            self._of_country[template.country].append(index)
        self._table = lru_cache(maxsize=24)(self._table_of)

    def indexes(self, samples: Sequence[int], dates_ms: Sequence[int]) -> list[int]:
        """Return the templates of samples, 0 to TEMPLATE_COUNT - 1, by the hour of each one's date."""
        first, last = dates_ms[0] // _HOUR_MS, dates_ms[-1] // _HOUR_MS
        if first == last:
            return list(map(self._table(first % 24).__getitem__, samples))
        hours = (date_ms // _HOUR_MS % 24 for date_ms in dates_ms)
        return [self._table(hour)[sample] for hour, sample in zip(hours, samples, strict=True)]

    def _table_of(self, hour: int) -> list[int]:
        """Return the template for each sample in an hour of the day in UTC, by the weights at its middle."""
        indexes: list[int] = []
        numbers = Counter(allocated(weights_at(60 * hour + 30)))
        for country, own in self._of_country.items():
            indexes += islice(cycle(own), numbers[country])
        assert len(indexes) == TEMPLATE_COUNT  # noqa: S101 - the templates are those of WORLD
        return indexes
