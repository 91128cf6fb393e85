"""The benchmarks end with one line of JSON for each run, count every visit, and leave nothing behind."""

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from bench import results
from bench.transactions import control_records
from clients import kafka, kafka_config, mariadb
from clients.mariadb import Login
from ops.servers import ROOT, Servers
from settings import Settings
from tests.support import process_environment, wait_until

MESSAGES = 20_000
BOARDS = [f"{board}_{length_s}_s" for board in ("action", "country") for length_s in (5, 60, 3600, 86_400)]
FIGURES = ("seconds", "visits_per_s", "cpu_s", "peak_mib", "cores")


@pytest.fixture
def bench(servers: Servers) -> "Iterator[Any]":
    """Return what runs one benchmark; afterwards nothing of it may be on the servers."""
    environment = servers.environment()
    yield lambda *arguments: _bench(environment, *arguments)
    settings = Settings.from_environment(environment)
    admin = kafka.admin_client(settings)
    wait_until(lambda: not _ours(admin.list_topics(timeout=10).topics), deadline_s=30, what="its topics are gone")
    connection = mariadb.connect(Login.admin(settings))
    cursor = connection.cursor()
    cursor.execute("SELECT SCHEMA_NAME FROM information_schema.SCHEMATA UNION SELECT User FROM mysql.user")
    left = _ours(row[0] for row in cursor.fetchall())
    connection.close()
    assert left == []


def _ours(names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith("bench_")]


def test_pipeline_counts_every_visit_on_every_board(bench: Any) -> None:
    """Messages are visits and rejects, and each board of each length holds all visits."""
    (run,) = runs_of(bench("pipeline", "--messages", str(MESSAGES), "--partitions", "2"))
    check_figures(run, "pipeline")
    counts = run["counts"]
    assert (run["partitions"], counts["messages"], counts["visits"], counts["rejected"]) == (2, MESSAGES, MESSAGES, 0)
    assert {name: counts[name] for name in BOARDS} == dict.fromkeys(BOARDS, MESSAGES)
    assert 0 < counts["carts"] < MESSAGES


def test_pipeline_in_two_processes_counts_the_same(bench: Any) -> None:
    """`ops run` joins them, and ends when both have come to the end of their partitions."""
    (run,) = runs_of(bench("pipeline", "--messages", str(MESSAGES), "--processes", "2"))
    check_figures(run, "pipeline", processes=2)
    assert {name: run["counts"][name] for name in BOARDS} == dict.fromkeys(BOARDS, MESSAGES)


def test_latency_observes_every_visit_and_counts_those_before(bench: Any) -> None:
    """One of each partition, 3 s to warm up, then 2 s that are measured; a line for each rate."""
    runs = runs_of(bench("latency", "--rate", "200", "400", "--seconds", "2", "--partitions", "3"))
    for rate, run in zip((200, 400), runs, strict=True):
        check_figures(run, "latency", messages=2 * rate)
        assert (run["rate"], run["partitions"], run["sent_before"]) == (rate, 3, 3 + 3 * rate)
        counts = run["counts"]
        every = {"messages", "visits", *BOARDS}
        assert {name: counts[name] for name in every} == dict.fromkeys(every, 3 + 5 * rate)
        assert counts["rejected"] == 0
        assert run["visits_per_s"] == pytest.approx(run["messages"] / run["seconds"], rel=0.01)
        for prefix in ("", "poll_"):
            percentiles = [run[f"{prefix}{name}_ms"] for name in ("p50", "p90", "p99", "max")]
            assert percentiles[0] > 0
            assert percentiles == sorted(percentiles)
        assert run["behind_max_ms"] >= 0
        assert run["flush_interval_ms"] > 0
        commits, transactions = (run[f"{what}_per_s"] * run["seconds"] for what in ("commits", "transactions"))
        assert 3 <= round(commits) <= run["messages"]
        assert 0 < round(transactions) <= counts["carts"]


