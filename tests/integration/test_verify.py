"""`python -m ops verify` against a log, a database and outputs that each test writes by hand."""

import argparse
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import NewPartitions

from clients import kafka, kafka_config, mariadb
from clients.mariadb import Login
from ops import verify
from oracle.truth import CartDigest, Total, Truth, Unresolved, write
from process.errors import ExitCode, Fatal
from settings import Settings
from tests.support import process_environment, produce, query, wait_until

pytestmark = pytest.mark.environment(VISITS_PARTITIONS="2", WINDOW_LENGTHS_S="5,60")


def _visit(date: str, country: str, action: str, duration: int) -> str:
    return f'{{"visitDate":"{date}","country":"{country}","lastAction":"{action}","duration":{duration}}}'


MESSAGES = [
    (0, _visit("2026-11-23T20:00:00.123Z", "USA", "ORDER", 17)),
    (0, _visit("2026-11-23T21:00:04.9999Z", "USA", "SHOPPING_CART", 5)),
    (0, "{"),
    (0, _visit("2026-11-23T20:00:01+01:00", 'Korea, \\"South\\"', "SHOPPING_CART", 7)),
    (1, _visit("2026-11-23 20:00:02", "USA", "FAQ", 1)),
    (1, _visit("2026-11-23T20:00:59Z", "Chad", "FAQ", 0)),
    (1, None),
]
CARTS = [
    (0, 1, "2026-11-23T21:00:04.999Z,USA,SHOPPING_CART,5"),
    (0, 3, '2026-11-23T19:00:01.000Z,"Korea, ""South""",SHOPPING_CART,7'),
]
REJECTS = [(0, 2, b"{", "malformed"), (1, 0, MESSAGES[4][1], "no_timezone"), (1, 2, None, "malformed")]
AMOUNTS = {
    ("2026-11-23 19:00:00", "action", "SHOPPING_CART"): (7, 1),
    ("2026-11-23 19:00:00", "country", 'Korea, "South"'): (7, 1),
    ("2026-11-23 20:00:00", "action", "ORDER"): (17, 1),
    ("2026-11-23 20:00:00", "country", "USA"): (17, 1),
    ("2026-11-23 21:00:00", "action", "SHOPPING_CART"): (5, 1),
    ("2026-11-23 21:00:00", "country", "USA"): (5, 1),
}
ROWS = [
    *((length_s, *key, *amount) for length_s in (5, 60) for key, amount in AMOUNTS.items()),
    (5, "2026-11-23 20:00:55", "action", "FAQ", 0, 1),
    (5, "2026-11-23 20:00:55", "country", "Chad", 0, 1),
    (60, "2026-11-23 20:00:00", "action", "FAQ", 0, 1),
    (60, "2026-11-23 20:00:00", "country", "Chad", 0, 1),
]
PROGRESS = [
    (4, 4, 3, 1, "2026-11-23 21:00:04.999900", 0),
    (3, 3, 1, 2, "2026-11-23 20:00:59", 1),
]
UPDATE = (
    "UPDATE progress SET next_offset = ?, messages = ?, visits = ?, rejected = ?, max_visit_date = ? "
    "WHERE kafka_partition = ?"
)


Statement = tuple[str, tuple[Any, ...]]


def _commit(settings: Settings, statements: list[Statement]) -> None:
    with closing(mariadb.connect(Login.dataflow(settings))) as connection:
        cursor = connection.cursor()
        for statement, values in statements:
            cursor.execute(statement, values)
        connection.commit()


class Origin:
    """How outputs name the visits of a test's topic."""

    def __init__(self, settings: Settings) -> None:
        ((pipeline_id, topic_id),) = query(settings, "SELECT pipeline_id, topic_id FROM pipeline")
        self._prefix = f"{pipeline_id}/{topic_id}"

    def of(self, partition: int, offset: int) -> str:
        """Return a visit's name."""
        return f"{self._prefix}/{partition}/{offset}"


def _send(settings: Settings, records: Iterable[dict[str, Any]]) -> None:
    producer = Producer(kafka_config.client_config(settings, enable_idempotence=True))
    for record in records:
        producer.produce(**record)
    assert producer.flush(30) == 0


