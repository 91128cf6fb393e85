"""The lines of an output, such as the abandoned carts: what its topic must contain."""

import json
import re
from functools import lru_cache
from time import gmtime, strftime
from typing import Any

from confluent_kafka import Message

from operators.outputs import Output
from oracle.log import Extent, Reader
from oracle.message import Visit
from oracle.outputs import OutputCheck, difference_of
from oracle.rules import USUAL_PLACES


class LineCheck(OutputCheck[Visit]):
    """The visits of one output: the key names the visit, the value is its line in csv or json."""

    def __init__(self, output: Output, reader: Reader, extent: Extent, **more: Any) -> None:
        """Begin to read; `more` is passed on."""
        self.name, self.last_actions = output.name, output.last_actions
        self._line = cart_line if output.line_format == "csv" else json_line
        super().__init__(reader, extent, **more)

    @staticmethod
    def origin_of(record: Message) -> bytes | None:
        key: bytes | None = record.key()
        return key

    def difference(self, record: Message, source: Visit) -> str | None:
        return difference_of(record.value(), self._line(source))


def cart_line(visit: Visit) -> bytes:
    """Return `visitDate,country,lastAction,duration`: UTC, milliseconds truncated, fields quoted as in RFC 4180."""
    return f"{_date(visit)},{_quoted(visit.country)},{_quoted(visit.last_action)},{visit.duration_s}".encode()


def json_line(visit: Visit) -> bytes:
    """Return the visit as a JSON object with its fields' usual names, in their order, and no blanks."""
    known: dict[str, Any] = {"visit_date": _date(visit), "duration": visit.duration_s}
    members = {name: known[field] if field in known else visit.value(field) for name, field in USUAL_PLACES.items()}
    return json.dumps(members, ensure_ascii=False, separators=(",", ":")).encode()


def _date(visit: Visit) -> str:
    return f"{_second_text(visit.second)}.{visit.microsecond // 1000:03}Z"


@lru_cache(maxsize=65_536)
def _second_text(second: int) -> str:
    return strftime("%Y-%m-%dT%H:%M:%S", gmtime(second))


@lru_cache(maxsize=65_536)
def _quoted(field: str) -> str:
    return '"' + field.replace('"', '""') + '"' if re.search('[,"\r\n]', field) else field
