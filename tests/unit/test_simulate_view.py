"""What the user sees without a terminal: a line every five seconds, also after a pause."""

import pytest

from clients.kafka import Topic
from settings import Settings
from simulate.sender import Sender
from simulate.stats import RunStats
from simulate.view import open_view


class StatsAt(RunStats):
    """Figures at a moment that the test sets."""

    moment_s = 0.0

    @property
    def elapsed_s(self) -> float:
        """The moment."""
        return self.moment_s


def test_lines_that_were_missed_are_not_caught_up_with(capsys: pytest.CaptureFixture[str]) -> None:
    """After a long pause there is one line, and the next one at its regular time."""
    sender = Sender(Settings(kafka_bootstrap_servers="127.0.0.1:1"), Topic("visits", "an id", 4))
    stats = StatsAt(sender, None)
    with open_view() as view:
        for stats.moment_s in (1, 4.9, 5.1, 6, 32, 32.1, 34.9, 35, 35.1):
            view.show(stats)
    assert [line.partition(":")[0] for line in capsys.readouterr().err.splitlines()] == ["5 s", "32 s", "35 s"]
