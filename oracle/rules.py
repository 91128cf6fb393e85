"""What a message must be, as the database or the settings have it: read here with code of its own."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from operators.visit import Visit as Declared
from settings import Settings

USUAL_PLACES = {field.encode_name: field.name for field in msgspec.structs.fields(Declared)}
DEFAULTS = {
    field.name: field.default for field in msgspec.structs.fields(Declared) if field.default is not msgspec.NODEFAULT
}
"""The values of fields that a message may lack."""

Tree = dict[bytes, Any]
"""Names in a message: a field of a visit under each, or another tree."""


class Rules(NamedTuple):
    """Where a visit's fields are in a message, how they are written, and which values are accepted."""

    zone: ZoneInfo | None = None
    visit_fields: str = ""
    date_format: str = "rfc3339"
    duration_unit: str = "s"
    max_duration_s: int = 2_147_483_647
    max_future_s: int | None = None

    @classmethod
    def of(cls, settings: Settings) -> "Rules":
        """Return the rules that the settings name."""
        fields = ",".join(f"{name}:{place}" for name, place in settings.visit_fields if name != place)
        return cls(
            settings.naive_timezone,
            fields,
            settings.visit_date_format,
            settings.duration_unit,
            settings.max_duration_s,
            settings.max_future,
        )

    @classmethod
    def stored(cls, pipeline: Mapping[str, Any]) -> "Rules":
        """Return the rules that a row of table `pipeline` has."""
        zone, future = pipeline["naive_timezone"], pipeline["max_future"]
        return cls(
            ZoneInfo(zone) if zone else None,
            pipeline["visit_fields"],
            pipeline["visit_date_format"],
            pipeline["duration_unit"],
            pipeline["max_duration_s"],
            None if future == "off" else int(future.removesuffix("s")),
        )

    @property
    def usual(self) -> bool:
        """Whether messages have the usual shape."""
        return self._replace(zone=None, max_future_s=None) == Rules()

    def places(self) -> dict[str, str]:
        """Return where each field is: names separated by dots, or a constant behind an equals sign."""
        given = dict(part.split(":", 1) for part in self.visit_fields.split(",") if part)
        return {field: given.get(usual, usual) for usual, field in USUAL_PLACES.items()}

    def tree(self) -> Tree:
        """Return the names of a message as a tree, with the fields as its leaves."""
        tree: Tree = {}
        for field, place in self.places().items():
            if place.startswith("="):
                continue
            *parents, name = [part.replace("\\.", ".").encode() for part in re.split(r"(?<!\\)\.", place)]
            branch = tree
            for parent in parents:
                branch = branch.setdefault(parent, {})
            branch[name] = field
        return tree

    def constants(self) -> dict[str, Any]:
        """Return the fields that have one value for all messages."""
        found = {field: place[1:] for field, place in self.places().items() if place.startswith("=")}
        return {field: int(text) if field == "duration" else text for field, text in found.items()}
