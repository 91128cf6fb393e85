"""How visits are written into messages and cart lines: as the settings of the input say it."""

import json
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from oracle.message import Classifier
from oracle.rules import DEFAULTS, USUAL_PLACES, Rules, Tree
from settings import Settings

UNKNOWN = "unknown"
"""The value of every text field that a shop has added to a visit."""

_DATE = "@date@"
_UNIT_MS = {"epoch_s": 1000, "epoch_ms": 1, "epoch_us": 1}


class Shape:
    """The names, formats and units of one pipeline's visits; those that nothing is set for are the usual ones."""

    def __init__(self, settings: Settings | None = None) -> None:
        settings = settings or Settings()
        self.rules = Rules.of(settings)
        self.classify = Classifier(self.rules)
        self.zone = settings.naive_timezone
        self.cart_actions, self.carts_format = settings.cart_action, settings.carts_format
        self._constants = self.rules.constants()

    @property
    def usual(self) -> bool:
        """Whether messages have the usual shape."""
        return self.rules.usual

    @property
    def one_country(self) -> bool:
        """Whether all visits are counted for the same country."""
        return "country" in self._constants

    def floor(self, date_ms: int) -> int:
        """Return a date as the format can express it."""
        return date_ms - date_ms % _UNIT_MS.get(self.rules.date_format, 1)

    def date(self, date_ms: int, text: str) -> str | int:
        """Return a date as a member of a message; `text` is the date by RFC 3339."""
        factor = {"epoch_s": (1, 1000), "epoch_ms": (1, 1), "epoch_us": (1000, 1)}.get(self.rules.date_format)
        return text if factor is None else date_ms * factor[0] // factor[1]

    def encoded_date(self, date_ms: int, text: bytes) -> bytes:
        """Return what stands between prefix and suffix of a message."""
        return text if self.rules.date_format == "rfc3339" else str(self.date(date_ms, "")).encode()

    def members(self, country: str, last_action: str, duration_s: int) -> dict[str, Any]:
        """Return a visit's members but for its date, under their usual names."""
        in_unit = duration_s * 1000 if self.rules.duration_unit == "ms" else duration_s
        members: dict[str, Any] = {"country": country, "lastAction": last_action, "duration": in_unit}
        return members | self.added

    @cached_property
    def added(self) -> dict[str, Any]:
        """The members beyond the usual four; those with a default are left to it."""
        known = {"visit_date", "country", "last_action", "duration"} | set(DEFAULTS)
        return {name: UNKNOWN for name, field in USUAL_PLACES.items() if field not in known}

    def visit(self, country: str, last_action: str, duration_s: int) -> tuple[str, str, int]:
        """Return a visit's values as it will be counted: with constants, and no longer than is accepted."""
        return (
            str(self._constants.get("country", country)),
            str(self._constants.get("last_action", last_action)),
            int(self._constants.get("duration", min(duration_s, self.rules.max_duration_s))),
        )

    def value(self, country: str, last_action: str, field: str) -> str:
        """Return the value of a text field of a visit that this program sends."""
        known = {"country": country, "last_action": last_action} | DEFAULTS | self._constants
        return str(known.get(field, UNKNOWN))

    def document(self, members: Mapping[str, Any]) -> dict[str, Any]:
        """Return members by their usual names as a message has them; the date comes first."""
        values = {USUAL_PLACES[name]: value for name, value in members.items() if value is not ...}
        ordered = {field: values[field] for field in ("visit_date", *values) if field in values}
        return _placed(self.rules.tree(), ordered)

    @cached_property
    def prefix(self) -> bytes:
        """What is before the date in every message."""
        return self._halves("", "", 0)[0]

    def suffix(self, country: str, last_action: str, duration_s: int) -> bytes:
        """Return what follows the date in a message."""
        return self._halves(country, last_action, duration_s)[1]

    def _halves(self, country: str, last_action: str, duration_s: int) -> tuple[bytes, bytes]:
        members = {"visitDate": _DATE} | self.members(country, last_action, duration_s)
        text = json.dumps(self.document(members), ensure_ascii=False)
        mark = _DATE if self.rules.date_format == "rfc3339" else f'"{_DATE}"'
        before, _, after = text.partition(mark)
        return before.encode(), after.encode()


def _placed(tree: Tree, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values by field where the tree has them, in the order of the values."""
    fields = list(values)
    found: dict[str, Any] = {}
    for name, below in sorted(tree.items(), key=lambda item: _first(item[1], fields)):
        value = _placed(below, values) if isinstance(below, dict) else values.get(below, ...)
        if value is not ...:
            found[name.decode()] = value
    return found


def _first(below: Any, fields: list[str]) -> int:
    """Return the place of the first field at or below a name of the tree."""
    if isinstance(below, dict):
        return min((_first(each, fields) for each in below.values()), default=len(fields))
    return fields.index(below) if below in fields else len(fields)
