"""The headers that the dataflow adds to a rejected visit; named as in Kafka Connect's dead letter queues (KIP-298)."""

VISIT_HEADER = "visit"
REASON_HEADER = "reason"
TRUNCATED_HEADER = "truncated"
"""The length of the value before it was truncated; on every record that lacks a part of its message."""

UNREADABLE_HEADER = "headers_unreadable"
"""On the record of a message whose own headers the client cannot read, with the reason: the record lacks them."""
NOT_UTF8 = "a header's name is not UTF-8"

CONNECT_ERRORS = "__connect.errors."
EXPLANATION_HEADER = f"{CONNECT_ERRORS}exception.message"

_OWN = frozenset({VISIT_HEADER, REASON_HEADER, TRUNCATED_HEADER, UNREADABLE_HEADER})


def is_own(name: str) -> bool:
    """Return whether the dataflow adds headers of this name."""
    return name in _OWN or name.startswith(CONNECT_ERRORS)
