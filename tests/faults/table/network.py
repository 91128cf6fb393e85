"""A network between the dataflow and one server, which can be slow, broken, or lose what it should deliver."""

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

END_TXN = 26
"""Kafka's api key of EndTxn: a transaction's commit or abort (https://kafka.apache.org/protocol#protocol_api_keys)."""

_CHUNK_BYTES = 65_536
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER with 0 s: close() sends RST

Loses = Callable[["Requests", bytes], bool]


class Requests:
    """Kafka requests in a stream of bytes: each is its size in 4 bytes, then its api key in 2."""

    def __init__(self) -> None:
        self._left = 0
        self._header = b""

    def keys_in(self, chunk: bytes) -> Iterator[int]:
        """Yield the api keys of the requests whose header ends in this chunk."""
        at = 0
        while at < len(chunk):
            if self._left:
                step = min(self._left, len(chunk) - at)
                self._left -= step
                at += step
                continue
            needed = 6 - len(self._header)
            self._header += chunk[at : at + needed]
            at += needed
            if len(self._header) == 6:
                size, key = struct.unpack(">ih", self._header)
                self._header, self._left = b"", size - 2
                yield key


def is_commit_of_mariadb(_: Requests, chunk: bytes) -> bool:
    """Return whether a chunk to MariaDB holds a COMMIT."""
    return b"COMMIT" in chunk


def is_end_of_transaction(requests: Requests, chunk: bytes) -> bool:
    """Return whether a chunk to Kafka holds an EndTxn request."""
    return END_TXN in list(requests.keys_in(chunk))


class Network:
    """Forwards connections to a port of 127.0.0.1; what it does to them is set from outside, at any time."""

    def __init__(self, to_port: int) -> None:
        self._to = ("127.0.0.1", to_port)
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self.delay_s = 0.0
        self.bytes_per_s = 0
        self.loses_reply_to: Loses | None = None
        self.stalled = False
        self.resets = self.lost_replies = self.swallowed = self.delayed = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Accept no more, and end what is open."""
        self._listener.close()
        self.reset()

    def reset(self) -> int:
        """Reset every open connection; return how many there were."""
        pairs, self._pairs = self._pairs, []
        for pair in pairs:
            self._reset(*pair)
        return len(pairs)

    def _reset(self, *ends: socket.socket) -> None:
        self.resets += 1
        for end in ends:
            with suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                try:
                    far = socket.create_connection(self._to)
                except OSError:
                    near.close()
                    continue
                self._pairs.append((near, far))
                _Connection(self, near, far).start()

    def hold_up(self, chunk: bytes) -> None:
        """Take the time that this network takes for a chunk."""
        delay_s = self.delay_s + (len(chunk) / self.bytes_per_s if self.bytes_per_s else 0)
        if delay_s:
            self.delayed += 1
            time.sleep(delay_s)  # a slow network is what is made here

    def forget(self, near: socket.socket, far: socket.socket) -> None:
        """Drop a connection that has ended by itself."""
        with suppress(ValueError):  # it was reset
            self._pairs.remove((near, far))

    def lose(self, near: socket.socket, far: socket.socket) -> None:
        """Drop a reply with its connection."""
        self.lost_replies += 1
        self._reset(near, far)


class _Connection:
    def __init__(self, network: Network, near: socket.socket, far: socket.socket) -> None:
        self._network = network
        self._near = near
        self._far = far
        self._requests = Requests()
        self._reply_is_lost = False
        self._ended = threading.Lock()  # held when one of the two threads has ended

    def start(self) -> None:
        for target in (self._forward, self._back):
            threading.Thread(target=target, daemon=True).start()

    def _forward(self) -> None:
        with suppress(OSError):
            while chunk := self._near.recv(_CHUNK_BYTES):
                loses = self._network.loses_reply_to
                found = (loses or is_end_of_transaction)(self._requests, chunk)  # requests are followed all the time
                if self._dropped(chunk):
                    continue
                self._reply_is_lost = self._reply_is_lost or bool(loses and found)
                self._far.sendall(chunk)
        self._end()

    def _back(self) -> None:
        with suppress(OSError):
            while chunk := self._far.recv(_CHUNK_BYTES):
                if self._reply_is_lost:
                    self._network.lose(self._near, self._far)
                    break
                if not self._dropped(chunk):
                    self._near.sendall(chunk)
        self._end()

    def _dropped(self, chunk: bytes) -> bool:
        if self._network.stalled:
            self._network.swallowed += 1
            return True
        self._network.hold_up(chunk)
        return False

    def _end(self) -> None:
        """End both directions; whichever thread is the last one closes the sockets."""
        for end in (self._near, self._far):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        if self._ended.acquire(blocking=False):
            return
        self._network.forget(self._near, self._far)
        self._near.close()
        self._far.close()
