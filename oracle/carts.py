"""The abandoned carts: what the carts topic must contain."""

import re
from functools import lru_cache
from time import gmtime, strftime

from confluent_kafka import Message

from oracle.message import Visit
from oracle.outputs import OutputCheck, difference_of


class CartCheck(OutputCheck[Visit]):
    """The abandoned carts: the key names the visit, the value is its cart line."""

    @staticmethod
    def origin_of(record: Message) -> bytes | None:
        key: bytes | None = record.key()
        return key

    @staticmethod
    def difference(record: Message, source: Visit) -> str | None:
        return difference_of(record.value(), cart_line(source))


def cart_line(visit: Visit) -> bytes:
    """Return `visitDate,country,lastAction,duration`: UTC, milliseconds truncated, fields quoted as in RFC 4180."""
    date = f"{_second_text(visit.second)}.{visit.microsecond // 1000:03}Z"
    return f"{date},{_quoted(visit.country)},{_quoted(visit.last_action)},{visit.duration_s}".encode()


@lru_cache(maxsize=65_536)
def _second_text(second: int) -> str:
    return strftime("%Y-%m-%dT%H:%M:%S", gmtime(second))


@lru_cache(maxsize=65_536)
def _quoted(field: str) -> str:
    return '"' + field.replace('"', '""') + '"' if re.search('[,"\r\n]', field) else field