def _cart(settings: Settings, partition: int, offset: int, line: str) -> dict[str, Any]:
    key = Origin(settings).of(partition, offset)
    return {"topic": settings.carts_topic, "partition": partition, "key": key, "value": line}


def _reject(settings: Settings, partition: int, offset: int, value: bytes | str | None, reason: str) -> dict[str, Any]:
    headers: list[tuple[str, bytes | None]] = [
        ("visit", Origin(settings).of(partition, offset).encode()),
        ("reason", reason.encode()),
        ("__connect.errors.topic", settings.visits_topic.encode()),
        ("__connect.errors.partition", str(partition).encode()),
        ("__connect.errors.offset", str(offset).encode()),
    ]
    where = {"topic": settings.rejected_topic, "partition": partition}
    return {**where, "key": b"k", "value": value, "headers": headers}


@pytest.fixture
def log(settings: Settings) -> Settings:
    """The log, and a database that equals it; no outputs yet."""
    produce(settings, MESSAGES, key=b"k")
    insert = "INSERT INTO window_totals VALUES (?, ?, ?, ?, ?, ?)"
    _commit(settings, [(insert, row) for row in ROWS] + [(UPDATE, position) for position in PROGRESS])
    return settings


@pytest.fixture
def right(log: Settings) -> Settings:
    """The log, a database that equals it, and all outputs."""
    _send(log, [_cart(log, *cart) for cart in CARTS])
    _send(log, [_reject(log, *reject) for reject in REJECTS])
    return log


Outcome = Callable[..., tuple[int, list[str]]]


@pytest.fixture
def outcome(
    settings: Settings,
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Outcome:
    """Verify, and return the exit code and the lines but the one on time; topics are visits, carts and rejected."""
    for name in os.environ:
        if name.startswith("KAFKA_CONFIG_"):
            monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    shown = settings.visits_topic.removesuffix(".visits") + "."

    def verified(*truth: Path) -> tuple[int, list[str]]:
        code = verify.main(argparse.Namespace(truth=truth))
        lines = capsys.readouterr().out.splitlines()
        return code, [line.split("; as of ")[0].replace(shown, "") for line in lines[:-1]]

    return verified


FIGURES = "2 partitions, 7 messages, 4 visits, 3 rejected; 16 rows, 2 carts and 3 rejects compared, "


def test_a_database_that_equals_the_log_passes(right: Settings, outcome: Outcome) -> None:
    """PASS with the figures."""
    assert outcome() == (0, [f"PASS: {FIGURES}0 foreign records ignored"])


def test_an_empty_log_passes(settings: Settings, outcome: Outcome) -> None:
    """Nothing counted, nothing sent out."""
    code, lines = outcome()
    assert (code, len(lines)) == (0, 1)
    assert lines[0].startswith("PASS: 2 partitions, 0 messages")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            "UPDATE window_totals SET visits = 2, duration_s = 18 WHERE length_s = 5 AND entry = 'ORDER'",
            [
                "5 s 2026-11-23 20:00:00: by action 18 s in 2 visits, by country 17 s in 1 visits",
                "5 s: 5 visits, but progress has 4",
                "5 s 2026-11-23 20:00:00 action 'ORDER': database 18 s in 2 visits, recount 17 s in 1 visits",
            ],
        ),
        (
            "DELETE FROM window_totals WHERE length_s = 60 AND entry = 'Chad'",
            [
                "60 s 2026-11-23 20:00:00: by action 17 s in 2 visits, by country 17 s in 1 visits",
                "60 s 2026-11-23 20:00:00 country 'Chad': database 0 s in 0 visits, recount 0 s in 1 visits",
            ],
        ),
        (
            "UPDATE window_totals SET entry = 'USA ' WHERE length_s = 60 AND entry = 'USA' "
            "AND window_start = '2026-11-23 21:00'",
            [
                "60 s 2026-11-23 21:00:00 country 'USA': database 0 s in 0 visits, recount 5 s in 1 visits",
                "60 s 2026-11-23 21:00:00 country 'USA ': database 5 s in 1 visits, recount 0 s in 0 visits",
            ],
        ),
        (
            "UPDATE window_totals SET window_start = window_start + INTERVAL 5 SECOND WHERE length_s = 5 "
            "AND entry IN ('ORDER')",
            [
                "5 s 2026-11-23 20:00:00: by action 0 s in 0 visits, by country 17 s in 1 visits",
                "5 s 2026-11-23 20:00:05: by action 17 s in 1 visits, by country 0 s in 0 visits",
                "5 s 2026-11-23 20:00:00 action 'ORDER': database 0 s in 0 visits, recount 17 s in 1 visits",
                "5 s 2026-11-23 20:00:05 action 'ORDER': database 17 s in 1 visits, recount 0 s in 0 visits",
            ],
        ),
        (
            "INSERT INTO window_totals VALUES (3600, '2026-11-23 20:00', 'action', 'ORDER', 0, 0)",
            ["3600 s: 0 visits, but progress has 4", "3600 s: not a window length of this database"],
        ),
    ],
)
def test_each_row_that_differs_is_named(right: Settings, outcome: Outcome, change: str, expected: list[str]) -> None:
    """Key, the database's value, the recount's; exit code 1."""
    query(right, change)
    code, lines = outcome()
    assert (code, lines[:-1]) == (ExitCode.DIFFERENCES, [f"window_totals {line}" for line in expected])
    assert lines[-1].startswith(f"FAIL: {len(expected)} differences; ")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            "UPDATE progress SET rejected = 2 WHERE kafka_partition = 0",
            [
                "partition 0, messages: database 4, but it has 3 visits + 2 rejected",
                "partition 0, rejected: database 2, recount 1",
            ],
        ),
        (
            "UPDATE progress SET max_visit_date = '2026-11-23 21:00:05' WHERE kafka_partition = 0",
            ["partition 0, max_visit_date: database 2026-11-23 21:00:05, recount 2026-11-23 21:00:04.999900"],
        ),
        (
            "UPDATE progress SET next_offset = 9 WHERE kafka_partition = 1",
            ["partition 1, next_offset: database 9, but the log ends at 3"],
        ),
    ],
)
def test_each_position_that_differs_is_named(
    right: Settings, outcome: Outcome, change: str, expected: list[str]
) -> None:
    """Messages, visits, rejected, the latest date, and a position beyond the log."""
    query(right, change)
    code, lines = outcome()
    assert (code, lines[:-1]) == (ExitCode.DIFFERENCES, [f"progress, {line}" for line in expected])


