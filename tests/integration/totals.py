"""The MariaDB sink's part for partition 0, what it is given, and what it leaves in the database."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from clients import mariadb
from clients.mariadb import Login
from operators.batches import OutputBatch, SumBatch
from operators.cells import amount_of
from partition.position import lock_name
from settings import Settings
from sinks.mariadb import MariaDBSink
from tests.integration.parts import DEADLINE_S, NAME, SinkPart, owner_of
from tests.support import query, wait_until

AT_S = 1_795_464_000  # 2026-11-23T20:00:00Z


def sums(begin: int, end: int, *entries: str, seconds: int = 10) -> SumBatch:
    """Return a batch in which each entry was visited once; the rest of its messages was rejected."""
    windows = {(5, AT_S, "country"): {entry: amount_of(seconds, 1) for entry in entries}} if entries else {}
    return SumBatch(0, begin, end, len(entries), end - begin - len(entries), AT_S + 1.5 if entries else None, windows)


class TotalsSink(SinkPart):
    """The MariaDB sink's part; Kafka accepts all outputs at once."""

    def hand_over(self, *batches: SumBatch, outputs: bool = True) -> None:
        """Write batches to the sink; `outputs`: their other halves come too."""
        self.part.write_batch(list(batches))
        if outputs:
            for batch in batches:
                self.committer.add_outputs(OutputBatch(0, batch.begin, batch.end, {}, []))

    def write(self, batch: SumBatch) -> None:
        """Write a batch, and wait until its sums are committed."""
        self.hand_over(batch)
        self.wait_until_committed(batch.end)


@contextmanager
def sink_of(settings: Settings) -> Iterator[TotalsSink]:
    """Build the sink's part, and own its partition, for as long as this lasts."""
    owner = owner_of(settings)
    part = MariaDBSink(owner).build_part("mariadb_out", NAME, None)
    try:
        yield TotalsSink(part, owner.begin(0).result(DEADLINE_S))
    finally:
        part.close()
        owner.release(0)


@contextmanager
def rows_locked(settings: Settings) -> Iterator[Any]:
    """Hold the locks of all totals of entry `locked`, which must be there."""
    connection = mariadb.connect(Login.admin(settings)._replace(database=settings.mariadb_database))
    cursor = connection.cursor()
    cursor.execute("SET SESSION idle_transaction_timeout = 0, idle_readonly_transaction_timeout = 0")
    cursor.execute("SELECT * FROM window_totals WHERE entry = 'locked' FOR UPDATE")
    assert cursor.fetchall()
    try:
        yield connection
    finally:
        connection.rollback()
        connection.close()


def change_sessions(monkeypatch: pytest.MonkeyPatch, ours: str, shorter: str) -> None:
    """Open connections with a shorter time-out."""
    statements = "\n".join(mariadb._SESSION)
    assert ours in statements
    monkeypatch.setattr(mariadb, "_SESSION", statements.replace(ours, shorter).split("\n"))


def position(settings: Settings) -> tuple[int, ...]:
    """Return next_offset, messages, visits and rejected."""
    return query(settings, "SELECT next_offset, messages, visits, rejected FROM progress")[0]


def totals(settings: Settings) -> dict[str, tuple[int, int]]:
    """Return seconds and visits by entry."""
    rows = query(settings, "SELECT entry, duration_s, visits FROM window_totals")
    return {entry: (int(duration_s), int(visits)) for entry, duration_s, visits in rows}


def lock_of(settings: Settings) -> str:
    """Return the name of the lock of partition 0."""
    ((secret,),) = query(settings, "SELECT lock_secret FROM pipeline_secret")
    return lock_name(settings.mariadb_database, settings.visits_topic, 0, secret)


def connections(settings: Settings, *, doing: str | None = None) -> list[int]:
    """Return the ids of the dataflow's connections; those whose current statement begins so."""
    listed = "SELECT ID, INFO FROM information_schema.PROCESSLIST WHERE USER = ?"
    rows = query(settings, listed, (settings.mariadb_user,))
    return [row[0] for row in rows if doing is None or str(row[1]).startswith(doing)]


def waits_for_rows(settings: Settings) -> int:
    """Wait until the sink is between its UPDATE of progress and its COMMIT; return its connection's id."""
    insert = "INSERT INTO window_totals"
    (connection,) = wait_until(lambda: connections(settings, doing=insert), deadline_s=30, what="the INSERT waits")
    return connection
