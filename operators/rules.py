"""The rules that say which messages are visits: what a database keeps with its totals, as the settings name it."""

import re
from typing import NamedTuple
from zoneinfo import ZoneInfo

from operators.visit import MAX_DURATION_S, Seconds, Visit, wire_names
from process.errors import ExitCode, Fatal
from settings import Settings


class Place(NamedTuple):
    """Where a field is: the names on the way to it in the message, or a constant for all messages."""

    path: tuple[str, ...]
    constant: str | int | None = None


class VisitRules(NamedTuple):
    """Where a visit's fields are in a message, how they are written, and which values are accepted.

    `places` are by the fields' names in `Visit`; those that are missing are under their usual names.
    """

    places: tuple[tuple[str, Place], ...] = ()
    date_format: str = "rfc3339"
    duration_unit: str = "s"
    max_duration_s: int = MAX_DURATION_S
    naive_timezone: ZoneInfo | None = None
    max_future_s: int | None = None

    @classmethod
    def of(cls, settings: Settings) -> "VisitRules":
        """Return the rules that the settings name.

        :raises Fatal: CONFIG, VISIT_FIELDS names no field, an impossible place, or one place twice.
        """
        if settings.naive_timezone and settings.visit_date_format != "rfc3339":
            message = (
                f"NAIVE_TIMEZONE is {settings.naive_timezone.key!r}, but VISIT_DATE_FORMAT is "
                f"{settings.visit_date_format!r}, which has no time zones: set only one of them"
            )
            raise Fatal(message, ExitCode.CONFIG)
        return cls(
            _places(settings),
            settings.visit_date_format,
            settings.duration_unit,
            settings.max_duration_s,
            settings.naive_timezone,
            settings.max_future,
        )

    def place(self, field: str) -> Place:
        """Return where a field of `Visit` is."""
        return dict(self.places).get(field) or Place((wire_names()[field],))


def _places(settings: Settings) -> tuple[tuple[str, Place], ...]:
    fields = {wire: field for field, wire in wire_names().items()}
    places = {}
    for wire, text in settings.visit_fields:
        if wire not in fields:
            raise _refused(wire, text, f"a visit has no field {wire!r}, only {', '.join(fields)}")
        places[fields[wire]] = _place(wire, fields[wire], text)
    paths = {field: places.get(field, Place((wire,))).path for wire, field in fields.items()}
    for field, path in paths.items():
        for other, beginning in paths.items():
            if field != other and beginning and path[: len(beginning)] == beginning:
                clash = f"{'.'.join(path)!r} and {'.'.join(beginning)!r} cannot both be fields of one message"
                raise _refused(wire_names()[field], ".".join(path), clash)
    return tuple(sorted((field, place) for field, place in places.items()))


def _place(wire: str, field: str, text: str) -> Place:
    if not text.startswith("="):
        path = tuple(name.replace("\\.", ".") for name in re.split(r"(?<!\\)\.", text))
        if not all(path):
            raise _refused(wire, text, "a name is empty")
        return Place(path)
    kind, constant = Visit.__annotations__[field], text[1:]
    if field == "visit_date":
        raise _refused(wire, text, "every visit has a date of its own")
    if kind is Seconds:
        if not re.fullmatch(r"[0-9]{1,9}", constant):
            raise _refused(wire, text, "the constant must be whole seconds")
        return Place((), int(constant))
    if not (0 < len(constant) <= 64 and constant.isprintable()):
        raise _refused(wire, text, "the constant must have 1 to 64 printable characters")
    return Place((), constant)


def _refused(wire: str, text: str, reason: str) -> Fatal:
    return Fatal(f"VISIT_FIELDS has {wire}:{text}, but {reason}", ExitCode.CONFIG)