def test_a_position_that_is_missing_is_named(right: Settings, outcome: Outcome) -> None:
    """The visits of its partition are in the totals then, and it is not known up to which offset."""
    query(right, "DELETE FROM progress WHERE kafka_partition = 1")
    code, lines = outcome()
    assert code == ExitCode.DIFFERENCES
    assert lines[0] == "progress, partition 1: no row, but 2 partitions are provisioned"


def test_outputs_that_are_missing_are_named(log: Settings, outcome: Outcome) -> None:
    """A cart and a reject each."""
    _send(log, [_cart(log, *CARTS[1])])
    _send(log, [_reject(log, *reject) for reject in REJECTS[:2]])
    code, lines = outcome()
    assert code == ExitCode.DIFFERENCES
    assert lines[:-1] == [
        "carts, partition 0: visit at offset 1: missing, or out of order",
        "rejected, partition 1: visit at offset 2: missing, or out of order",
    ]


def test_outputs_that_are_wrong_are_named(log: Settings, outcome: Outcome) -> None:
    """Their cart line, value, key and reason."""
    _send(log, [_cart(log, *CARTS[0]), _cart(log, 0, 3, "2026-11-23T19:00:01.000Z,Korea,SHOPPING_CART,7")])
    _send(log, [_reject(log, 0, 2, b"{}", "malformed"), _reject(log, 1, 0, REJECTS[1][2], "invalid")])
    _send(log, [{**_reject(log, 1, 2, None, "malformed"), "key": None}])
    code, lines = outcome()
    assert code == ExitCode.DIFFERENCES
    assert lines[:-1] == [
        "rejected, partition 0: visit at offset 2: the output has '{}', the recount '{'",
        "carts, partition 0: visit at offset 3: the output has '2026-11-23T19:00:01.000Z,Korea,SHOPPING_CART,7', "
        'the recount \'2026-11-23T19:00:01.000Z,"Korea, ""South""",SHOPPING_CART,7\'',
        "rejected, partition 1: visit at offset 0: the output has 'invalid', the recount 'no_timezone'",
        "rejected, partition 1: visit at offset 2: the output has null, the recount 'k'",
    ]


