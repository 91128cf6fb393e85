"""A load that does not stop, whatever happens to the servers meanwhile."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from tests.traffic import Sent


@contextmanager
def flowing(
    send: Callable[[list[Sent]], None], parts: Iterable[list[Sent]], *, every_s: float, endless: bool = False
) -> Iterator[None]:
    """Send a part every so many seconds: all of them, or, of an endless number, as many as this lasts for."""
    failures: list[BaseException] = []
    stop = threading.Event()

    def send_all() -> None:
        began = time.monotonic()
        try:
            for at, part in enumerate(parts):
                if stop.wait(max(0.0, began + at * every_s - time.monotonic())):
                    return
                send(part)
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=send_all)
    thread.start()
    try:
        yield
    finally:
        if endless:
            stop.set()
        thread.join()
    assert not failures, failures
