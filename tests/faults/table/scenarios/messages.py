"""What is sent amid the load."""

import random

from tests.faults.table.arena import Arena
from tests.faults.table.scenario import scenario
from tests.raw_records import RawRecord, produce_raw
from tests.support import read_committed
from tests.traffic import Sent, traffic

_HEADERS: tuple[tuple[tuple[bytes, bytes | None], ...], ...] = (
    ((b"\xff", b"x"),),
    ((b"a\x00b", b"c\x00d"), (b"", None), (b"\x00", b"")),
    ((b"\xed\xa0\x80", None), (b"visit", b"theirs"), (b"reason", b"theirs")),
    tuple((b"h%d" % at, b"\xff\x00%d" % at) for at in range(1000)),
)
_ROUNDS = 10


@scenario("keys, bodies and headers of any bytes amid the load", quick=True)
def any_bytes(arena: Arena) -> str:
    for at in range(_ROUNDS):
        arena.wait_for_progress(1000)
        partition, key = at % arena.settings.visits_partitions, random.Random(at).randbytes(100)
        visits = traffic(4, partitions=1, seed=at, bad_share=0)
        bodies = [None, b"", b"\x00" * 1000, b"{" * 100_000 + b"\xff", b"\xff\xfe" * 50_000]
        sent = [Sent(partition, body, reason="malformed") for body in bodies]
        sent += [message._replace(partition=partition) for message in visits]
        records = [RawRecord(each.value, key, _HEADERS[step % 4]) for step, each in enumerate(sent)]
        with arena.sending:
            arena.expect(sent)
            produce_raw(arena.settings, arena.settings.visits_topic, partition, records)
    unreadable = [
        record
        for record in read_committed(arena.settings, arena.settings.rejected_topic)
        if any(name == "headers_unreadable" for name, _ in record.headers)
    ]
    assert unreadable
    return f"{_ROUNDS * 9} records sent; of {len(unreadable)} rejects the headers could not be read"
