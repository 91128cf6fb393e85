"""A deck of visits: one card is one (country, last action, duration), ready in bytes but for its date."""

import json
from collections.abc import Sequence
from typing import NamedTuple

ABANDONED_CART = "SHOPPING_CART"


class Card(NamedTuple):
    """What a visit is but for its date; duration in seconds."""

    country: str
    last_action: str
    duration_s: int


class Deck:
    """Cards, and what a cart line says after its date: a visit's line is its stamp + `cart_tails[card]`.

    One blank beyond the last card stands for a message that is no visit.
    """

    def __init__(self, cards: Sequence[Card]) -> None:
        self.cards = cards
        self.blank = len(cards)
        self.cart_tails: list[bytes | None] = [*map(_cart_tail_of, cards), None]

    def tails(self) -> list[bytes]:
        """Return what each card's message says after its date: it is `head(stamp) + tail`."""
        return list(map(_tail_of, self.cards))

    def keys(self, field: str) -> list[bytes] | None:
        """Return each card's message key: its country, its last action, or no keys at all for `none`."""
        if field == "none":
            return None
        return [(card.country if field == "country" else card.last_action).encode() for card in self.cards]


def head(stamp: bytes) -> bytes:
    """Return the beginning of a visit's message, up to and with its date."""
    return b'{"visitDate": "' + stamp


def _tail_of(card: Card) -> bytes:
    country, action = (json.dumps(name, ensure_ascii=False) for name in (card.country, card.last_action))
    text = f'", "country": {country}, "lastAction": {action}, "duration": {card.duration_s}}}'
    return text.encode()


def _cart_tail_of(card: Card) -> bytes | None:
    if card.last_action != ABANDONED_CART:
        return None
    return f",{_quoted(card.country)},{_quoted(card.last_action)},{card.duration_s}".encode()


def _quoted(text: str) -> str:
    """Quote a field by RFC 4180 where it needs it."""
    if any(character in text for character in '",\r\n'):
        return '"' + text.replace('"', '""') + '"'
    return text
