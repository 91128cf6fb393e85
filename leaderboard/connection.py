"""A viewer's connection: one that is not read from is closed after a timeout."""

import asyncio
import logging

from uvicorn.protocols.http.h11_impl import H11Protocol

WRITE_TIMEOUT_S = 20.0

logger = logging.getLogger(__name__)


class Connection(H11Protocol):
    """Aborts itself, with one log line, when the viewer has read nothing for 20 s although the write buffer is full.

    Only an abort completes its request: a graceful close would still wait until the buffer is flushed.
    """

    _timeout: asyncio.TimerHandle | None = None

    def pause_writing(self) -> None:
        """Start the timeout: the write buffer has reached asyncio's high-water mark."""
        super().pause_writing()
        self._timeout = self.loop.call_later(WRITE_TIMEOUT_S, self._time_out)

    def resume_writing(self) -> None:
        """Cancel the timeout: the viewer reads again."""
        super().resume_writing()
        self._cancel_timeout()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the timeout: the viewer has left, or was disconnected."""
        self._cancel_timeout()
        super().connection_lost(exc)

    def abort(self) -> None:
        """Close it at once; what is unread is lost."""
        self.transport.abort()

    def _cancel_timeout(self) -> None:
        if self._timeout:
            self._timeout.cancel()
            self._timeout = None

    def _time_out(self) -> None:
        viewer = ":".join(map(str, self.client or ("unknown",)))
        message = "viewer %s has read nothing for %.0f s: its connection is closed"
        logger.info(message, viewer, WRITE_TIMEOUT_S, extra={"action": "viewer_dropped", "viewer": viewer})
        self.abort()