def test_idle_counts_cpu_seconds_of_a_time_without_visits(bench: Any) -> None:
    """In two processes as in one."""
    (run,) = runs_of(bench("idle", "--seconds", "1", "--processes", "2"))
    assert (run["case"], run["processes"], run["partitions"]) == ("idle", 2, 4)
    assert run["seconds"] >= 1
    assert run["cpu_s"] >= 0
    assert run["cpu_share"] == pytest.approx(run["cpu_s"] / run["seconds"], abs=0.001)
    assert min(run[name] for name in ("peak_mib", "cores", "flush_interval_ms")) > 0
    check_machine(run)


def test_every_transaction_is_a_control_record(settings: Settings) -> None:
    """In each partition that it wrote to; a transaction without outputs leaves none."""
    producer = Producer(kafka_config.client_config(settings, transactional_id=settings.carts_topic))
    producer.init_transactions(30)
    for partitions in ([0], [0, 0, 1], [3], []):
        producer.begin_transaction()
        for partition in partitions:
            producer.produce(settings.carts_topic, b"a cart", partition=partition)
        producer.commit_transaction(30)
    assert control_records(settings, 4, outputs=5) == 4


def test_floors_count_every_visit_and_cart(bench: Any) -> None:
    """Each does a part more of the work, and what it folds holds all visits; the pipeline finds the same carts."""
    boards = {"action_5_s": MESSAGES, "country_5_s": MESSAGES}
    (pipeline,) = runs_of(bench("pipeline", "--messages", str(MESSAGES)))
    for work, more in (("consume", {}), ("fold", boards), ("carts", boards | {"carts": pipeline["counts"]["carts"]})):
        (run,) = runs_of(bench("floor", "--work", work, "--messages", str(MESSAGES)))
        check_figures(run, f"floor_{work}")
        run["counts"].pop("duration_s", None)
        assert run["counts"] == {"messages": MESSAGES} | more


def test_startup_ends_at_the_first_row(bench: Any) -> None:
    """And when each of the partitions has been read."""
    (run,) = runs_of(bench("startup", "--partitions", "3"))
    assert (run["case"], run["partitions"]) == ("startup", 3)
    assert 0 < run["first_row_s"] <= run["all_partitions_s"]
    check_machine(run)


def test_junk_is_rejected_whole(bench: Any) -> None:
    """The memory is that of the dataflow, which has held 20 MB at least."""
    (run,) = runs_of(bench("junk", "--messages", "3", "--partitions", "2"))
    check_figures(run, "junk", messages=3)
    assert run["counts"] == {"messages": 3, "rejected": 3}


def test_writes_counts_rows_and_transactions(bench: Any) -> None:
    """Few for so many visits. MariaDB's counters are the server's: other tests on it can only make them larger."""
    (run,) = runs_of(bench("writes", "--messages", str(MESSAGES), "--countries", "12"))
    check_figures(run, "writes")
    counts = run["counts"]
    assert 0 < counts["kafka_transactions"] <= counts["mariadb_transactions"]
    assert 0 < counts["rows"] <= counts["rows_added_to"]
    assert max(counts["kafka_transactions"], counts["rows"]) < MESSAGES / 20


def test_shuffled_dates_fill_more_windows(bench: Any) -> None:
    """Dated up to a day earlier than their place in the log: all the visits, in the windows of a day."""
    (run,) = runs_of(bench("writes", "--messages", str(MESSAGES), "--out-of-order", "1d"))
    assert run["out_of_order"] == "1d"
    assert run["counts"]["visits"] == MESSAGES
    assert run["counts"]["rows"] > 24 * 60


def test_a_suite_writes_results_and_a_document(bench: Any, tmp_path: Path) -> None:
    """Two cases that share their topics; a second suite of another case keeps them."""
    file = ("--results", str(tmp_path / "results.json"), "--rounds", "1", "--scale", "0.001")
    for only in (("floor_carts", "stock"), ("startup_4",)):
        done = bench("suite", *file, "--only", *only)
        assert done.returncode == 0, done.stderr[-4000:]
    found = results.read(tmp_path / "results.json")
    assert [case.name for case in found.cases] == ["floor_carts", "stock", "startup_4"]
    assert [len(case.measurements) for case in found.cases] == [1, 1, 1]
    assert [run["messages"] for run in found.cases[0].measurements[0].runs] == [2000, 8000]
    assert set(found.versions) >= {"python", "bytewax", "librdkafka", "kafka", "mariadb-server", "java"}
    assert set(found.machine) == {"cpu", "cores", "memory", "kernel"}
    assert "## Start-up" in (tmp_path / "RESULTS.md").read_text(encoding="utf-8")


