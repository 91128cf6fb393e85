"""A proxy before a server, which a test can interrupt, open again, or stall."""

import socket
import threading
from contextlib import suppress


class Proxy:
    """Forwards connections to `host` and `port`, in threads of the test's own process."""

    def __init__(self, host: str, port: int) -> None:
        self._to = (host, port)
        self._sockets: list[socket.socket] = []
        self._stalled = False
        self.dropped = 0
        self.port = 0
        self.open()

    def open(self) -> None:
        """Listen, on the same port every time."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def interrupt(self) -> None:
        """Refuse new connections and end those that are open."""
        for one in (self._listener, *self._sockets):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self._sockets = []

    def stall(self) -> None:
        """Accept connections and keep those that are open, but drop what is sent; count in `dropped`."""
        self._stalled = True

    def resume(self) -> None:
        """Forward what is sent from now on."""
        self._stalled = False

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.create_connection(self._to)
                self._sockets += (near, far)
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=self._forward, args=pair, daemon=True).start()

    def _forward(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while chunk := source.recv(65_536):
                if self._stalled:
                    self.dropped += 1
                else:
                    target.sendall(chunk)
        for one in (source, target):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
