"""Messages that are not valid visits: every kind, and the reason for which each must be rejected."""

import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from simulate.dates import encode_date
from simulate.shape import Shape
from simulate.templates import Template

MALFORMED, INVALID, NO_TIMEZONE = "malformed", "invalid", "no_timezone"

Encode = Callable[[Shape, int, Template], bytes | None]
"""Takes how messages are written, and date (ms since 1970 UTC) and template of a visit; returns the malformed one."""


class MalformedKind(NamedTuple):
    """One way in which a message is not a valid visit."""

    name: str
    reason: str
    encode: Encode


def _whole(shape: Shape, date_ms: int, template: Template) -> bytes:
    return _with()(shape, date_ms, template) or b""


def _with(**members: Any) -> Encode:
    """Replace single members by another value, or leave them out (`...`)."""

    def encode(shape: Shape, date_ms: int, template: Template) -> bytes:
        date = shape.date(date_ms, encode_date(date_ms).decode())
        visit = {"visitDate": date} | shape.members(*template) | members
        return json.dumps(shape.document(visit)).encode()

    return encode


def _always(value: bytes | None) -> Encode:
    return lambda shape, date_ms, template: value


def _half(shape: Shape, date_ms: int, template: Template) -> bytes:
    return _whole(shape, date_ms, template)[:40]


def _twice(shape: Shape, date_ms: int, template: Template) -> bytes:
    return _whole(shape, date_ms, template) * 2


def _deep(shape: Shape, date_ms: int, template: Template) -> bytes:
    return _whole(shape, date_ms, template)[:-1] + b', "more": ' + b"[" * 300 + b"]" * 300 + b"}"


def _not_utf8(shape: Shape, date_ms: int, template: Template) -> bytes:
    return (_with(country="?")(shape, date_ms, template) or b"").replace(b"?", b"\xff\xfe")


def _listed(shape: Shape, date_ms: int, template: Template) -> bytes:
    return b"[" + _whole(shape, date_ms, template) + b"]"


def _zoneless(shape: Shape, date_ms: int, template: Template) -> bytes | None:
    return _with(visitDate=encode_date(date_ms).decode().removesuffix("Z"))(shape, date_ms, template)


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


def kinds_of(shape: Shape) -> Sequence[MalformedKind]:
    """Return the kinds in the shape of a pipeline's messages: some are visits there, others have another reason."""
    if shape.usual:
        return KINDS
    sample = Template("NOR", "ORDER", 1)
    found = ((kind, shape.classify(kind.encode(shape, 1_764_000_000_000, sample))) for kind in KINDS)
    return [kind._replace(reason=reason) for kind, reason in found if isinstance(reason, str)]
