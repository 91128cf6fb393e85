"""A recorded file or standard input as bytes: decompressed, and without a byte order mark."""

import codecs
import gzip
import io
import os
import re
import select
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from backports import zstd

from process.errors import ExitCode, Fatal
from process.signals import Stop

STANDARD_INPUT = Path("-")
HEAD_BYTES = 65_536

_POLL_MS = 200
_GZIP = b"\x1f\x8b"
_ZSTD = re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18")  # a frame, or a skippable one, as pzstd begins
_NOT_READ = {b"PK\x03\x04": "zip", b"BZh": "bzip2", b"\xfd7zXZ": "xz"}
_UTF_16 = re.compile(rb"\xff\xfe|\xfe\xff|[\x20-\x7e]\x00|\x00[\x20-\x7e]|\x00\x00\xfe\xff")


class Recording:
    """The lines of a recording, with their line feeds; `head` is its beginning, to recognize its form by.

    :raises Fatal: it cannot be read, or is in a compression or an encoding that is not read.
    """

    def __init__(self, path: Path, stop: Stop | None) -> None:
        self.path = path
        with _translated(path):
            stream = _decompressed(path, _Input(path, stop))
            head = stream.read(HEAD_BYTES)
        _check_encoding(path, head)
        self.head = head.removeprefix(codecs.BOM_UTF8)
        self._stream = _buffered(_Prefixed(self.head, stream))

    def __iter__(self) -> Iterator[bytes]:
        with self._stream, _translated(self.path):
            yield from self._stream


class _Input(io.RawIOBase):
    """A file or standard input; a requested stop is its end, even where no more bytes come."""

    def __init__(self, path: Path, stop: Stop | None) -> None:
        self._fd = 0 if path == STANDARD_INPUT else os.open(path, os.O_RDONLY)
        self._stop = stop

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        while not poll.poll(_POLL_MS):
            if self._stop and self._stop.is_set():
                return 0
        return os.readv(self._fd, [buffer])

    def close(self) -> None:
        if not self.closed and self._fd:
            os.close(self._fd)
        super().close()


class _Prefixed(io.RawIOBase):
    """A stream with bytes that were read from it before it: a pipe cannot be rewound."""

    def __init__(self, head: bytes, stream: BinaryIO) -> None:
        self._head, self._stream = head, stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        part = self._head[: len(buffer)] or self._stream.read(len(buffer))
        self._head = self._head[len(part) :]
        buffer[: len(part)] = part
        return len(part)

    def close(self) -> None:
        self._stream.close()
        super().close()


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    """Turn what the operating system or a decompressor raises into one message."""
    try:
        yield
    except (EOFError, zlib.error, zstd.ZstdError, gzip.BadGzipFile) as error:
        message = f"--replay {path} is damaged or incomplete: {error}: compress or copy it again"
        raise Fatal(message, ExitCode.CONFIG) from error
    except OSError as error:
        raise Fatal(f"--replay {path} cannot be read: {error}", ExitCode.CONFIG) from error


def _decompressed(path: Path, source: _Input) -> BinaryIO:
    """Decompress by content, whatever the name is: standard input has none."""
    buffered = _buffered(source)
    begin = buffered.read(6)
    whole = _buffered(_Prefixed(begin, buffered))
    for magic, form in _NOT_READ.items():
        if begin.startswith(magic):
            message = f"--replay {path} is compressed as {form}, which is not read: decompress it, or use gzip or zstd"
            raise Fatal(message, ExitCode.CONFIG)
    if begin.startswith(_GZIP):
        return cast(BinaryIO, gzip.GzipFile(fileobj=whole))
    return cast(BinaryIO, zstd.ZstdFile(whole)) if _ZSTD.match(begin) else whole


def _buffered(stream: io.RawIOBase) -> BinaryIO:
    return cast(BinaryIO, io.BufferedReader(stream, HEAD_BYTES))


def _check_encoding(path: Path, head: bytes) -> None:
    if _UTF_16.match(head):
        message = f"--replay {path} is UTF-16 or UTF-32, not UTF-8: convert it, as with iconv -f UTF-16 -t UTF-8"
        raise Fatal(message, ExitCode.CONFIG)