def test_stock_counts_every_visit_or_reports_it_late(bench: Any) -> None:
    """A clock that does not wait judges visits late: on each board they are what is missing."""
    (run,) = runs_of(bench("stock", "--messages", str(MESSAGES), "--wait", "1"))
    check_figures(run, "stock")
    counts = run["counts"]
    for board in ("action", "country"):
        assert counts[f"{board}_late"] > 0
        assert counts[f"{board}_5_s"] + counts[f"{board}_late"] == MESSAGES
        for length_s in (60, 3600, 86_400):
            longer = counts[f"{board}_{length_s}_s"] + counts[f"{board}_{length_s}_s_late"]
            assert longer == counts[f"{board}_5_s"]


def test_compare_runs_both_over_the_same_visits(bench: Any) -> None:
    """Every run is printed; both find the same carts; the ratio is that of the steady rates."""
    sizes = ("--small", str(MESSAGES), "--large", str(10 * MESSAGES))
    *runs, comparison = runs_of(bench("compare", *sizes, "--rounds", "1"))
    assert [(run["case"], run["messages"]) for run in runs] == [
        ("pipeline", MESSAGES),
        ("stock", MESSAGES),
        ("pipeline", 10 * MESSAGES),
        ("stock", 10 * MESSAGES),
    ]
    for pipeline, stock in (runs[:2], runs[2:]):
        assert pipeline["counts"]["carts"] == stock["counts"]["carts"]
    (steady,) = comparison["rounds"]
    rates = [9 * MESSAGES / (runs[at + 2]["seconds"] - runs[at]["seconds"]) for at in (0, 1)]
    assert [steady["pipeline_per_s"], steady["stock_per_s"]] == pytest.approx(rates, rel=0.01)
    assert comparison["median_ratio"] == steady["ratio"] == pytest.approx(rates[0] / rates[1], abs=0.01)


def test_simulate_counts_what_was_acknowledged(bench: Any) -> None:
    """All requested visits are acknowledged, none failed."""
    (run,) = runs_of(bench("simulate", "--messages", str(MESSAGES)))
    check_figures(run, "simulate")
    assert run["counts"] == {"messages": MESSAGES, "visits": MESSAGES, "failed": 0}


def test_an_invalid_option_is_one_error_message(bench: Any) -> None:
    """A number of visits below 1 is refused before anything starts."""
    done = bench("pipeline", "--messages", "0")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith("argument --messages: '0' is not a whole number above 0")


def runs_of(done: "subprocess.CompletedProcess[str]") -> list[dict[str, Any]]:
    """Return what was printed: nothing but lines of JSON."""
    assert done.returncode == 0, done.stderr[-4000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


def check_figures(run: dict[str, Any], case: str, *, messages: int = MESSAGES, processes: int = 1) -> None:
    """Check that a run states what was measured, with what, on what."""
    assert run["case"] == case
    assert run["messages"] == messages
    assert run["processes"] == processes
    assert {name for name in FIGURES if run[name] <= 0} == set()
    check_machine(run)


def check_machine(run: dict[str, Any]) -> None:
    """Check that a run states on what it was measured."""
    assert run["load_average"] >= 0
    assert set(run["versions"]) >= {"python", "bytewax", "confluent-kafka", "librdkafka", "mariadb", "msgspec"}


def _bench(environment: dict[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    environ = process_environment(environment)
    for variable in [name for name in os.environ if name.startswith("KAFKA_CONFIG_")]:
        environ[variable] = os.environ[variable]
    command = [sys.executable, "-m", "bench", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=240, check=False)
