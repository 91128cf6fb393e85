"""The board of countries: codes as names and flags."""

from datetime import UTC, datetime

import pytest
from rich.console import Console

from leaderboard.api import csv_of
from leaderboard.boards import Boards
from leaderboard.countries import Country, country_of
from leaderboard.curves import Curves
from leaderboard.display import View, live, plain
from leaderboard.readings import _board
from leaderboard.top import Entry, Top
from simulate.world import WORLD
from tests.unit.samples import SHOWN

AT = datetime(2026, 11, 23, tzinfo=UTC)
NORWAY = Country("Norway", "\U0001f1f3\U0001f1f4")


@pytest.mark.parametrize(
    ("code", "letters", "name"),
    [
        ("GBR", "GB", "United Kingdom"),
        ("KOR", "KR", "South Korea"),
        ("CZE", "CZ", "Czechia"),
        ("TUR", "TR", "Türkiye"),
        ("USA", "US", "United States"),
        ("RUS", "RU", "Russia"),
        ("NLD", "NL", "Netherlands"),
        ("ZAF", "ZA", "South Africa"),
    ],
)
def test_codes_have_their_everyday_names(code: str, letters: str, name: str) -> None:
    """Of three letters and of two: the same name, and the flag of the two."""
    flag = "".join(chr(0x1F1E6 + ord(letter) - ord("A")) for letter in letters)
    assert country_of(["country"], code) == country_of(["country"], letters) == Country(name, flag)


@pytest.mark.parametrize(
    "entry", ["XXX", "nor", "Nor", "no", "NOR ", "Norway", "N", "NORW", "", "578", "DDR", "EU", "ZZ", "\uff2e\uff2f"]
)
def test_what_is_no_code_stays(entry: str) -> None:
    """Other capitals, blanks, names, numbers, codes that were withdrawn, and groups of countries."""
    assert country_of(["country"], entry) is None


def test_other_boards_have_no_countries() -> None:
    """A last action may be called NO."""
    assert country_of(["country"], "NO") == NORWAY
    assert country_of(["last_action"], "NO") is None


def test_entries_of_several_values_are_read_apart() -> None:
    """A country within them has its name and its flag; what is escaped is shown as it was sent."""
    fields = ("country", "last_action")
    assert country_of(fields, "NOR/ORDER") == Country("Norway / ORDER", NORWAY.flag)
    assert country_of(fields, "N%2FA/50%25 off") == Country("N/A / 50% off", "")
    assert country_of(fields, "too/many/values") is None


def test_every_country_of_the_simulator_has_a_name() -> None:
    """And each its own."""
    named = [country_of(["country"], code) for code, _ in WORLD]
    assert None not in named
    assert len(set(named)) == len(WORLD) > 70


def top(*entries: str) -> Top:
    return Top([Entry(at, entry, 10, 1, 0.25) for at, entry in enumerate(entries, 1)], len(entries), 40, 4)


def test_a_terminal_shows_names_and_flags() -> None:
    """Plain text has the code too: nothing is shown on hover there. The columns stay in line."""
    everything = Boards(
        range="all",
        start=AT,
        end=AT,
        as_of=AT,
        read_at=AT,
        messages=1,
        visits=1,
        rejected=0,
        shown=SHOWN,
        boards={"action": top("NO"), "country": top("NOR", "XXX")},
    )
    view = View(everything)
    assert plain(view, 10).splitlines()[2:] == [
        "LAST ACTION (1)",
        "rank  entry  visits  duration  share",
        "   1  NO          1       10s  25.0%",
        "",
        "COUNTRY (2)",
        "rank  entry            visits  duration  share",
        "   1  \U0001f1f3\U0001f1f4 Norway (NOR)       1       10s  25.0%",
        "   2  XXX                   1       10s  25.0%",
    ]
    console = Console(width=120, force_terminal=True, color_system=None)
    with console.capture() as captured:
        console.print(live(view, 30))
    assert " \U0001f1f3\U0001f1f4 Norway " in captured.get()


def test_the_csv_has_the_code_and_the_name() -> None:
    """The name is the last column, of countries alone; what is no code has none."""
    countries = csv_of(_board(SHOWN[1], top("NOR", "XXX"), Curves())).splitlines()
    assert countries == [
        "rank,country,duration_s,visits,share,name",
        "1,NOR,10,1,0.250000,Norway",
        "2,XXX,10,1,0.250000,",
    ]
    actions = csv_of(_board(SHOWN[0], top("NO"), Curves())).splitlines()
    assert actions == ["rank,action,duration_s,visits,share", "1,NO,10,1,0.250000"]
