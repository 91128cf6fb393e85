"""`python -m ops windows add` and `boards add`: another length or board on a database that has counted."""

from dataclasses import replace
from pathlib import Path

import pytest
from confluent_kafka import TopicPartition

from clients import kafka
from ops import boards, windows
from process.errors import ExitCode, Fatal
from settings import Settings
from tests.pipeline import ops, progressed, run_to_end, running
from tests.support import produce, query, wait_until
from tests.traffic import traffic

TOTALS = "SELECT length_s, board, SUM(duration_s), SUM(visits) FROM window_totals GROUP BY 1, 2 ORDER BY 1, 2"


def send(settings: Settings, messages: int, *, seed: int = 1) -> None:
    produce(settings, [(message.partition, message.value) for message in traffic(messages, seed=seed)])


def verified(environment: dict[str, str], code: int = 0) -> str:
    done = ops(environment, "verify")
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def test_a_window_length_is_summed_from_the_longest_that_divides_it(
    settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    """Every row is what the recount gives, and the dataflow goes on with all lengths."""
    send(settings, 5000)
    run_to_end(environment, tmp_path)
    finer_s, rows, lengths = windows.add(settings, 900)
    assert (finer_s, lengths) == (60, "5,60,900,3600,86400")
    assert query(settings, "SELECT COUNT(*) FROM window_totals WHERE length_s = 900") == [(rows,)]
    assert "PASS" in verified(environment)
    with running(environment, tmp_path, name="refused") as dataflow:
        assert dataflow.wait() == [ExitCode.CONFIG]
        assert "was provisioned with '5,60,900,3600,86400'" in dataflow.output()
    send(settings, 3000, seed=2)
    more = environment | {"WINDOW_LENGTHS_S": lengths}
    run_to_end(more, tmp_path)
    assert "PASS: 4 partitions, 8000 messages" in verified(more)
    assert windows.add(replace(settings, window_lengths_s=(5,)), 10)[0] == 5
    assert "PASS" in verified(environment)


@pytest.mark.environment(NAIVE_TIMEZONE="Europe/Berlin")
def test_a_board_is_filled_from_the_log(settings: Settings, environment: dict[str, str], tmp_path: Path) -> None:
    """Exactly as if it had been there from the first visit on, for all that is counted."""
    send(settings, 5000)
    run_to_end(environment, tmp_path)
    visits, complete_from, names = boards.add(settings, "country/action")
    assert (complete_from, names) == (None, "action,country,country/action")
    assert query(settings, "SELECT SUM(visits) FROM progress") == [(visits,)]
    send(settings, 2000, seed=2)
    more = environment | {"BOARDS": names}
    run_to_end(more, tmp_path)
    assert "PASS: 4 partitions, 7000 messages" in verified(more)
    by_board = {row[:2]: row[2:] for row in query(settings, TOTALS)}
    for length_s in settings.window_lengths_s:
        assert by_board[length_s, "country/action"] == by_board[length_s, "action"]


def test_a_board_whose_log_has_lost_its_head_says_from_when_it_is_complete(
    settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    """From the end of the last window that lacks visits; before it no difference is reported, and verify is PARTIAL."""
    early = '{"visitDate": "2026-03-01T10:00:07Z", "country": "NOR", "lastAction": "ORDER", "duration": 5}'
    late = early.replace("10:00:07", "10:00:12")
    produce(settings, [(0, early), (0, early), (1, late), (0, late)])
    run_to_end(environment, tmp_path)
    admin = kafka.admin_client(settings)
    for future in admin.delete_records([TopicPartition(settings.visits_topic, 0, 1)]).values():
        future.result(30)
    visits, complete_from, _ = boards.add(settings, "country/action")
    assert (visits, str(complete_from)) == (3, "2026-03-01 10:00:10")
    assert query(settings, "SELECT board, complete_from FROM board_starts") == [("country/action", complete_from)]
    assert "PARTIAL: everything that can be compared matches" in verified(environment, ExitCode.PARTIAL)
    query(settings, "DELETE FROM window_totals WHERE board = 'country/action' AND window_start = '2026-03-01 10:00:10'")
    output = verified(environment, ExitCode.DIFFERENCES)
    assert "by action 10 s in 2 visits, by country/action 0 s in 0 visits" in output


def test_nothing_is_added_under_a_running_dataflow(
    settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    """It is named, and nothing changes."""
    with running(environment, tmp_path):
        send(settings, 100)
        wait_until(lambda: progressed(settings) == 100, deadline_s=60, what="100 messages counted")
        before = query(settings, "SELECT * FROM pipeline"), query(settings, TOTALS)
        for add in (lambda: windows.add(settings, 900), lambda: boards.add(settings, "country/action")):
            refusal = r"is owned by a running dataflow \(connection .*\): stop it first"
            with pytest.raises(Fatal, match=refusal) as caught:
                add()
            assert caught.value.code == ExitCode.HELD
        assert (query(settings, "SELECT * FROM pipeline"), query(settings, TOTALS)) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("windows", "add", "60"), "windows of 60 s are there already: 5,60,3600,86400"),
        (("windows", "add", "7"), "a window cannot have 7 s: it must be a multiple of the shortest, 5 s"),
        (("windows", "add", "0"), "a window cannot have 0 s"),
        (("windows", "add", "31622405"), "and have 31622400 s at most"),
        (("boards", "add", "country"), "board 'country' is there already: action,country"),
        (("boards", "add", "city"), "there is no board 'city', only action, country, country/action"),
    ],
)
def test_what_cannot_be_added(
    settings: Settings, environment: dict[str, str], arguments: tuple[str, ...], message: str
) -> None:
    """One message with the value and what is possible; nothing changes."""
    before = query(settings, "SELECT * FROM pipeline")
    done = ops(environment, *arguments)
    assert (done.returncode, done.stdout) == (ExitCode.CONFIG, "")
    assert message in done.stderr
    assert query(settings, "SELECT * FROM pipeline") == before


def test_a_log_that_has_ended_before_the_position_is_refused(
    settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    """A board filled from less than was counted would be wrong without a word."""
    send(settings, 100)
    run_to_end(environment, tmp_path)
    query(settings, "UPDATE progress SET next_offset = next_offset + 10 WHERE kafka_partition = 0")
    with pytest.raises(Fatal, match="the log has lost its end"):
        boards.add(settings, "country/action")
    assert query(settings, "SELECT COUNT(*) FROM window_totals WHERE board = 'country/action'") == [(0,)]
