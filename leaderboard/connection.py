"""A viewer's connection: one that sends no request, or does not read, is closed after a time-out."""

import asyncio
import logging
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from leaderboard.admission import Admission

REQUEST_TIMEOUT_S = 10.0
WRITE_TIMEOUT_S = 20.0

_BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 10\r\n"
    b'Connection: close\r\n\r\n{"error":"there are too many connections"}'
)

logger = logging.getLogger(__name__)


class Connection(H11Protocol):
    """Closes itself when a request is not complete within 10 s of its beginning, or of the connection's.

    Aborts itself, with one log line, when the viewer has read nothing for 20 s although the write buffer is full.
    Only an abort completes its request: a graceful close would still wait until the buffer is flushed.
    """

    _host: str | None = None
    _reading: asyncio.TimerHandle | None = None
    _writing: asyncio.TimerHandle | None = None

    def __init__(self, *, admission: Admission, **options: Any) -> None:
        super().__init__(**options)
        self._admission = admission

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for a request; close the connection at once if there are too many."""
        host = str((transport.get_extra_info("peername") or ("unknown",))[0])
        super().connection_made(transport)
        if not self._admission.admit(host):
            transport.write(_BUSY)
            transport.close()
            return
        self._host = host
        self._expect_request()

    def data_received(self, data: bytes) -> None:
        """Read more of a request; uvicorn's own time-out covers only the time between two requests."""
        if self.transport.is_closing():
            return
        super().data_received(data)
        if self.conn.their_state in {h11.IDLE, h11.SEND_BODY}:
            self._expect_request()
        else:
            self._cancel_reading()

    def pause_writing(self) -> None:
        """Start the timeout: the write buffer has reached asyncio's high-water mark."""
        super().pause_writing()
        self._writing = self.loop.call_later(WRITE_TIMEOUT_S, self._time_out)

    def resume_writing(self) -> None:
        """Cancel the timeout: the viewer reads again."""
        super().resume_writing()
        self._cancel_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the timeouts: the viewer has left, or was disconnected."""
        self._cancel_writing()
        self._cancel_reading()
        if self._host is not None:
            self._admission.release(self._host)
        super().connection_lost(exc)

    def abort(self) -> None:
        """Close it at once; what is unread is lost."""
        self.transport.abort()

    def _expect_request(self) -> None:
        if self._reading is None:
            self._reading = self.loop.call_later(REQUEST_TIMEOUT_S, self.abort)

    def _cancel_reading(self) -> None:
        if self._reading:
            self._reading.cancel()
            self._reading = None

    def _cancel_writing(self) -> None:
        if self._writing:
            self._writing.cancel()
            self._writing = None

    def _time_out(self) -> None:
        viewer = ":".join(map(str, self.client or ("unknown",)))
        message = "viewer %s has read nothing for %.0f s: its connection is closed"
        logger.info(message, viewer, WRITE_TIMEOUT_S, extra={"action": "viewer_dropped", "viewer": viewer})
        self.abort()
