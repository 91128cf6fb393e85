"""How an output names the visit that it comes from."""

from typing import Any

import pytest
from confluent_kafka import Message

from partition.tail import Origin, line_origin, reject_origin

PIPELINE = "0123456789abcdef" * 2
ORIGIN = Origin(PIPELINE, "mVxD-3_1SmOQ8", 3, 1234)


def record(key: bytes | None, headers: list[tuple[str, Any]]) -> Message:
    return Message(topic="carts", partition=3, offset=9, key=key, value=b"line", headers=headers)


def test_it_is_read_as_it_was_written() -> None:
    """As `pipeline/topic_id/partition/offset`, from a key's bytes or a header's."""
    assert str(ORIGIN) == f"{PIPELINE}/mVxD-3_1SmOQ8/3/1234"
    assert Origin.parse(str(ORIGIN)) == Origin.parse(str(ORIGIN).encode()) == ORIGIN


@pytest.mark.parametrize(
    "foreign",
    [
        None,
        b"",
        b"key 7",
        b"\xff\xfe",
        f"{PIPELINE}/topic/3".encode(),
        f"{PIPELINE}/topic/3/x".encode(),
        f"{PIPELINE}/topic/3/12\n".encode(),
        f"{PIPELINE}/topic/3/٣".encode(),
        f"{PIPELINE.upper()}/topic/3/12".encode(),
        f"x{PIPELINE}/topic/3/12".encode(),
    ],
)
def test_anything_else_is_foreign(foreign: bytes | None) -> None:
    """A foreign key is never taken for one of ours."""
    assert Origin.parse(foreign) is None
    assert line_origin(record(foreign, [])) is None


def test_a_cart_names_it_in_its_key() -> None:
    """Its headers do not matter."""
    assert line_origin(record(str(ORIGIN).encode(), [("visit", b"x")])) == ORIGIN


def test_a_reject_names_it_in_its_last_header() -> None:
    """Its key is the shop's; earlier headers of that name were there when it was sent in."""
    older = str(ORIGIN._replace(offset=1)).encode()
    assert reject_origin(record(older, [("visit", older), ("visit", str(ORIGIN).encode()), ("reason", b"x")])) == ORIGIN
    assert reject_origin(record(str(ORIGIN).encode(), [("reason", b"malformed")])) is None
    assert reject_origin(record(None, [("visit", str(ORIGIN).encode()), ("visit", None)])) is None
