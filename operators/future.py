"""Visits dated too far ahead of Kafka's own timestamp: one of the year 2062 would empty every board of today."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Message

from operators.visit import Reason, Rejection, Visit

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def without_future(
    messages: Sequence[Message], visits: list[Visit], rejections: dict[int, Rejection], max_future_s: int
) -> tuple[list[Visit], dict[int, Rejection]]:
    """Return the visits of these messages, and rejections by index, with visits rejected that are too far ahead.

    A message without a timestamp (of a producer before Kafka 0.10) cannot be compared: its visit is accepted.
    """
    if not visits:
        return visits, rejections
    latest = max(visit.visit_date for visit in visits)
    if _microseconds(latest) <= min(_latest_us(messages, max_future_s)):
        return visits, rejections
    accepted: list[Visit] = []
    rejected: dict[int, Rejection] = {}
    rest = iter(visits)
    for index, latest_us in enumerate(_latest_us(messages, max_future_s)):
        why = rejections.get(index)
        visit = None if why else next(rest)
        if visit and _microseconds(visit.visit_date) > latest_us:
            why = _rejection(visit, max_future_s)
        if why:
            rejected[index] = why
        elif visit:
            accepted.append(visit)
    return accepted, rejected


def _latest_us(messages: Sequence[Message], max_future_s: int) -> list[float]:
    """Return for each message the latest date that its visit may have: microseconds since 1970 UTC."""
    return [
        float("inf") if kind == TIMESTAMP_NOT_AVAILABLE else (timestamp_ms + max_future_s * 1000) * 1000
        for kind, timestamp_ms in map(Message.timestamp, messages)
    ]


def _microseconds(date: datetime) -> int:
    return (date - _EPOCH) // _MICROSECOND


def _rejection(visit: Visit, max_future_s: int) -> Rejection:
    date = visit.visit_date.isoformat()
    explanation = f"visitDate {date} is more than {max_future_s} s after Kafka's timestamp of the message"
    return Rejection(Reason.FUTURE, "msgspec.ValidationError", explanation)
