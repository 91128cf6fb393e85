"""Visit templates: a country, a last action and a duration, encoded in advance but for the date."""

import json
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from simulate.shape import Shape


class Template(NamedTuple):
    """A visit without its date; duration in seconds."""

    country: str
    last_action: str
    duration_s: int


class Templates:
    """Templates by index, and what follows the date in the cart line of each: `cart_suffixes`, None without a cart.

    `rejected_index`, one beyond the last template, stands for a message that is not a valid visit.
    """

    def __init__(self, templates: Sequence[Template], shape: Shape | None = None) -> None:
        self._templates = templates
        self.shape = shape or Shape()
        self.rejected_index = len(templates)
        self.cart_prefix = b"" if self.shape.carts_format == "csv" else b'{"visitDate":"'
        self.cart_suffixes: list[bytes | None] = [*map(self._cart_suffix_of, templates), None]

    def __len__(self) -> int:
        return len(self._templates)

    def __iter__(self) -> Iterator[Template]:
        return iter(self._templates)

    def __getitem__(self, index: int) -> Template:
        return self._templates[index]

    def message_suffixes(self) -> list[bytes]:
        """Return what follows the date in each template's message: it is `shape.prefix + date + suffix`."""
        return [self.shape.suffix(*template) for template in self._templates]

    def keys(self, field: str) -> list[bytes] | None:
        """Return each template's message key: its country or its last action; no keys at all for `none`."""
        if field == "none":
            return None
        names = (each.country if field == "country" else each.last_action for each in self._templates)
        return [name.encode() for name in names]

    def _cart_suffix_of(self, template: Template) -> bytes | None:
        country, last_action, duration_s = template
        if last_action not in self.shape.cart_actions:
            return None
        if self.shape.carts_format == "csv":
            return f",{_quoted(country)},{_quoted(last_action)},{duration_s}".encode()
        members = {"country": country, "lastAction": last_action, "duration": duration_s}
        return b'",' + json.dumps(members | self.shape.added, ensure_ascii=False, separators=(",", ":"))[1:].encode()


def _quoted(text: str) -> str:
    """Quote a field by RFC 4180 where it needs it."""
    if any(character in text for character in '",\r\n'):
        return '"' + text.replace('"', '""') + '"'
    return text
