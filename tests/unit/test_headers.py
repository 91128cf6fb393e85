"""Headers of messages that the client can read; for the others see tests/integration/test_any_bytes.py."""

from confluent_kafka import Message

from clients.headers import Headers, headers_of, readable_headers
from oracle import headers as oracle_headers


def message(headers: Headers | None) -> Message:
    return Message(topic="visits", partition=0, offset=0, key=None, value=b"", headers=headers)  # type: ignore[arg-type]


def test_headers_keep_their_order_and_repeated_names() -> None:
    """Null stays null, none is an empty list: for the pipeline and for the recount."""
    repeated: Headers = [("a", b"1"), ("", None), ("a", b"2")]
    for read in (headers_of, oracle_headers.headers_of):
        assert read(message(repeated)) == repeated
        assert read(message([])) == []
        assert read(message(None)) == []
    assert readable_headers([message(repeated), message([]), message([("b", b"")])]) == [repeated, [("b", b"")]]
