"""A way to a server that a test can cut, open again, or let fall silent."""

import socket
import threading
from contextlib import suppress


class Way:
    """Carries connections on to `host` and `port`, in threads of the test's own process."""

    def __init__(self, host: str, port: int) -> None:
        self._to = (host, port)
        self._sockets: list[socket.socket] = []
        self._hushed = False
        self.swallowed = 0
        self.port = 0
        self.open()

    def open(self) -> None:
        """Listen, on the same port every time."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def cut(self) -> None:
        """Refuse new connections and end those that are open."""
        for one in (self._listener, *self._sockets):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self._sockets = []

    def hush(self) -> None:
        """Accept connections and keep those that are open, but carry nothing on any more; count in `swallowed`."""
        self._hushed = True

    def speak(self) -> None:
        """Carry on what comes from now on."""
        self._hushed = False

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
                if self._hushed:
                    self.swallowed += 1
                else:
                    target.sendall(chunk)
        for one in (source, target):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
