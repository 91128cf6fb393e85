"""One message: the visit that it holds, or why it is rejected."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, NamedTuple

import msgspec
from confluent_kafka import Message
from msgspec import Meta

Name = Annotated[str, Meta(min_length=1, max_length=64)]
MAX_DURATION_S = 2_147_483_647
Seconds = Annotated[int, Meta(ge=0, le=MAX_DURATION_S)]


class Visit(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """One visit of a page of the shop, as JSON: visitDate, country, lastAction, duration.

    A field of your own follows these four. It is a `Name`, and may have a default for messages that lack it.
    """

    visit_date: Annotated[datetime, Meta(tz=True)]
    country: Name
    last_action: Name
    duration: Seconds


def wire_names() -> dict[str, str]:
    """Return the usual names of a visit's fields in a message, by their names in `Visit`."""
    return {field.name: field.encode_name for field in msgspec.structs.fields(Visit)}


class Reason(StrEnum):
    """Why a message is rejected, as the header `reason` of a rejected visit has it."""

    MALFORMED = "malformed"  # not JSON
    INVALID = "invalid"  # JSON, but not a visit
    NO_TIMEZONE = "no_timezone"  # a visit but for the offset of its date
    FUTURE = "future"  # a visit, dated more than MAX_FUTURE after Kafka's timestamp


class Rejection(NamedTuple):
    """Why a message is not a visit: the reason, the class of the error, and its text."""

    reason: Reason
    exception: str
    explanation: str


class Reject(NamedTuple):
    """A message that is not a visit, and why."""

    message: Message
    why: Rejection
