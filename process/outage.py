"""An outage as a log shows it: a line for each reason when it begins, one a minute, and one when it ends.

Many threads wait for one server at the same time, and each of them tries again several times a second.
"""

import logging
import threading
import time
from collections.abc import Hashable

REMIND_S = 60.0
_SHORT_S = 1.0

logger = logging.getLogger(__name__)


class Outage:
    """What the threads of this process experience of one server; it lasts until each that has failed has succeeded."""

    def __init__(self, server: str, *, remind_s: float = REMIND_S) -> None:
        self._server, self._remind_s = server, remind_s
        self._lock = threading.Lock()
        self._failing: set[Hashable] = set()
        self._reasons: set[Hashable] = set()
        self._began = self._logged = 0.0

    def failed(self, who: Hashable, text: str, reason: Hashable) -> None:
        """Note that one has failed and tries again; `text` is why, and `reason` the kind of it, such as a number."""
        with self._lock:
            now = time.monotonic()
            if not self._failing:
                self._began = now
                self._reasons.clear()
            self._failing.add(who)
            if reason not in self._reasons:
                self._logged = now
                self._reasons.add(reason)
                self._log(logging.WARNING, "%s; trying again", text)
            elif now - self._logged >= self._remind_s:
                self._logged = now
                self._log(logging.WARNING, "%s; trying again, for %.0f s by now", text, now - self._began)

    def succeeded(self, who: Hashable) -> None:
        """Note that one has succeeded, or gives up."""
        with self._lock:
            if who not in self._failing:
                return
            self._failing.discard(who)
            lasted_s = time.monotonic() - self._began
            if not self._failing and lasted_s >= _SHORT_S:
                self._log(logging.INFO, "%s responds again after %.1f s", self._server, lasted_s)

    def _log(self, level: int, message: str, *values: object) -> None:
        logger.log(level, message, *values, extra={"action": f"{self._server.lower()}_outage"})


KAFKA = Outage("Kafka")
MARIADB = Outage("MariaDB")