Headers = list[tuple[str, bytes | None]]
THEIRS: Headers = [("trace", b"\x00\xff"), ("trace", None), ("", b"")]


@pytest.fixture
def rejects_with_headers(right: Settings) -> list[dict[str, Any]]:
    """The messages 4 to 6 of partition 0 are rejected, and have headers and keys of their own; what must be sent."""
    values = [b"[", None, b"z" * 1000]
    headers = [*THEIRS, ("reason", b"theirs"), ("__connect.errors.topic", b"theirs")]
    where = {"topic": right.visits_topic, "partition": 0}
    _send(right, [{**where, "key": b"key", "value": value, "headers": headers} for value in values])
    query(right, "UPDATE progress SET next_offset = 7, messages = 7, rejected = 4 WHERE kafka_partition = 0")
    rejects = [_reject(right, 0, 4 + at, value, "malformed") for at, value in enumerate(values)]
    return [{**reject, "key": b"key", "headers": [*THEIRS, *reject["headers"]]} for reject in rejects]


def test_rejects_keep_their_headers(right: Settings, outcome: Outcome, rejects_with_headers: list[Any]) -> None:
    """But those that have our names."""
    _send(right, rejects_with_headers)
    assert outcome()[0] == 0


def test_rejects_that_were_truncated_pass(right: Settings, outcome: Outcome, rejects_with_headers: list[Any]) -> None:
    """What the topic refused whole: the value, or key and headers too; the header `truncated` marks it."""
    whole, null, long = rejects_with_headers
    bare_null = {**null, "key": None, "headers": [*null["headers"][3:], ("truncated", b"0")]}
    bare_long = {**long, "value": b"z", "key": None, "headers": [*long["headers"][3:], ("truncated", b"1000")]}
    _send(right, [whole, bare_null, bare_long])
    assert outcome()[0] == 0


def test_headers_of_rejects_that_are_wrong_are_named(
    right: Settings, outcome: Outcome, rejects_with_headers: list[Any]
) -> None:
    """Coordinates, headers that are not there, and keys that are gone without a header `truncated`."""
    lost, bare, truncated = rejects_with_headers
    lost["headers"] = [*THEIRS[:2], *lost["headers"][3:]]
    bare["headers"][-1] = ("__connect.errors.offset", b"4")
    truncated |= {"value": b"z", "key": None, "headers": [*truncated["headers"], ("truncated", b"1000")]}
    _send(right, rejects_with_headers)
    code, lines = outcome()
    assert code == ExitCode.DIFFERENCES
    kept = r"'trace': '\x00\xff', 'trace': null"
    assert lines[:-1] == [
        f"rejected, partition 0: visit at offset 4: the output has the headers [{kept}], the recount [{kept}, '': '']",
        "rejected, partition 0: visit at offset 5: __connect.errors.offset: the output has '4', the recount '5'",
        "rejected, partition 0: visit at offset 6: the output has null, the recount 'key'",
    ]


def test_unexpected_outputs_are_named(right: Settings, outcome: Outcome) -> None:
    """A cart twice, one of a message that is not a visit, one of another partition, one out of order."""
    _send(right, [_cart(right, *CARTS[1]), _cart(right, *CARTS[0]), _cart(right, 0, 2, "x")])
    _send(right, [{**_cart(right, 1, 1, "x"), "partition": 0}])
    code, lines = outcome()
    assert code == ExitCode.DIFFERENCES
    name = Origin(right).of(1, 1)
    assert lines[:-1] == [
        "carts, partition 0: visit at offset 3: present more than once, again at offset 2",
        "carts, partition 0: visit at offset 1: unexpected, or out of order, at offset 3",
        "carts, partition 0: visit at offset 2: unexpected, or out of order, at offset 4",
        f"carts, partition 0 offset 5: {name} is not a visit of this partition",
    ]


def test_foreign_records_are_ignored(right: Settings, outcome: Outcome) -> None:
    """Other keys, other pipelines, other topics of the same name: counted, not judged."""
    other = Origin(right).of(0, 0).replace("/", "/x", 1)
    keys = [None, b"", b"\xff", "0" * 32 + "/x/0/1", other]
    _send(right, [{"topic": right.carts_topic, "partition": 0, "key": key, "value": b"x"} for key in keys])
    _send(right, [{"topic": right.rejected_topic, "partition": 1, "value": b"x"}])
    assert outcome() == (0, [f"PASS: {FIGURES}6 foreign records ignored"])


