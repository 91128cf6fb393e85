"""An outage in the log: a line when it begins, reminders while it lasts, and one when it ends."""

import logging

import pytest

from process.outage import Outage


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> list[float]:
    """The time that the outage sees; the last element counts."""
    now = [100.0]
    monkeypatch.setattr("process.outage.time.monotonic", lambda: now[-1])
    caplog.set_level(logging.INFO)
    return now


def test_many_that_wait_for_one_server_are_one_outage(at: list[float], caplog: pytest.LogCaptureFixture) -> None:
    """It begins with the first that fails, and ends with the last that succeeds."""
    outage = Outage("MariaDB")
    for who in range(4):
        for _ in range(100):
            outage.failed(who, f"error {who}", 2013)
    at.append(133.0)
    for who in range(4):
        assert lines(caplog) == ["error 0; trying again"]
        outage.succeeded(who)
    assert lines(caplog) == ["error 0; trying again", "MariaDB responds again after 33.0 s"]


def test_another_reason_is_another_line(at: list[float], caplog: pytest.LogCaptureFixture) -> None:
    """A server that was killed, and then refuses connections for another reason; once each."""
    outage = Outage("MariaDB")
    for number in (2013, 1226, 2013, 1226):
        outage.failed("one", f"error {number}", number)
    assert lines(caplog) == ["error 2013; trying again", "error 1226; trying again"]


def test_a_long_outage_is_repeated_once_a_minute(at: list[float], caplog: pytest.LogCaptureFixture) -> None:
    """With the latest reason, and for how long."""
    outage = Outage("Kafka")
    for second in range(150):
        at.append(100.0 + second)
        outage.failed("one", "no broker", -195)
    assert lines(caplog) == [
        "no broker; trying again",
        "no broker; trying again, for 60 s by now",
        "no broker; trying again, for 120 s by now",
    ]


def test_a_conflict_that_a_repetition_resolves_has_no_end(at: list[float], caplog: pytest.LogCaptureFixture) -> None:
    """A deadlock is one line; the next one is another."""
    outage = Outage("MariaDB")
    for _ in range(2):
        outage.failed("one", "deadlock", 1213)
        at.append(at[-1] + 0.05)
        outage.succeeded("one")
        outage.succeeded("one")
    assert lines(caplog) == ["deadlock; trying again"] * 2
