"""The headers that the dataflow adds to a rejected visit; named as in Kafka Connect's dead letter queues (KIP-298)."""

VISIT_HEADER = "visit"
REASON_HEADER = "reason"
TRUNCATED_HEADER = "truncated"
"""The length of the value before it was truncated; on every record that lacks a part of its message."""

CONNECT_ERRORS = "__connect.errors."
EXPLANATION_HEADER = f"{CONNECT_ERRORS}exception.message"

_OWN = frozenset({VISIT_HEADER, REASON_HEADER, TRUNCATED_HEADER})


def is_own(name: str) -> bool:
    """Return whether the dataflow adds headers of this name."""
    return name in _OWN or name.startswith(CONNECT_ERRORS)
