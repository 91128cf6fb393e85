"""What the user sees elsewhere than on a terminal: a line every five seconds, whatever came between."""

import pytest

from clients.kafka import Topic
from settings import Settings
from simulate.sender import Sender
from simulate.tally import Tally
from simulate.view import view


class At(Tally):
    """A tally at a moment of the test's choice."""

    moment_s = 0.0

    @property
    def elapsed_s(self) -> float:
        """The moment."""
        return self.moment_s


def test_lines_that_were_missed_are_not_caught_up_with(capsys: pytest.CaptureFixture[str]) -> None:
    """After a long pause one line says how things stand, and the next one comes at its own time."""
    sender = Sender(Settings(kafka_bootstrap_servers="127.0.0.1:1"), Topic("visits", "an id", 4))
    tally = At(sender, None)
    with view() as shown:
        for tally.moment_s in (1, 4.9, 5.1, 6, 32, 32.1, 34.9, 35, 35.1):
            shown.show(tally)
    assert [line.partition(":")[0] for line in capsys.readouterr().err.splitlines()] == ["5 s", "32 s", "35 s"]