def test_outputs_of_visits_that_are_not_counted_yet_pass(right: Settings, outcome: Outcome) -> None:
    """Kafka commits before the database; but what they name must be there and be right."""
    produce(right, [(0, _visit("2026-11-23T22:00:00Z", "USA", "SHOPPING_CART", 1)), (0, "[]"), (0, "null")])
    _send(right, [_cart(right, 0, 4, "2026-11-23T22:00:00.000Z,USA,SHOPPING_CART,1")])
    _send(right, [{**_reject(right, 0, 5, "[]", "invalid"), "key": None}])
    assert outcome()[0] == 0
    _send(right, [_cart(right, 0, 6, "x"), _cart(right, 0, 99, "x")])
    code, lines = outcome()
    assert code == ExitCode.DIFFERENCES
    assert [line.split(":")[1] for line in lines[:-1]] == [" visit at offset 6", " visit at offset 99"]


def _transactional(settings: Settings) -> Producer:
    producer = Producer(kafka_config.client_config(settings, transactional_id=settings.carts_topic))
    producer.init_transactions(30)
    return producer


def test_records_of_an_aborted_transaction_are_not_there(right: Settings, outcome: Outcome) -> None:
    """Input and outputs are read as read_committed consumers do; offsets have gaps then."""
    producer = _transactional(right)
    producer.begin_transaction()
    producer.produce(**_cart(right, 0, 1, "aborted"))
    producer.produce(right.visits_topic, MESSAGES[0][1], partition=1)
    producer.flush(30)
    producer.abort_transaction(30)
    query(right, "UPDATE progress SET next_offset = 5 WHERE kafka_partition = 1")
    assert outcome() == (0, [f"PASS: {FIGURES}0 foreign records ignored"])


def test_a_transaction_that_is_still_open_is_waited_for(log: Settings, outcome: Outcome) -> None:
    """The database may state what is committed but not visible yet."""
    _send(log, [_reject(log, *reject) for reject in REJECTS])
    producer = _transactional(log)
    producer.begin_transaction()
    for cart in CARTS:
        producer.produce(**_cart(log, *cart))
    producer.flush(30)
    commit = threading.Timer(0.5, producer.commit_transaction, [30])
    commit.start()
    assert outcome() == (0, [f"PASS: {FIGURES}0 foreign records ignored"])
    commit.join()


def _delete_before(settings: Settings, topic: str, partition: int, offset: int) -> None:
    admin = kafka.admin_client(settings)
    for future in admin.delete_records([TopicPartition(topic, partition, offset)]).values():
        future.result()


def test_a_log_without_its_head_is_partial(right: Settings, outcome: Outcome) -> None:
    """Exit code 3, and from which offset it was recounted."""
    _delete_before(right, right.visits_topic, 0, 2)
    code, lines = outcome()
    assert code == ExitCode.PARTIAL
    assert lines == [
        "visits, partition 0: the log begins at offset 2, but counting began at 0",
        "carts, partition 0: 0 records of the earliest visits are gone, 1 are of visits that the log no longer has",
        "PARTIAL: everything that can be compared matches; 2 partitions, 5 messages, 2 visits, 3 rejected; 16 rows, "
        "1 carts and 3 rejects compared, 0 foreign records ignored",
    ]


def test_a_row_below_the_recount_of_a_log_without_its_head_fails(right: Settings, outcome: Outcome) -> None:
    """The database may contain more than what is left, never less."""
    _delete_before(right, right.visits_topic, 0, 2)
    query(right, "UPDATE window_totals SET duration_s = 6 WHERE length_s = 5 AND entry = 'Korea, \"South\"'")
    code, lines = outcome()
    assert code == ExitCode.DIFFERENCES
    key = "5 s 2026-11-23 19:00:00 country 'Korea, \"South\"'"
    assert f"window_totals {key}: database 6 s in 1 visits, recount 7 s in 1 visits" in lines


