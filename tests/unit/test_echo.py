"""ECHO=1: what is printed, and how it reaches a stream that workers share."""

import io
import sys
import threading
from datetime import UTC, datetime
from typing import Any

import pytest

from operators.echo import EchoSink, visit_line
from operators.visit import Visit

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


class Pipe(io.RawIOBase):
    """Where standard output goes; keeps each write."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, data: Any, /) -> int:
        """Keep it."""
        self.writes.append(bytes(data))
        return len(data)


def stdout_to(pipe: Pipe, encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BufferedWriter(pipe), encoding=encoding))


def test_a_line_is_as_a_person_reads_it() -> None:
    """Names are quoted: their spaces and quotes are seen."""
    assert visit_line(Visit(NOON, "USA ", 'the "FAQ"', 17)) == "2026-11-23T12:00:00+00:00 'USA ' 'the \"FAQ\"' 17 s"


def test_a_batch_is_one_write(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers and processes share the stream: their lines must not mix."""
    pipe = Pipe()
    stdout_to(pipe, "utf-8", monkeypatch)
    EchoSink().build("print", 0, 1).write_batch(["one", "Türkiye", "three"])
    assert pipe.writes == ["one\nTürkiye\nthree\n".encode()]


def test_what_the_stream_cannot_say_is_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal of another encoding ends no run."""
    pipe = Pipe()
    stdout_to(pipe, "ascii", monkeypatch)
    EchoSink().build("print", 0, 1).write_batch(["Türkiye 東"])
    assert b"".join(pipe.writes) == rb"T\xfcrkiye \u6771" + b"\n"


def test_lines_of_several_workers_stay_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the batches are."""
    pipe = Pipe()
    stdout_to(pipe, "utf-8", monkeypatch)
    lines = {f"worker {worker} " + "x" * 300 for worker in range(4)}

    def echo(line: str) -> None:
        partition = EchoSink().build("print", 0, 4)
        for _ in range(20):
            partition.write_batch([line] * 100)

    workers = [threading.Thread(target=echo, args=(line,)) for line in lines]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    printed = b"".join(pipe.writes).decode().splitlines()
    assert len(printed) == 4 * 20 * 100
    assert set(printed) == lines
