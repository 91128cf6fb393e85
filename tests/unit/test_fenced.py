"""Which of several causes a fenced producer has, by how its transaction went."""

import pytest
from confluent_kafka import KafkaError

from process.errors import ExitCode
from sinks import fenced
from sinks.fenced import Course

TIMED_OUT = KafkaError(KafkaError._TIMED_OUT, "timed out")


@pytest.mark.parametrize(
    ("steps_s", "lock_held", "code", "words"),
    [
        ([2, 2, 2], True, ExitCode.ABORTED, "another producer has transactional.id 'carts-0', although this process"),
        ([2, 2, 2], False, ExitCode.ABORTED, "another copy has taken the partition, after this process had lost its"),
        ([9], True, ExitCode.ABORTED, "another producer has"),
        ([2, 14], True, ExitCode.ABORTED, "this process stood still for 14 s, and a transaction may be open for 10 s"),
        ([2, 14], False, ExitCode.ABORTED, "this process stood still for 14 s"),
        ([2] * 7, True, ExitCode.UNAVAILABLE, "Kafka has not answered in time (timed out), and has ended the transac"),
        ([2] * 7, False, ExitCode.UNAVAILABLE, "which was open for 14 s; are its brokers up, and is the network?"),
    ],
)
def test_the_cause_is_named(
    monkeypatch: pytest.MonkeyPatch, steps_s: list[int], lock_held: bool, code: ExitCode, words: str
) -> None:
    """A transaction that was not open for 10 s cannot have timed out."""
    now = 100.0
    monkeypatch.setattr(fenced, "_now", lambda: now)
    course = Course()
    now += 1000  # between two transactions nothing is open
    course.begin()
    for seconds in steps_s:
        course.mark()
        now += seconds
        course.mark()
        course.retried(TIMED_OUT)
    error = KafkaError(KafkaError._FENCED, "fenced")
    ended = course.fenced("outputs", error, transactional_id="carts-0", lock_held=lock_held)
    assert ended.code == code
    assert ended.message.startswith("outputs: fenced (_FENCED): ")
    assert words in ended.message
