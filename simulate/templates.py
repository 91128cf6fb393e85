"""Visit templates: a country, a last action and a duration, encoded in advance but for the date."""

import json
from collections.abc import Iterator, Sequence
from typing import NamedTuple

ABANDONED_CART = "SHOPPING_CART"


class Template(NamedTuple):
    """A visit without its date; duration in seconds."""

    country: str
    last_action: str
    duration_s: int


class Templates:
    """Templates by index, and what follows the date in the cart line of each: `cart_suffixes`, None without a cart.

    `rejected_index`, one beyond the last template, stands for a message that is not a valid visit.
    """

    def __init__(self, templates: Sequence[Template]) -> None:
        self._templates = templates
        self.rejected_index = len(templates)
        self.cart_suffixes: list[bytes | None] = [*map(_cart_suffix_of, templates), None]

    def __len__(self) -> int:
        return len(self._templates)

    def __iter__(self) -> Iterator[Template]:
        return iter(self._templates)

    def __getitem__(self, index: int) -> Template:
        return self._templates[index]

    def message_suffixes(self) -> list[bytes]:
        """Return what follows the date in each template's message: it is `message_prefix(date) + suffix`."""
        return list(map(_message_suffix_of, self._templates))

    def keys(self, field: str) -> list[bytes] | None:
        """Return each template's message key: its country or its last action; no keys at all for `none`."""
        if field == "none":
            return None
        names = (each.country if field == "country" else each.last_action for each in self._templates)
        return [name.encode() for name in names]


def message_prefix(date: bytes) -> bytes:
    """Return a visit's message up to and including its encoded date."""
    return b'{"visitDate": "' + date


def _message_suffix_of(template: Template) -> bytes:
    country, action = (json.dumps(name, ensure_ascii=False) for name in (template.country, template.last_action))
    text = f'", "country": {country}, "lastAction": {action}, "duration": {template.duration_s}}}'
    return text.encode()


def _cart_suffix_of(template: Template) -> bytes | None:
    if template.last_action != ABANDONED_CART:
        return None
    return f",{_quoted(template.country)},{_quoted(template.last_action)},{template.duration_s}".encode()


def _quoted(text: str) -> str:
    """Quote a field by RFC 4180 where it needs it."""
    if any(character in text for character in '",\r\n'):
        return '"' + text.replace('"', '""') + '"'
    return text
