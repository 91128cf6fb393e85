"""Every kind of message that is not a valid visit: pipeline and recount reject it for the stated reason."""

from zoneinfo import ZoneInfo

import pytest

from operators.visit import Visit
from simulate.malformed import KINDS, NO_TIMEZONE, MalformedKind
from simulate.shape import Shape
from simulate.templates import Template
from tests.unit.samples import classify, decode_value

DATE_MS = 1_795_464_000_123  # 2026-11-23T20:00:00.123Z
USUAL = Shape()
TEMPLATES = [Template("USA", "SHOPPING_CART", 17), Template("A" * 64, "é" * 64, 0), Template('a "b", c', "FAQ?", 600)]


@pytest.mark.parametrize("template", TEMPLATES, ids=["usual", "long", "quoted"])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_pipeline_rejects_it_for_its_reason(kind: MalformedKind, template: Template) -> None:
    """decode returns the reason under which the truth counts it."""
    outcome = decode_value(kind.encode(USUAL, DATE_MS, template))
    assert isinstance(outcome, tuple)
    assert outcome[0] == kind.reason


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_recount_rejects_it_for_its_reason(kind: MalformedKind) -> None:
    """So does verify's own decoder."""
    assert classify(kind.encode(USUAL, DATE_MS, TEMPLATES[0]), None) == kind.reason


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_with_a_time_zone_only_a_missing_offset_is_accepted(kind: MalformedKind) -> None:
    """With NAIVE_TIMEZONE a date without an offset is a visit; all others stay rejected."""
    zone = ZoneInfo("Europe/Berlin")
    outcome = decode_value(kind.encode(USUAL, DATE_MS, TEMPLATES[0]), zone)
    if kind.reason == NO_TIMEZONE:
        assert isinstance(outcome, Visit)
    else:
        assert isinstance(outcome, tuple)
        assert outcome[0] == kind.reason


def test_every_rule_of_what_a_message_is_has_a_kind() -> None:
    """Each reason occurs, and names are unique, so that a failing kind can be found."""
    assert {kind.reason for kind in KINDS} == {"malformed", "invalid", "no_timezone"}
    assert len({kind.name for kind in KINDS}) == len(KINDS) == 37
