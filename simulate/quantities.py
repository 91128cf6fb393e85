"""Parsers of the numbers, times, shares and weights on the command line."""

import argparse
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import TypeVar

from simulate.dates import END_MS, milliseconds
from simulate.workload import MAX_COUNTRIES, Weights

_UNITS_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_MAX_NAME_CHARACTERS = 64
WORLD_NAME = "world"
_MOST = Decimal(10**9)
_LONGEST_MS = Decimal(10_000 * _UNITS_MS["d"])

_Value = TypeVar("_Value")


def _parser(allowed: str) -> Callable[[Callable[[str], _Value]], Callable[[str], _Value]]:
    """Turn what a function cannot parse into one error message that states what is allowed."""

    def decorate(parse: Callable[[str], _Value]) -> Callable[[str], _Value]:
        def parsed(text: str) -> _Value:
            try:
                return parse(text)
            except (ValueError, KeyError, ArithmeticError) as error:
                raise argparse.ArgumentTypeError(f"{text!r} is not allowed: {allowed}") from error

        return parsed

    return decorate


def _number(text: str, lowest: Decimal, highest: Decimal) -> Decimal:
    number = Decimal(text)
    if not lowest <= number <= highest:  # NaN raises InvalidOperation
        raise ValueError(text)
    return number


@_parser("messages a second, 0 (flat out) or 0.001 to 1000000000")
def rate(text: str) -> Fraction:
    """Parse --rate."""
    number = _number(text, Decimal(0), _MOST)
    if 0 < number < Decimal("0.001"):
        raise ValueError(text)
    return Fraction(number)


@_parser("visits a second, 0.001 to 1000000")
def history_rate(text: str) -> Fraction:
    """Parse --history-rate."""
    return Fraction(_number(text, Decimal("0.001"), Decimal(10**6)))


@_parser("a factor from 0.001 to 1000000")
def speed(text: str) -> Fraction:
    """Parse --speed."""
    return Fraction(_number(text, Decimal("0.001"), Decimal(10**6)))


@_parser("a whole number of messages, 1 or more")
def count(text: str) -> int:
    """Parse --count."""
    return _whole(text, 1, 10**15)


@_parser("a whole number, 0 or more")
def seed(text: str) -> int:
    """Parse --seed."""
    return _whole(text, 0, 2**64)


@_parser("a share of the messages from 0 to 1, such as 0.01")
def share(text: str) -> float:
    """Parse --malformed-share and the other shares."""
    return float(_number(text, Decimal(0), Decimal(1)))


@_parser("an exponent from 0 (all equal) to 5")
def zipf(text: str) -> Decimal:
    """Parse --zipf."""
    return _number(text, Decimal(0), Decimal(5))


@_parser("a time above 0 and up to 10000d, such as 500ms, 30s, 5m, 2h, 3d; without a unit it is seconds")
def time_ms(text: str) -> int:
    """Parse a length of time; return milliseconds."""
    digits = text.rstrip("dhms")
    unit_ms = _UNITS_MS[text[len(digits) :] or "s"]
    exact = _number(digits, Decimal(0), _LONGEST_MS / unit_ms) * unit_ms
    if not exact or exact != int(exact):
        raise ValueError(text)
    return int(exact)


@_parser("a date with an offset, from 1970 to 2099, such as 2026-01-01T00:00:00Z")
def start_ms(text: str) -> int:
    """Parse --start; return milliseconds since 1970 UTC."""
    date = datetime.fromisoformat(text)
    if date.tzinfo is None:
        raise ValueError(text)
    start = milliseconds(date.astimezone(UTC))
    if not 0 <= start < END_MS:
        raise ValueError(text)
    return start


@_parser(f"1 to {MAX_COUNTRIES}, or names with weights such as USA=5,DEU=2.5, or world")
def countries(text: str) -> int | Weights | str:
    """Parse --countries."""
    if text == WORLD_NAME:
        return text
    return _weights(text) if "=" in text else _whole(text, 1, MAX_COUNTRIES)


@_parser("names with weights above 0, such as CATALOG=50,FAQ=10,SHOPPING_CART=25,ORDER=15")
def actions(text: str) -> Weights:
    """Parse --actions."""
    return _weights(text)


def _weights(text: str) -> Weights:
    pairs = [part.rsplit("=", 1) for part in text.split(",")]
    weights = [(name, _number(weight, Decimal("1e-6"), _MOST)) for name, weight in pairs]
    names = {name for name, _ in weights}
    if len(names) < len(weights) or len(weights) > MAX_COUNTRIES or not all(map(_is_name, names)):
        raise ValueError(text)
    return weights


def _is_name(name: str) -> bool:
    return 0 < len(name) <= _MAX_NAME_CHARACTERS and name.isprintable()


def _whole(text: str, lowest: int, highest: int) -> int:
    number = int(text)
    if not lowest <= number <= highest:
        raise ValueError(text)
    return number
