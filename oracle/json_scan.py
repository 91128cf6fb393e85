"""JSON read by regular expressions: whether a document is valid, and the members of an object.

Two grades, as the rules of a message distinguish them. *Readable*: its grammar is valid. *Strict*: also, its
strings are UTF-8 and its numbers fit (a float is finite, an integer has 4300 characters at most). The
standard `json` is of no use here: it accepts NaN, lone surrogates, UTF-16 and 1e999.
"""

import re
from typing import NamedTuple

MAX_INTEGER_CHARACTERS = 4300  # longer ones are refused, as Python's int() does since CVE-2020-10735

_HEX = rb"[0-9a-fA-F]"
_ESCAPE = (
    rb'\\(?:["\\/bfnrt]|u(?:'
    rb"(?![dD][89a-fA-F])" + _HEX + rb"{4}"
    rb"|[dD][89abAB]" + _HEX + rb"{2}\\u[dD][c-fC-F]" + _HEX + rb"{2}))"
)
_TOKEN = re.compile(
    rb"[ \t\n\r]*+(?:"
    rb'(?P<string>"(?:[^"\\\x00-\x1f]++|' + _ESCAPE + rb')*+")'
    rb"|(?P<number>-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?+(?:[eE][+-]?[0-9]++)?+)"
    rb"|(?P<literal>true|false|null)"
    rb"|(?P<mark>[\[\]{},:]))"
)
_ONE_ESCAPE = re.compile(rb"\\(?:u([0-9a-fA-F]{4})(?:\\u([dD][c-fC-F][0-9a-fA-F]{2}))?|(.))")
_BLANK = re.compile(rb"[ \t\n\r]*+\Z")
_OPENING, _CLOSING = ("{", "["), ("}", "]")
_LETTERS = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t"}

# What may come in each state, and the state after it. What "after" allows depends on the bracket around the value.
_VALUES = {"string": "after", "number": "after", "literal": "after", "[": "first value", "{": "first key"}
_GRAMMAR = {
    "value": _VALUES,
    "first value": _VALUES | {"]": "after"},
    "key": {"string": "colon"},
    "first key": {"string": "colon", "}": "after"},
    "colon": {":": "value"},
    "after {": {",": "key", "}": "after"},
    "after [": {",": "value", "]": "after"},
}


class Value(NamedTuple):
    """A member's value: what kind, for a string its bytes without escapes, and else its text."""

    kind: str  # string, number, literal, { for an object, [ for an array
    content: bytes


class Document(NamedTuple):
    """A document of valid grammar: its members in their order, or None where it is not an object."""

    members: list[tuple[bytes, Value]] | None
    strict: bool


def scan(text: bytes) -> Document | None:
    """Read a document; None where its grammar is invalid. Depth costs no recursion."""
    opened: list[str] = []
    members: list[tuple[bytes, Value]] = []
    state, key, at, strict, is_object, begin = "value", b"", 0, True, False, 0
    while state != "after":
        token = _TOKEN.match(text, at)
        if token is None:
            return None
        kind, at = str(token.lastgroup), token.end()
        content = token[kind]
        symbol = content.decode() if kind == "mark" else kind
        following = _GRAMMAR[state].get(symbol)
        if following is None:
            return None
        strict = strict and _fits(kind, content)
        if opened == ["{"] and following == "colon":
            key = unescaped(content)
        elif opened == ["{"] and state == "value":
            members.append((key, _value_of(symbol, content)))
            begin = token.start(kind)
        if symbol in _CLOSING:
            opened.pop()
            if opened == ["{"]:
                members[-1] = (key, members[-1][1]._replace(content=text[begin:at]))
        elif symbol in _OPENING:
            is_object = is_object or (not opened and symbol == "{")
            opened.append(symbol)
        state = f"after {opened[-1]}" if following == "after" and opened else following
    return Document(members if is_object else None, strict) if _BLANK.match(text, at) else None


def unescaped(quoted: bytes) -> bytes:
    """Return the bytes that a string of valid grammar stands for, without its quotes."""
    inner = quoted[1:-1]
    return _ONE_ESCAPE.sub(_decoded, inner) if b"\\" in inner else inner


def _decoded(escape: re.Match[bytes]) -> bytes:
    first, second, letter = escape.groups()
    if letter is not None:
        return _LETTERS.get(letter, letter)
    code = int(first, 16)
    if 0xD800 <= code <= 0xDBFF:
        code = 0x10000 + ((code - 0xD800) << 10 | int(second, 16) - 0xDC00)
    return chr(code).encode()


def _value_of(kind: str, content: bytes) -> Value:
    return Value(kind, unescaped(content) if kind == "string" else content)


def _fits(kind: str, content: bytes) -> bool:
    if kind == "string":
        return content.isascii() or _is_utf8(content)
    return kind != "number" or _in_range(content)


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def _in_range(number: bytes) -> bool:
    digits, _, exponent = number.lower().partition(b"e")
    if not exponent and b"." not in digits:
        return len(digits) <= MAX_INTEGER_CHARACTERS
    sign = b"-" if exponent.startswith(b"-") else b""
    # Five digits of the exponent count, the rest is dropped: the decoder that the rules name does the same.
    power = exponent.lstrip(b"+-").lstrip(b"0")[:5] or b"0"
    return abs(float(digits + b"e" + sign + power)) != float("inf")
