"""Every kind of message that is no visit: the pipeline and the recount reject it for the reason that is stated."""

from zoneinfo import ZoneInfo

import pytest

from operators.decode import decode_value
from operators.visit import Visit
from oracle.message import classify
from simulate.deck import Card
from simulate.malformed import KINDS, NO_TIMEZONE, Kind

DATE = "2026-11-23T20:00:00.123Z"
CARDS = [Card("USA", "SHOPPING_CART", 17), Card("A" * 64, "é" * 64, 0), Card('a "b", c', "FAQ?", 600)]


@pytest.mark.parametrize("card", CARDS, ids=["usual", "long", "quoted"])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_pipeline_rejects_it_for_its_reason(kind: Kind, card: Card) -> None:
    """decode names the reason that the truth counts it under."""
    outcome = decode_value(kind.broken(DATE, card))
    assert isinstance(outcome, tuple)
    assert outcome[0] == kind.reason


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_recount_rejects_it_for_its_reason(kind: Kind) -> None:
    """verify's own reading of the log names it as well."""
    assert classify(kind.broken(DATE, CARDS[0]), None) == kind.reason


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_with_a_time_zone_only_a_missing_offset_is_forgiven(kind: Kind) -> None:
    """With NAIVE_TIMEZONE a date without an offset is a visit; all else stays what it is."""
    zone = ZoneInfo("Europe/Berlin")
    outcome = decode_value(kind.broken(DATE, CARDS[0]), zone)
    if kind.reason == NO_TIMEZONE:
        assert isinstance(outcome, Visit)
    else:
        assert isinstance(outcome, tuple)
        assert outcome[0] == kind.reason


def test_every_rule_of_what_a_message_is_has_a_kind() -> None:
    """Each reason occurs, and names are unique, so that a failing kind can be found."""
    assert {kind.reason for kind in KINDS} == {"malformed", "invalid", "no_timezone"}
    assert len({kind.name for kind in KINDS}) == len(KINDS) == 37
