"""The line about progress: while there is work, and only then."""

import pytest

from partition.progress import Reading, line_of

BEFORE = Reading(100.0, 1_000_000, 9_000)


@pytest.mark.parametrize(
    ("now", "line"),
    [
        (
            Reading(110.0, 1_500_000, 2_000_000),
            "1,500,000 messages counted, 50,000/s, 2,000,000 wait in Kafka: about 40 s left",
        ),
        (Reading(110.0, 1_000_200, 0), "1,000,200 messages counted, 20/s, none waits in Kafka"),
        (Reading(110.0, 1_000_200, None), "1,000,200 messages counted, 20/s"),
        (
            Reading(110.0, 1_000_000, 700),
            "1,000,000 messages counted, 0/s, 700 wait in Kafka: none was counted since the last line",
        ),
        (Reading(110.0, 1_000_000, 0), None),
        (Reading(110.0, 1_000_000, None), None),
    ],
)
def test_a_line_while_there_is_work(now: Reading, line: str | None) -> None:
    """How much, how fast, how long; nothing where nothing was counted and nothing waits."""
    assert line_of(BEFORE, now) == line