def test_outputs_without_their_head_are_partial(right: Settings, outcome: Outcome) -> None:
    """What retention has deleted from an output topic is not a difference."""
    _delete_before(right, right.carts_topic, 0, 1)
    code, lines = outcome()
    assert (code, lines[0]) == (
        ExitCode.PARTIAL,
        "carts, partition 0: 1 records of the earliest visits are gone, 0 are of visits that the log no longer has",
    )


def test_an_input_that_has_grown_is_partial(right: Settings, outcome: Outcome) -> None:
    """The database is unchanged: exit code 3, what to do, and the same figures."""
    admin = kafka.admin_client(right)
    admin.create_partitions([NewPartitions(right.visits_topic, 4)])[right.visits_topic].result()

    def grown() -> bool:
        topic = kafka.describe(admin, right, [right.visits_topic])[right.visits_topic]
        return topic is not None and topic.partitions == 4

    wait_until(grown, deadline_s=20, what="the topic has grown")
    produce(right, [(2, MESSAGES[1][1]), (2, MESSAGES[1][1]), (3, "{")])
    _delete_before(right, right.visits_topic, 2, 1)
    assert outcome() == (
        ExitCode.PARTIAL,
        [
            "visits: 4 partitions, but 2 are provisioned: the others are not counted yet; run python -m ops provision",
            f"PARTIAL: everything that can be compared matches; {FIGURES}0 foreign records ignored",
        ],
    )
    query(right, "UPDATE window_totals SET visits = visits + 1 WHERE length_s = 5 AND entry = 'ORDER'")
    assert outcome()[0] == ExitCode.DIFFERENCES


def test_outputs_after_a_reset_are_whole(right: Settings, outcome: Outcome) -> None:
    """A topic that was emptied before the first visit lacks nothing, though it begins later."""
    _delete_before(right, right.carts_topic, 0, 2)
    _send(right, [_cart(right, *cart) for cart in CARTS])
    assert outcome() == (0, [f"PASS: {FIGURES}0 foreign records ignored"])


def test_it_is_right_while_the_pipeline_runs(right: Settings, outcome: Outcome) -> None:
    """Batches are committed, first to Kafka, then to the database, while the log is recounted."""
    stop = threading.Event()
    committed: list[int] = []
    codes: list[int] = []

    def run() -> None:
        while not stop.is_set():
            offset = 4 + len(committed)
            produce(right, [(0, _visit("2026-11-23T22:00:00Z", "USA", "SHOPPING_CART", 1))])
            _send(right, [_cart(right, 0, offset, "2026-11-23T22:00:00.000Z,USA,SHOPPING_CART,1")])
            _commit(right, _counted(offset))
            committed.append(offset)

    pipeline = threading.Thread(target=run)
    pipeline.start()
    try:
        while len(committed) < 5 and pipeline.is_alive():
            codes.append(outcome()[0])
    finally:
        stop.set()
        pipeline.join()
    assert (len(committed) >= 5, set(codes)) == (True, {0})


def _counted(offset: int) -> list[Statement]:
    totals = (
        "INSERT INTO window_totals SELECT length_s, '2026-11-23 22:00', board, entry, 1, 1 FROM (SELECT 5 AS length_s "
        "UNION SELECT 60) AS lengths JOIN (SELECT 'action' AS board, 'SHOPPING_CART' AS entry UNION SELECT 'country', "
        "'USA') AS entries WHERE TRUE ON DUPLICATE KEY UPDATE duration_s = duration_s + 1, visits = visits + 1"
    )
    return [(totals, ()), (UPDATE, (offset + 1, offset + 1, offset, 1, "2026-11-23 22:00", 0))]


def test_a_topic_made_anew_is_refused(right: Settings, outcome: Outcome) -> None:
    """The log that was counted is gone: one error message, exit code 65."""
    query(right, "UPDATE pipeline SET topic_id = 'another'")
    with pytest.raises(Fatal, match="it was deleted and created anew") as refused:
        outcome()
    assert refused.value.code == ExitCode.DATA


