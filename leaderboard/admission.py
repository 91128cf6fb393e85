"""Who is admitted: so many connections in all, and so many of one address, so that no one can occupy all of them."""

import logging
from collections import Counter
from ipaddress import IPv6Address, ip_address, ip_network

from process.deadline import Deadline

LOG_AGAIN_S = 60.0

logger = logging.getLogger(__name__)


class Admission:
    """Counts connections; refuses those beyond a limit, with one log line a minute."""

    def __init__(self, *, most: int, most_per_address: int) -> None:
        self._most = most
        self._most_per_address = most_per_address
        self._admitted: Counter[str] = Counter()
        self._all = 0
        self._again = Deadline(0)

    def admit(self, host: str) -> bool:
        """Count a connection and return True, or return False: there are too many."""
        source = source_of(host)
        if self._all >= self._most:
            return self._refuse(f"there are {self._all} connections already")
        if self._admitted[source] >= self._most_per_address:
            return self._refuse(f"{source} has {self._most_per_address} (BOARD_MAX_CONNECTIONS_PER_ADDRESS) already")
        self._admitted[source] += 1
        self._all += 1
        return True

    def release(self, host: str) -> None:
        """Count an admitted connection no longer."""
        source = source_of(host)
        self._all -= 1
        self._admitted[source] -= 1
        if not self._admitted[source]:
            del self._admitted[source]

    def _refuse(self, why: str) -> bool:
        if self._again.passed:
            self._again = Deadline(LOG_AGAIN_S)
            message = "connections are refused: %s; this line appears once a minute at most"
            logger.warning(message, why, extra={"action": "refused"})
        return False


def source_of(host: str) -> str:
    """Return what counts as one address: of IPv6 the /64 network, which one host may have as a whole."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if not isinstance(address, IPv6Address):
        return host
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(ip_network((int(address), 64), strict=False))
