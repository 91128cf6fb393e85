"""Messages that are no visits: every kind there is, and the reason for which each must be rejected."""

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from simulate.deck import Card

MALFORMED, INVALID, NO_TIMEZONE = "malformed", "invalid", "no_timezone"

Broken = Callable[[str, Card], bytes | None]
"""Makes a message of what would have been a visit: its date's text and its card."""


class Kind(NamedTuple):
    """One way to break a visit."""

    name: str
    reason: str
    broken: Broken


def _whole(date: str, card: Card) -> bytes:
    return _with()(date, card) or b""


def _with(**members: Any) -> Broken:
    """Break single members: another value, or none at all (`...`)."""

    def broken(date: str, card: Card) -> bytes:
        visit = {
            "visitDate": date,
            "country": card.country,
            "lastAction": card.last_action,
            "duration": card.duration_s,
            **members,
        }
        return json.dumps({name: value for name, value in visit.items() if value is not ...}).encode()

    return broken


def _always(value: bytes | None) -> Broken:
    return lambda date, card: value


def _half(date: str, card: Card) -> bytes:
    return _whole(date, card)[:40]


def _twice(date: str, card: Card) -> bytes:
    return _whole(date, card) * 2


def _deep(date: str, card: Card) -> bytes:
    return _whole(date, card)[:-1] + b', "more": ' + b"[" * 300 + b"]" * 300 + b"}"


def _no_utf8(date: str, card: Card) -> bytes:
    return _with(country="?")(date, card).replace(b"?", b"\xff\xfe")  # type: ignore[union-attr]


def _listed(date: str, card: Card) -> bytes:
    return b"[" + _whole(date, card) + b"]"


def _zoneless(date: str, card: Card) -> bytes | None:
    return _with(visitDate=date.removesuffix("Z"))(date, card)


KINDS = (
    Kind("null", MALFORMED, _always(None)),
    Kind("empty", MALFORMED, _always(b"")),
    Kind("not JSON", MALFORMED, _always(b"GET /catalog HTTP/1.1\r\n")),
    Kind("two documents", MALFORMED, _twice),
    Kind("half a document", MALFORMED, _half),
    Kind("NaN", MALFORMED, _with(duration=float("nan"))),
    Kind("a lone surrogate", MALFORMED, _with(country="\ud800")),
    Kind("no UTF-8", MALFORMED, _no_utf8),
    Kind("too many brackets", MALFORMED, _deep),
    Kind("an array", INVALID, _listed),
    Kind("the literal null", INVALID, _always(b"null")),
    Kind("no visitDate", INVALID, _with(visitDate=...)),
    Kind("no country", INVALID, _with(country=...)),
    Kind("no lastAction", INVALID, _with(lastAction=...)),
    Kind("no duration", INVALID, _with(duration=...)),
    Kind("visitDate null", INVALID, _with(visitDate=None)),
    Kind("country null", INVALID, _with(country=None)),
    Kind("lastAction null", INVALID, _with(lastAction=None)),
    Kind("duration null", INVALID, _with(duration=None)),
    Kind("visitDate a number", INVALID, _with(visitDate=1_764_000_000)),
    Kind("country a number", INVALID, _with(country=49)),
    Kind("lastAction true", INVALID, _with(lastAction=True)),
    Kind("duration a string", INVALID, _with(duration="17")),
    Kind("duration 9.0", INVALID, _with(duration=9.0)),
    Kind("duration negative", INVALID, _with(duration=-1)),
    Kind("duration too large", INVALID, _with(duration=2_147_483_648)),
    Kind("country empty", INVALID, _with(country="")),
    Kind("country of 65 characters", INVALID, _with(country="A" * 65)),
    Kind("country with a control character", INVALID, _with(country="US\x00")),
    Kind("lastAction empty", INVALID, _with(lastAction="")),
    Kind("lastAction of 65 characters", INVALID, _with(lastAction="é" * 65)),
    Kind("lastAction with a control character", INVALID, _with(lastAction="ORDER\x7f")),
    Kind("visitDate no date", INVALID, _with(visitDate="yesterday")),
    Kind("visitDate without a time", INVALID, _with(visitDate="2026-11-23")),
    Kind("visitDate before 1970", INVALID, _with(visitDate="1969-12-31T23:59:59.999Z")),
    Kind("visitDate from 2100 on", INVALID, _with(visitDate="2100-01-01T00:00:00Z")),
    Kind("visitDate without an offset", NO_TIMEZONE, _zoneless),
)
