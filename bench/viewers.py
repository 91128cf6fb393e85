"""Measure how soon many viewers of one leaderboard see a commit.

It starts `python -m leaderboard` on a database of its own, opens the viewers' streams, adds a visit's totals as the
dataflow does, and notes when each viewer has them.

Examples:
    python -m bench viewers
    python -m bench viewers --viewers 500 --commits 20
"""

import argparse
import asyncio
import json
import subprocess
import sys
import time
from contextlib import closing
from datetime import UTC, datetime

from bench import place
from bench.report import positive
from clients import mariadb
from clients.mariadb import Login
from ops.servers.processes import free_port
from process.deadline import Deadline
from settings import Settings

_START_S = 30.0
_SEEN_S = 20.0
_LENGTHS_S = (5, 60, 3600, 86_400)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add how many viewers and commits."""
    parser.add_argument("--viewers", type=positive, default=500)
    parser.add_argument("--commits", type=positive, default=10)


def main(arguments: argparse.Namespace) -> int:
    """Print one JSON line per commit, and the slowest of all; return 1 if a viewer took a second or longer."""
    with place.servers() as environ, place.topic(environ, 4) as named, place.pipeline(named) as provisioned:
        port = free_port()
        board_environ = provisioned | {"BOARD_PORT": str(port), "BOARD_HOST": "127.0.0.1"}
        board_environ["BOARD_MAX_CONNECTIONS_PER_ADDRESS"] = "2000"
        settings = Settings.from_environment(provisioned)
        with subprocess.Popen([sys.executable, "-m", "leaderboard"], env=board_environ) as board:
            try:
                slowest_s = asyncio.run(_measure(settings, port, arguments.viewers, arguments.commits))
            finally:
                board.terminate()
    print(json.dumps({"viewers": arguments.viewers, "commits": arguments.commits, "slowest_s": round(slowest_s, 3)}))
    return int(slowest_s >= 1)


async def _measure(settings: Settings, port: int, viewers: int, commits: int) -> float:
    await _listening(port)
    seen: asyncio.Queue[tuple[int, float]] = asyncio.Queue()
    watching = [asyncio.create_task(_watch(port, seen)) for _ in range(viewers)]
    try:
        total = await asyncio.to_thread(_count, settings)
        await _all_have(seen, viewers, total)
        slowest_s = 0.0
        for _ in range(commits):
            total = await asyncio.to_thread(_count, settings)
            committed = time.monotonic()
            ages_s = sorted(at - committed for at in await _all_have(seen, viewers, total))
            slowest_s = max(slowest_s, ages_s[-1])
            figures = {"median_s": ages_s[len(ages_s) // 2], "slowest_s": ages_s[-1]}
            print(json.dumps({name: round(seconds, 3) for name, seconds in figures.items()}), flush=True)
        return slowest_s
    finally:
        for task in watching:
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)


async def _listening(port: int) -> None:
    deadline = Deadline(_START_S)
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            if deadline.passed:
                raise
            await asyncio.sleep(0.1)
        else:
            writer.close()
            return


async def _watch(port: int, seen: asyncio.Queue[tuple[int, float]]) -> None:
    """Note every total of visits that a viewer sees, and when."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1_000_000)
    writer.write(b"GET /api/v1/stream?range=all HTTP/1.1\r\nHost: bench\r\n\r\n")
    last = None
    while line := await reader.readline():
        if line.startswith(b'data: {"range"'):
            visits = json.loads(line[6:])["action"]["visits"]
            if visits != last:
                last = visits
                seen.put_nowait((visits, time.monotonic()))


async def _all_have(seen: asyncio.Queue[tuple[int, float]], viewers: int, total: int) -> list[float]:
    """Return the moments at which the viewers first had this total."""
    moments: list[float] = []
    async with asyncio.timeout(_SEEN_S):
        while len(moments) < viewers:
            visits, at = await seen.get()
            if visits == total:
                moments.append(at)
    return moments


def _count(settings: Settings) -> int:
    """Count one visit of the present; return how many there are by action."""
    present = datetime.now(UTC)
    with closing(mariadb.connect(Login.dataflow(settings))) as connection:
        cursor = connection.cursor()
        for length_s in _LENGTHS_S:
            start_s = int(present.timestamp()) // length_s * length_s
            for board, entry in (("action", "FAQ"), ("country", "Peru")):
                cursor.execute(
                    "INSERT INTO window_totals VALUES (?, FROM_UNIXTIME(?), ?, ?, 1, 1) "
                    "ON DUPLICATE KEY UPDATE duration_s = duration_s + 1, visits = visits + 1",
                    (length_s, start_s, board, entry),
                )
        cursor.execute(
            "UPDATE progress SET next_offset = next_offset + 1, messages = messages + 1, visits = visits + 1, "
            "max_visit_date = ? WHERE kafka_partition = 0",
            (present.replace(tzinfo=None),),
        )
        cursor.execute("SELECT SUM(visits) FROM window_totals WHERE length_s = 86400 AND board = 'action'")
        total = int(cursor.fetchone()[0])
        connection.commit()
    return total
