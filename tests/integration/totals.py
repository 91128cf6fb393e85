"""The MariaDB sink's part for partition 0, what it is given, and what it leaves in the database."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from bytewax.outputs import StatefulSinkPartition

from clients import mariadb
from clients.mariadb import Login
from operators.windows import SumBatch, amount_of
from partition.ownership import Claim
from settings import Settings
from sinks.mariadb import MariaDBSink
from tests.integration.parts import DEADLINE_S, KEY, claimed
from tests.support import query, wait_until

Sink = StatefulSinkPartition[SumBatch, None]
AT_S = 1_795_464_000  # 2026-11-23T20:00:00Z


def sums(begin: int, end: int, *entries: str, seconds: int = 10) -> SumBatch:
    """Return a cut in which each entry was visited once; the rest of its messages was rejected."""
    boards = {(5, AT_S, "country"): {entry: amount_of(seconds, 1) for entry in entries}} if entries else {}
    return SumBatch(0, begin, end, len(entries), end - begin - len(entries), AT_S + 1.5 if entries else None, boards)


@contextmanager
def sink_of(settings: Settings) -> Iterator[tuple[Sink, Claim]]:
    """Build the sink's part, and claim its partition, for as long as this lasts."""
    with claimed(settings) as (claims, claim):
        sink = MariaDBSink(settings, claims).build_part("mariadb_out", KEY, None)
        try:
            yield sink, claim
        finally:
            sink.close()


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


def ask(sink: Sink, at: int) -> None:
    """Ask the sink to catch up."""
    sink.write_batch([sums(at, at)])


def write(sink: Sink, claim: Claim, batch: SumBatch) -> None:
    """Write a cut whose outputs are committed, and ask the sink until its sums are too."""
    claim.outputs = batch.end
    sink.write_batch([batch])
    committed(sink, claim, batch.end)


def committed(sink: Sink, claim: Claim, end: int) -> None:
    """Ask the sink until its sums are committed."""
    wait_until(lambda: ask(sink, end) or claim.totals == end, deadline_s=DEADLINE_S, what=f"sums up to {end} committed")


def position(settings: Settings) -> tuple[int, ...]:
    """Return next_offset, messages, visits and rejected."""
    return query(settings, "SELECT next_offset, messages, visits, rejected FROM progress")[0]


def totals(settings: Settings) -> dict[str, tuple[int, int]]:
    """Return seconds and visits by entry."""
    rows = query(settings, "SELECT entry, duration_s, visits FROM window_totals")
    return {entry: (int(duration_s), int(visits)) for entry, duration_s, visits in rows}


def connections(settings: Settings, *, doing: str | None = None) -> list[int]:
    """Return the ids of the dataflow's connections; those whose present statement begins so."""
    listed = "SELECT ID, INFO FROM information_schema.PROCESSLIST WHERE USER = ?"
    rows = query(settings, listed, (settings.mariadb_user,))
    return [row[0] for row in rows if doing is None or str(row[1]).startswith(doing)]


def waits_for_rows(settings: Settings, sink: Sink, at: int) -> int:
    """Ask the sink until it is between its UPDATE of progress and its COMMIT; return its connection's id."""
    insert = "INSERT INTO window_totals"
    (connection,) = wait_until(
        lambda: ask(sink, at) or connections(settings, doing=insert), deadline_s=30, what="the INSERT waits"
    )
    return connection
