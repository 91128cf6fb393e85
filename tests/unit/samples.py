"""Messages as a consumer returns them, for tests without a server."""

from zoneinfo import ZoneInfo

from confluent_kafka import Message

from leaderboard.boards import ShownBoard
from operators.batches import RawBatch, VisitBatch
from operators.boards import BOARDS
from operators.decode import VisitDecoder
from operators.rules import VisitRules
from operators.visit import Rejection, Visit
from oracle.message import Classifier
from oracle.message import Visit as CountedVisit
from oracle.rules import Rules
from sources import testing

USUAL_BOARDS = BOARDS[:2]
SHOWN = tuple(ShownBoard(board.name, board.title, board.fields, None) for board in USUAL_BOARDS)


def message(offset: int, value: bytes | None, *, key: bytes | None = None, partition: int = 0) -> Message:
    """Return a consumed message."""
    return testing.message(testing.Record(value, key=key), partition=partition, offset=offset)


def visit_bytes(
    date: str = "2026-11-23T20:00:00.123Z", country: str = "USA", action: str = "FAQ", duration: str = "17"
) -> bytes:
    """Return a visit as the shop's pages send it; `duration` is JSON."""
    fields = f'"visitDate": "{date}", "country": "{country}", "lastAction": "{action}", "duration": {duration}'
    return f"{{{fields}}}".encode()


def raw_batch(*values: bytes | None, begin: int = 0, partition: int = 0) -> RawBatch:
    """Return a batch without gaps of these values."""
    _, batch = testing.raw_batch(*values, partition=partition, begin=begin)
    return batch


def decode_value(value: bytes | None, zone: ZoneInfo | None = None) -> Visit | Rejection:
    """Return what the pipeline makes of a message of the usual shape."""
    return VisitDecoder(VisitRules(naive_timezone=zone)).value(value)


def decode_batch(batch: RawBatch, zone: ZoneInfo | None = None) -> VisitBatch:
    """Return a batch of messages of the usual shape, decoded."""
    return VisitDecoder(VisitRules(naive_timezone=zone)).batch(batch)


def classify(message: bytes | None, zone: ZoneInfo | None) -> CountedVisit | str:
    """Return what the recount makes of a message of the usual shape."""
    return Classifier(Rules(zone))(message)
