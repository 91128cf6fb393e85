"""The ledger: what was sent becomes the truth, and what failed is subtracted from it."""

from collections.abc import Sequence

from clients.kafka import Topic
from oracle.truth import CartDigest, Carts, Total, Unresolved
from settings import Settings
from simulate.arguments import options_of
from simulate.chunk import Chunk
from simulate.dates import encode_date
from simulate.ledger import Ledger
from simulate.run import generator_of
from simulate.sender import Failure, partitioned
from simulate.templates import Template, Templates

NOON_MS = 1_767_268_800_000
NOON_S = NOON_MS // 1000
TOPIC = Topic("visits", "id", 2)
SETTINGS = Settings(window_lengths_s=(5, 60))
TEMPLATES = Templates([Template("USA", "SHOPPING_CART", 17), Template("DEU", "ORDER", 3)])


def _chunk(*visits: tuple[int, int], first: int = 0) -> Chunk:
    suffixes = TEMPLATES.message_suffixes()
    values: list[bytes | None] = [
        TEMPLATES.shape.prefix + encode_date(date_ms) + suffixes[index] for index, date_ms in visits
    ]
    return Chunk(first, TEMPLATES, values, None, [index for index, _ in visits], [date_ms for _, date_ms in visits])


def _record(ledger: Ledger, chunk: Chunk, *, queued: Sequence[Sequence[int]] | None = None) -> None:
    queued = partitioned(chunk, TOPIC.partitions) if queued is None else queued
    ledger.record(chunk, queued, chunk.subset(queued))


def _carts(*lines: bytes) -> Carts:
    digest = CartDigest()
    digest.add(lines)
    return digest.carts()


def test_totals_carts_and_rejects_of_what_was_sent() -> None:
    """Every visit is in its window of each length, by action and by country; carts are in order."""
    ledger = Ledger(SETTINGS, TOPIC)
    chunk = _chunk((0, NOON_MS), (1, NOON_MS + 4_999), (0, NOON_MS + 5_000), (0, NOON_MS + 1), (1, NOON_MS))
    chunk.values[4] = None
    chunk.reject(4, "malformed")
    _record(ledger, chunk)
    truth = ledger.truth([])
    assert (truth.messages, truth.visits, truth.rejected) == ({0: 3, 1: 2}, 4, {"malformed": 1})
    assert truth.totals == [
        Total(5, NOON_S, "action", "ORDER", 3, 1),
        Total(5, NOON_S, "action", "SHOPPING_CART", 34, 2),
        Total(5, NOON_S, "country", "DEU", 3, 1),
        Total(5, NOON_S, "country", "USA", 34, 2),
        Total(5, NOON_S + 5, "action", "SHOPPING_CART", 17, 1),
        Total(5, NOON_S + 5, "country", "USA", 17, 1),
        Total(60, NOON_S, "action", "ORDER", 3, 1),
        Total(60, NOON_S, "action", "SHOPPING_CART", 51, 3),
        Total(60, NOON_S, "country", "DEU", 3, 1),
        Total(60, NOON_S, "country", "USA", 51, 3),
    ]
    assert truth.carts == {
        0: _carts(b"2026-01-01T12:00:00.000Z,USA,SHOPPING_CART,17", b"2026-01-01T12:00:05.000Z,USA,SHOPPING_CART,17"),
        1: _carts(b"2026-01-01T12:00:00.001Z,USA,SHOPPING_CART,17"),
    }


def test_what_was_not_queued_is_not_in_the_truth() -> None:
    """Ctrl-C in the middle of a chunk: only what went out counts."""
    ledger = Ledger(SETTINGS, TOPIC)
    chunk = _chunk((0, NOON_MS), (1, NOON_MS), (0, NOON_MS), (1, NOON_MS))
    chunk.reject(3, "invalid")
    _record(ledger, chunk, queued=[[0], [1]])
    truth = ledger.truth([])
    assert (truth.messages, truth.visits, truth.rejected) == ({0: 1, 1: 1}, 2, {})
    assert [(total.entry, total.visits) for total in truth.totals[:2]] == [("ORDER", 1), ("SHOPPING_CART", 1)]


