"""`python -m simulate --replay` against real Kafka: it sends what was recorded, and the truth describes it."""

import gzip
import json
import os
import signal
from pathlib import Path

import pytest

from oracle.truth import load
from settings import Settings
from tests.simulator import Run, check
from tests.support import read_committed

CSV = """duration,country,page,lastAction,visitDate
7,"a,""b\""",/x,SHOPPING_CART,2026-01-01T12:00:00Z
1.5,USA,/x,ORDER,2026-01-01T12:00:01Z
9,USA,/x,ORDER,2026-01-01T12:00:02Z
3,Côte d'Ivoire,/y,SHOPPING_CART,2026-01-01T13:59:59+02:00
"""
NDJSON = """{"visitDate": "2026-01-01T12:00:00Z", "country": "USA", "lastAction": "SHOPPING_CART", "duration": 5}
{"visitDate":"2026-01-01T23:00:00Z","country":"USA","lastAction":"FAQ","duration":5,"more":[1]}

not a visit
{"visitDate": "2026-01-01T12:00:10", "country": "DEU", "lastAction": "FAQ", "duration": 6}
"""
AGAIN = 3000  # of each line: more than one chunk


@pytest.mark.parametrize("pace", [("--rate", "0"), ("--speed", "1000000")])
@pytest.mark.parametrize("key", ["none", "country"])
def test_a_csv_file_is_sent_to_kafka(
    pace: tuple[str, str], key: str, settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    """Each row is a message; the truth has the visits, the carts in order, and the rejects."""
    (tmp_path / "visits.csv").write_text(CSV, encoding="utf-8")
    arguments = ["--replay", "visits.csv", *pace, "--key", key, "--truth", "truth.json"]
    code, _, err = Run(arguments, environment, tmp_path).end()
    assert code == 0, err
    truth = load(tmp_path / "truth.json")
    records = check(settings, truth)
    assert (truth.visits, truth.rejected) == (3, {"invalid": 1})
    assert sum(carts.count for carts in truth.carts.values()) == 2
    sent = sorted((json.loads(record.value or b"") for record in records), key=lambda visit: str(visit["duration"]))
    assert [(visit["duration"], visit["country"]) for visit in sent] == [
        ("1.5", "USA"),
        (3, "Côte d'Ivoire"),
        (7, 'a,"b"'),
        (9, "USA"),
    ]


def test_a_recorded_file_is_sent_flat_out_byte_by_byte(
    settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    """Hours of visits within seconds, in the order of the file, with the truth of all of them."""
    (tmp_path / "visits.ndjson").write_text(NDJSON * AGAIN, encoding="utf-8")
    arguments = ["--replay", "visits.ndjson", "--rate", "0", "--truth", "truth.json"]
    code, _, err = Run(arguments, environment, tmp_path).end(timeout_s=60)
    assert code == 0, err
    truth = load(tmp_path / "truth.json")
    records = check(settings, truth)
    assert (truth.visits, truth.rejected) == (2 * AGAIN, {"malformed": AGAIN, "no_timezone": AGAIN})
    in_order = sorted(records, key=lambda record: (record.offset, record.partition))  # partitions alternate
    assert [record.value for record in in_order] == [line.encode() for line in NDJSON.splitlines() if line] * AGAIN


def test_a_file_that_is_not_ndjson_causes_a_warning(
    settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    """CSV under another name is sent line by line, with one warning."""
    (tmp_path / "visits.txt").write_text(CSV, encoding="utf-8")
    code, _, err = Run(["--replay", "visits.txt", "--rate", "0"], environment, tmp_path).end()
    assert code == 0
    assert err.splitlines()[0] == (
        "simulate: the first line of --replay visits.txt is not a JSON object and is sent unchanged; "
        "if the file is CSV, its name must end in .csv"
    )
    assert len(read_committed(settings, settings.visits_topic)) == 5


def test_an_incomplete_replay_sends_what_is_before_the_broken_line(
    settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    """Exit code 78, one message with how many were sent, and the truth of these."""
    row = "2026-01-01T12:00:00Z,USA,ORDER,5\n"
    content = (
        "visitDate,country,lastAction,duration\n" + row * 5000 + '2026-01-01T12:00:00Z,"USA,ORDER,5\n' + row * 1500
    )
    (tmp_path / "visits.csv.gz").write_bytes(gzip.compress(content.encode()))
    arguments = ["--replay", "visits.csv.gz", "--rate", "0", "--truth", "truth.json"]
    code, _, err = Run(arguments, environment, tmp_path).end()
    assert code == 78
    assert "5,000 messages acknowledged" in err
    last = err.splitlines()[-1]
    assert last.startswith("simulate: --replay visits.csv.gz, line 5002: a quotation mark is not closed")
    assert last.endswith("; the replay is incomplete: it ended after 5000 messages")
    truth = load(tmp_path / "truth.json")
    assert truth.visits == 5000
    check(settings, truth)


def test_a_stop_ends_a_replay_that_waits_for_standard_input(
    settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    """SIGTERM while the writer of a pipe sends nothing: exit code 0, what was read before is complete or unsent."""
    os.mkfifo(tmp_path / "pipe")
    run = Run(["--replay", "pipe", "--rate", "0"], environment, tmp_path)
    with (tmp_path / "pipe").open("wb") as writer:  # opens when the simulator has, with its signals in place
        writer.write(NDJSON.encode())
        writer.flush()
        run.process.send_signal(signal.SIGTERM)
        code, _, err = run.end(timeout_s=30)
    assert code == 0, err
    assert "messages acknowledged" in err
