"""The observer of positions ends with its reason."""

import pytest

from bench.progress import Observer
from ops.servers.processes import free_port
from process.errors import ExitCode, Fatal
from settings import Settings


def test_an_observer_without_mariadb_ends_with_the_reason() -> None:
    """It is another process: its error reaches the benchmark as a message."""
    settings = Settings(mariadb_port=free_port())
    with pytest.raises(Fatal) as raised:
        Observer(settings)
    assert raised.value.message.startswith("the observer of table progress ended: MariaDB at 127.0.0.1:")
    assert raised.value.code == ExitCode.UNAVAILABLE