def _truth(settings: Settings, path: Path, **changes: Any) -> Path:
    ((topic_id,),) = query(settings, "SELECT topic_id FROM pipeline")
    digest = CartDigest()
    digest.add([line.encode() for _, _, line in CARTS])
    seconds = "SELECT length_s, TIMESTAMPDIFF(SECOND, '1970-01-01', window_start), board, entry, duration_s, visits"
    fields: dict[str, Any] = {
        "topic": settings.visits_topic,
        "topic_id": topic_id,
        "window_lengths_s": (5, 60),
        "naive_timezone": None,
        "messages": {0: 4, 1: 3},
        "visits": 4,
        "rejected": {"malformed": 2, "no_timezone": 1},
        "carts": {0: digest.carts(), 1: CartDigest().carts()},
        "totals": [Total(*row) for row in query(settings, f"{seconds} FROM window_totals")],
        "unresolved": [],
    }
    write(Truth(**fields | changes), path)
    return path


def test_what_simulators_recorded_as_sent_passes(right: Settings, outcome: Outcome, tmp_path: Path) -> None:
    """Totals, numbers, reasons, and the carts' lines in their order."""
    assert outcome(_truth(right, tmp_path / "truth"))[0] == 0


def test_truth_that_differs_is_named(right: Settings, outcome: Outcome, tmp_path: Path) -> None:
    """Each number and row, and carts of other lines or in another order."""
    swapped, other = CartDigest(), CartDigest()
    swapped.add([line.encode() for _, _, line in reversed(CARTS)])
    other.add([b"x", b"y"])
    changes = {"messages": {0: 4, 1: 2}, "rejected": {"malformed": 3}, "totals": [], "carts": {0: swapped.carts()}}
    code, lines = outcome(_truth(right, tmp_path / "truth", **changes))
    assert (code, lines[:4]) == (
        ExitCode.DIFFERENCES,
        [
            "truth, partition 1, messages: found 3, truth 2",
            "truth, rejected, malformed: found 2, truth 3",
            "truth, rejected, no_timezone: found 1, truth 0",
            "truth, partition 0, carts: the same lines, but in another order",
        ],
    )
    row = "5 s 2026-11-23 20:00:00 action 'ORDER': database 17 s in 1 visits, truth 0 s in 0 visits"
    assert f"truth, {row}" in lines
    lines = outcome(_truth(right, tmp_path / "truth", carts={0: other.carts()}))[1]
    assert lines[0] == "truth, partition 0, carts: the same number, but other lines"


def test_truth_with_unresolved_messages_is_partial(right: Settings, outcome: Outcome, tmp_path: Path) -> None:
    """A message whose delivery is not known may be there; nothing may be below the rest."""
    unresolved = [Unresolved(1, "{}", "timed out")]
    some = {"unresolved": unresolved, "messages": {0: 4, 1: 2}, "rejected": {"malformed": 1, "no_timezone": 1}}
    code, lines = outcome(_truth(right, tmp_path / "truth", **some))
    assert (code, lines[0]) == (ExitCode.PARTIAL, "truth: 1 messages may or may not be in the log")
    code, lines = outcome(_truth(right, tmp_path / "truth", **some | {"visits": 5}))
    assert (code, lines[0]) == (ExitCode.DIFFERENCES, "truth, visits: found 4, truth 5")


def test_truth_of_another_topic_is_refused(right: Settings, outcome: Outcome, tmp_path: Path) -> None:
    """One error message, exit code 78."""
    with pytest.raises(Fatal, match="they do not belong together") as refused:
        outcome(_truth(right, tmp_path / "truth", topic_id="another"))
    assert refused.value.code == ExitCode.CONFIG


@pytest.mark.parametrize(("change", "code"), [(None, 0), ("UPDATE progress SET visits = 0", 1)])
def test_the_command_ends_with_its_code(
    right: Settings, environment: dict[str, str], change: str | None, code: int
) -> None:
    """PASS or FAIL on standard output, nothing on standard error."""
    if change:
        query(right, change)
    command = [sys.executable, "-m", "ops", "verify"]
    ended = subprocess.run(
        command, env=process_environment(environment), capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stderr) == (code, "")
    assert ("FAIL: " if code else "PASS: ") in ended.stdout


def test_nothing_provisioned_is_one_clear_message(environment: dict[str, str]) -> None:
    """Exit code 78."""
    command = [sys.executable, "-m", "ops", "verify"]
    ended = subprocess.run(
        command, env=process_environment(environment), capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (ExitCode.CONFIG, "", 1)
    assert "run python -m ops provision" in ended.stderr
