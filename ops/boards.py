"""Add a board to a database that has counted: it is filled from the log, as far back as that reaches.

Where the log's head is gone, table board_starts has from when on the board is complete. All of it is one
transaction, and no dataflow may run meanwhile. Afterwards BOARDS must name the new board too, wherever it is set.

Examples:
    python -m ops boards add country/action
"""

import argparse
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from confluent_kafka import IsolationLevel, Message
from confluent_kafka.admin import OffsetSpec

from clients import kafka
from clients.sql import queries
from operators.batches import Amount, RawBatch, Window
from operators.boards import BOARDS, Board
from operators.decode import VisitDecoder
from operators.rules import VisitRules
from operators.windows import add_to, folder
from ops.addition import provisioned_and_stopped
from oracle.log import Extent, Reader
from partition.pipeline import Pipeline, Position, read_positions
from process.errors import ExitCode, Fatal
from settings import Settings
from sinks.sums import documents_of, rows_for

_BATCH_MESSAGES = 10_000
_ROWS_IN_MEMORY = 200_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the one action and the board."""
    parser.add_argument("action", choices=("add",))
    parser.add_argument("board", help=f"one of {', '.join(board.name for board in BOARDS)}")


def main(arguments: argparse.Namespace) -> int:
    """Add the board; print what it holds."""
    began = time.monotonic()
    settings = Settings.from_environment()
    visits, complete_from, boards = add(settings, arguments.board)
    since = "" if complete_from is None else f", complete from {complete_from:%Y-%m-%dT%H:%M:%SZ} on"
    print(
        f"board {arguments.board}: {visits:,} visits counted in {time.monotonic() - began:.1f} s{since}; "
        f"set BOARDS={boards} from now on"
    )
    return 0


def add(settings: Settings, name: str) -> tuple[int, datetime | None, str]:
    """Fill a board from the log; return its visits, from when it is complete (None: from the first), and all boards.

    :raises Fatal: there is no such board or it is there already, a dataflow is running, or a server is unavailable.
    """
    board = next((each for each in BOARDS if each.name == name), None)
    if board is None:
        message = f"there is no board {name!r}, only {', '.join(each.name for each in BOARDS)}"
        raise Fatal(message, ExitCode.CONFIG)
    with provisioned_and_stopped(settings) as (connection, pipeline):
        present = pipeline.fixed.boards.split(",")
        if name in present:
            raise Fatal(f"board {name!r} is there already: {pipeline.fixed.boards}", ExitCode.CONFIG)
        lengths_s = tuple(map(int, pipeline.fixed.window_lengths_s.split(",")))
        cursor = connection.cursor()
        visits, whole = _fill(cursor, settings, pipeline, board, lengths_s)
        complete_from = None if whole else _complete_from(cursor, present[0], name, lengths_s[0])
        boards = ",".join([*present, name])
        cursor.execute(queries()["note_board_start"], (name, complete_from))
        cursor.execute(queries()["note_boards"], (boards,))
        connection.commit()
        return visits, complete_from, boards


def _fill(
    cursor: Any, settings: Settings, pipeline: Pipeline, board: Board, lengths_s: tuple[int, ...]
) -> tuple[int, bool]:
    """Add all visits that are counted and still in the log; return their number, and whether all still are."""
    positions = read_positions(cursor, pipeline.topic)
    numbers = [position.partition for position in positions]
    admin = kafka.admin_client(settings)
    first, ends = (
        kafka.offsets(admin, pipeline.topic, numbers, spec, IsolationLevel.READ_UNCOMMITTED)
        for spec in (OffsetSpec.earliest(), OffsetSpec.latest())
    )
    _refuse_lost_end(pipeline.topic, positions, ends)
    decode, fold = VisitDecoder(VisitRules.of(settings)).batch, folder(lengths_s, [board])
    visits, sums = 0, dict[Window, dict[str, Amount]]()
    with closing(Reader(settings, pipeline.topic)) as reader:
        for batch in _batches(reader, positions, first):
            folded = fold(decode(batch))
            visits += folded.visits
            for window, entries in folded.sums.items():
                add_to(sums, window, entries)
            if sum(map(len, sums.values())) > _ROWS_IN_MEMORY:
                _write(cursor, sums)
        _write(cursor, sums)
    return visits, all(first[position.partition] <= position.first_offset for position in positions)


def _refuse_lost_end(topic: str, positions: Iterable[Position], ends: dict[int, int]) -> None:
    for position in positions:
        if position.next_offset > ends[position.partition]:
            message = (
                f"topic {topic!r} partition {position.partition} ends at offset {ends[position.partition]}, but "
                f"{position.next_offset} is counted already: the log has lost its end; restore it, or start over by "
                "python -m ops reset --yes"
            )
            raise Fatal(message, ExitCode.DATA)


def _batches(reader: Reader, positions: Iterable[Position], first: dict[int, int]) -> Iterator[RawBatch]:
    for position in positions:
        begin = max(position.first_offset, first[position.partition])
        records = reader.records(position.partition, Extent(begin, position.next_offset))
        while messages := [message for _, message in islice(records, _BATCH_MESSAGES)]:
            yield RawBatch(position.partition, _offset(messages[0]), _offset(messages[-1]) + 1, messages)


def _offset(message: Message) -> int:
    return kafka.offset_of(message)


def _write(cursor: Any, sums: dict[Window, dict[str, Amount]]) -> None:
    cursor.execute(queries()["most_packet_bytes"])
    (most_bytes,) = cursor.fetchone()
    for document in documents_of(sums, rows_for(int(most_bytes))):
        cursor.execute(queries()["add_totals"], (document,))
    sums.clear()


def _complete_from(cursor: Any, complete: str, board: str, shortest_s: int) -> datetime | None:
    """Return the end of the last window in which the board has not all visits."""
    cursor.execute(queries()["last_incomplete_window"], (complete, board, shortest_s, complete))
    (start,) = cursor.fetchone()
    return None if start is None else start + timedelta(seconds=shortest_s)
