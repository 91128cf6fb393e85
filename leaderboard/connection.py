"""A viewer's connection: one that is not read from is ended, it is not waited for."""

import asyncio
import logging

from uvicorn.protocols.http.h11_impl import H11Protocol

PATIENCE_S = 20.0

logger = logging.getLogger(__name__)


class Connection(H11Protocol):
    """Ends itself, with one line, when nothing has been read from it for 20 s although there is much to read.

    Only then is its request over for everybody who waits for it: closed in order it would still keep what is unread.
    """

    _patience: asyncio.TimerHandle | None = None

    def pause_writing(self) -> None:
        """Begin to lose patience: what waits to be read has reached asyncio's high-water mark."""
        super().pause_writing()
        self._patience = self.loop.call_later(PATIENCE_S, self._lose_patience)

    def resume_writing(self) -> None:
        """Be patient again: the viewer reads."""
        super().resume_writing()
        self._be_patient()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it: the viewer has left, or was sent away."""
        self._be_patient()
        super().connection_lost(exc)

    def abort(self) -> None:
        """End it at once; what is unread is lost."""
        self.transport.abort()

    def _be_patient(self) -> None:
        if self._patience:
            self._patience.cancel()
            self._patience = None

    def _lose_patience(self) -> None:
        viewer = ":".join(map(str, self.client or ("unknown",)))
        said = "viewer %s has read nothing for %.0f s: its connection is ended"
        logger.info(said, viewer, PATIENCE_S, extra={"action": "viewer_dropped", "viewer": viewer})
        self.abort()
