"""Messages that are not valid visits: every kind, and the reason for which each must be rejected."""

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from simulate.templates import Template

MALFORMED, INVALID, NO_TIMEZONE = "malformed", "invalid", "no_timezone"

Encode = Callable[[str, Template], bytes | None]
"""Takes the date and the template of a visit; returns the malformed message in its place."""


class MalformedKind(NamedTuple):
    """One way in which a message is not a valid visit."""

    name: str
    reason: str
    encode: Encode


def _whole(date: str, template: Template) -> bytes:
    return _with()(date, template) or b""


def _with(**members: Any) -> Encode:
    """Replace single members by another value, or leave them out (`...`)."""

    def encode(date: str, template: Template) -> bytes:
        visit = {
            "visitDate": date,
            "country": template.country,
            "lastAction": template.last_action,
            "duration": template.duration_s,
            **members,
        }
        return json.dumps({name: value for name, value in visit.items() if value is not ...}).encode()

    return encode


def _always(value: bytes | None) -> Encode:
    return lambda date, template: value


def _half(date: str, template: Template) -> bytes:
    return _whole(date, template)[:40]


def _twice(date: str, template: Template) -> bytes:
    return _whole(date, template) * 2


def _deep(date: str, template: Template) -> bytes:
    return _whole(date, template)[:-1] + b', "more": ' + b"[" * 300 + b"]" * 300 + b"}"


def _not_utf8(date: str, template: Template) -> bytes:
    return _with(country="?")(date, template).replace(b"?", b"\xff\xfe")  # type: ignore[union-attr]


def _listed(date: str, template: Template) -> bytes:
    return b"[" + _whole(date, template) + b"]"


def _zoneless(date: str, template: Template) -> bytes | None:
    return _with(visitDate=date.removesuffix("Z"))(date, template)


KINDS = (
    MalformedKind("null", MALFORMED, _always(None)),
    MalformedKind("empty", MALFORMED, _always(b"")),
    MalformedKind("not JSON", MALFORMED, _always(b"GET /catalog HTTP/1.1\r\n")),
    MalformedKind("two documents", MALFORMED, _twice),
    MalformedKind("half a document", MALFORMED, _half),
    MalformedKind("NaN", MALFORMED, _with(duration=float("nan"))),
    MalformedKind("a lone surrogate", MALFORMED, _with(country="\ud800")),
    MalformedKind("not UTF-8", MALFORMED, _not_utf8),
    MalformedKind("too many brackets", MALFORMED, _deep),
    MalformedKind("an array", INVALID, _listed),
    MalformedKind("the literal null", INVALID, _always(b"null")),
    MalformedKind("visitDate missing", INVALID, _with(visitDate=...)),
    MalformedKind("country missing", INVALID, _with(country=...)),
    MalformedKind("lastAction missing", INVALID, _with(lastAction=...)),
    MalformedKind("duration missing", INVALID, _with(duration=...)),
    MalformedKind("visitDate null", INVALID, _with(visitDate=None)),
    MalformedKind("country null", INVALID, _with(country=None)),
    MalformedKind("lastAction null", INVALID, _with(lastAction=None)),
    MalformedKind("duration null", INVALID, _with(duration=None)),
    MalformedKind("visitDate a number", INVALID, _with(visitDate=1_764_000_000)),
    MalformedKind("country a number", INVALID, _with(country=49)),
    MalformedKind("lastAction true", INVALID, _with(lastAction=True)),
    MalformedKind("duration a string", INVALID, _with(duration="17")),
    MalformedKind("duration 9.0", INVALID, _with(duration=9.0)),
    MalformedKind("duration negative", INVALID, _with(duration=-1)),
    MalformedKind("duration too large", INVALID, _with(duration=2_147_483_648)),
    MalformedKind("country empty", INVALID, _with(country="")),
    MalformedKind("country of 65 characters", INVALID, _with(country="A" * 65)),
    MalformedKind("country with a control character", INVALID, _with(country="US\x00")),
    MalformedKind("lastAction empty", INVALID, _with(lastAction="")),
    MalformedKind("lastAction of 65 characters", INVALID, _with(lastAction="é" * 65)),
    MalformedKind("lastAction with a control character", INVALID, _with(lastAction="ORDER\x7f")),
    MalformedKind("visitDate not a date", INVALID, _with(visitDate="yesterday")),
    MalformedKind("visitDate without a time", INVALID, _with(visitDate="2026-11-23")),
    MalformedKind("visitDate before 1970", INVALID, _with(visitDate="1969-12-31T23:59:59.999Z")),
    MalformedKind("visitDate from 2100 on", INVALID, _with(visitDate="2100-01-01T00:00:00Z")),
    MalformedKind("visitDate without an offset", NO_TIMEZONE, _zoneless),
)
