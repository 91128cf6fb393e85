"""Messages in, tables and topics out, through real processes and real servers."""

from pathlib import Path

import pytest

from settings import Settings
from tests.pipeline import check_all, check_promise_1, ops, progressed, run_to_end, running
from tests.support import produce, query, wait_until
from tests.traffic import Truth, traffic


def send(settings: Settings, messages: int, *, seed: int = 1) -> Truth:
    sent = traffic(messages, seed=seed)
    produce(settings, [(message.partition, message.value) for message in sent])
    return Truth(sent)


@pytest.mark.parametrize(
    ("processes", "workers"), [(1, 1), (1, 4), (2, 1)], ids=["1 thread", "4 threads", "2 processes"]
)
def test_promise_6_same_totals_at_any_size(
    settings: Settings, environment: dict[str, str], tmp_path: Path, processes: int, workers: int
) -> None:
    """Every row, cart and reject is what was sent, however many workers share the work."""
    truth = send(settings, 40_000)
    run_to_end(environment, tmp_path, processes=processes, workers=workers)
    check_all(settings, truth)


def test_promise_6_rescaled_between_runs(settings: Settings, environment: dict[str, str], tmp_path: Path) -> None:
    """2 processes, then 1 thread, then 3 threads in each of 2 processes: each resumes where the last one ended."""
    sent = []
    for seed, (processes, workers) in enumerate([(2, 1), (1, 1), (2, 3)]):
        more = traffic(15_000, seed=seed)
        produce(settings, [(message.partition, message.value) for message in more])
        sent += more
        run_to_end(environment, tmp_path, processes=processes, workers=workers)
        check_all(settings, Truth(sent))


def test_promise_2_nothing_is_late(settings: Settings, environment: dict[str, str], tmp_path: Path) -> None:
    """A visit of hours ago, read in another run, counts in its own window."""
    sent = traffic(5000, seed=3)
    produce(settings, [(message.partition, message.value) for message in reversed(sent)])
    run_to_end(environment, tmp_path)
    truth = Truth(reversed(sent))
    check_all(settings, truth)
    late = traffic(1, seed=9, bad_share=0)
    produce(settings, [(late[0].partition, late[0].value)])
    run_to_end(environment, tmp_path)
    check_all(settings, Truth([*reversed(sent), *late]))


def test_promise_3_nothing_is_lost_in_silence(settings: Settings, environment: dict[str, str], tmp_path: Path) -> None:
    """Every message is counted or rejected with its bytes: messages = visits + rejected, also if all are bad."""
    sent = traffic(3000, bad_share=1.0)
    produce(settings, [(message.partition, message.value) for message in sent])
    run_to_end(environment, tmp_path)
    check_all(settings, Truth(sent))
    assert query(settings, "SELECT SUM(messages), SUM(visits), SUM(rejected) FROM progress") == [(3000, 0, 3000)]


def test_promise_5_the_plain_command_is_the_safe_command(
    settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    """Run, end and run again without recovery flags: it resumes where the database is, and counts nothing twice."""
    truth = send(settings, 8000)
    for _ in range(3):
        run_to_end(environment, tmp_path, workers=4)
        check_all(settings, truth)


def test_promise_7_a_second_copy_ends_and_changes_nothing(
    settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    """It ends with one message that names the holder; the first one continues."""
    with running(environment, tmp_path, workers=4) as first:
        truth = send(settings, 5000)
        wait_until(lambda: progressed(settings) == 5000, deadline_s=60, what="5000 messages counted")
        with running(environment, tmp_path, name="second") as second:
            assert second.wait() == [75]
            assert "is owned by another dataflow: connection" in second.output()
        check_all(settings, truth)
        more = traffic(5000, seed=2)
        produce(settings, [(message.partition, message.value) for message in more])
        wait_until(lambda: progressed(settings) == 10_000, deadline_s=60, what="10000 messages counted")
        assert first.alive()
        check_all(settings, Truth([*traffic(5000), *more]))


def test_verify_agrees_also_while_it_runs(settings: Settings, environment: dict[str, str], tmp_path: Path) -> None:
    """`ops verify` recounts with code of its own, and finds one changed row."""
    truth = send(settings, 20_000)
    with running(environment, tmp_path):
        wait_until(lambda: progressed(settings) > 0, deadline_s=60, what="the first commit")
        verified = ops(environment, "verify")
        assert verified.returncode == 0, verified.stdout + verified.stderr
        wait_until(lambda: progressed(settings) == 20_000, deadline_s=60, what="all counted")
    check_promise_1(settings, truth)
    query(settings, "UPDATE window_totals SET visits = visits + 1 LIMIT 1")
    assert ops(environment, "verify").returncode == 1