def test_what_failed_is_subtracted_and_the_rest_keeps_its_order() -> None:
    """As if it had never been sent; what may still be in the log is named."""
    moments = [NOON_MS + n for n in range(6)]
    ledger, other = Ledger(SETTINGS, TOPIC), Ledger(SETTINGS, TOPIC)
    chunk = _chunk(*((0, moment) for moment in moments), first=0)
    _record(ledger, chunk)
    _record(other, _chunk(*((0, moments[n]) for n in (0, 1, 4, 3))))
    unknown = Failure(1, chunk.values[5], "timed out", unknown=True)
    truth = ledger.truth([Failure(0, chunk.values[2], "too large", unknown=False), unknown])
    expected = other.truth([])
    assert (truth.totals, truth.carts, truth.messages) == (expected.totals, expected.carts, expected.messages)
    assert truth.unresolved == [Unresolved(1, (chunk.values[5] or b"").decode(), "timed out")]


def test_the_order_of_equal_lines_is_unknown_when_one_failed() -> None:
    """Their number is known."""
    ledger = Ledger(SETTINGS, TOPIC)
    chunk = _chunk((0, NOON_MS), (1, NOON_MS), (0, NOON_MS))
    _record(ledger, chunk)
    carts = ledger.truth([Failure(0, chunk.values[0], "timed out", unknown=True)]).carts[0]
    assert (carts.count, carts.in_order) == (1, None)


def test_a_rejected_message_that_failed_is_subtracted() -> None:
    """Its reason is derived from its bytes."""
    ledger = Ledger(SETTINGS, TOPIC)
    chunk = _chunk((0, NOON_MS))
    chunk.values[0] = b""
    chunk.reject(0, "malformed")
    _record(ledger, chunk)
    truth = ledger.truth([Failure(0, b"", "refused", unknown=False)])
    assert (truth.messages, truth.visits, truth.rejected, truth.totals) == ({0: 0, 1: 0}, 0, {}, [])


def test_digesting_early_or_late_makes_no_difference() -> None:
    """With any number of messages in flight, chunks, windows and folds."""
    arguments = ["--count", "30000", "--start", "2026-01-01T00:00:00Z", "--out-of-order", "9s", "--speed", "9"]
    arguments += ["--malformed-share", "0.1"]
    truths = []
    for in_flight in (0, 1000, 10**9):
        generator = generator_of(options_of(arguments), SETTINGS, scheduled=False)
        ledger = Ledger(SETTINGS, TOPIC)
        while not generator.done:
            _record(ledger, generator.take(1000))
            ledger.digest_acknowledged(in_flight)
        truths.append(ledger.truth([]))
    assert truths[0] == truths[1] == truths[2]
    assert sum(total.visits for total in truths[0].totals if total[0] == 60) == 2 * truths[0].visits


def test_keys_always_go_to_the_same_partition() -> None:
    """Without keys the partitions alternate, over chunks of any size."""
    assert partitioned(_chunk(*[(0, NOON_MS)] * 3, first=4), 2) == [range(0, 3, 2), range(1, 3, 2)]
    assert partitioned(_chunk(*[(0, NOON_MS)] * 3, first=5), 2) == [range(1, 3, 2), range(0, 3, 2)]
    chunk = _chunk(*[(0, NOON_MS)] * 4)
    chunk.keys = [b"USA", b"DEU", None, b"USA"]
    by_partition = partitioned(chunk, 7)
    assert sorted(position for positions in by_partition for position in positions) == [0, 1, 2, 3]
    assert len({partition for partition, positions in enumerate(by_partition) if {0, 3} & set(positions)}) == 1


def test_an_empty_ledger_is_an_empty_truth() -> None:
    """Nothing sent, nothing there."""
    truth = Ledger(SETTINGS, TOPIC).truth([])
    assert (truth.visits, truth.totals, truth.carts[0]) == (0, [], _carts())
