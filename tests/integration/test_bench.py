"""The benchmarks end with one line of JSON for each run, count every visit, and leave nothing behind."""

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from clients import kafka, mariadb
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


def test_stock_counts_every_visit_or_says_that_it_was_late(bench: Any) -> None:
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
    """All visits that were asked for are acknowledged, none failed."""
    (run,) = runs_of(bench("simulate", "--messages", str(MESSAGES)))
    check_figures(run, "simulate")
    assert run["counts"] == {"messages": MESSAGES, "visits": MESSAGES, "failed": 0}


def test_what_is_not_allowed_is_one_line(bench: Any) -> None:
    """A number of visits below 1 is refused before anything starts."""
    done = bench("pipeline", "--messages", "0")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith("argument --messages: '0' is no whole number above 0")


def runs_of(done: "subprocess.CompletedProcess[str]") -> list[dict[str, Any]]:
    """Return what was printed: nothing but lines of JSON."""
    assert done.returncode == 0, done.stderr[-4000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


def check_figures(run: dict[str, Any], case: str) -> None:
    """Check that a run says what was measured, with what, on what."""
    assert run["case"] == case
    assert run["messages"] == MESSAGES
    assert {name for name in FIGURES if run[name] <= 0} == set()
    assert run["load_average"] >= 0
    assert set(run["versions"]) >= {"python", "bytewax", "confluent-kafka", "librdkafka", "mariadb", "msgspec"}


def _bench(environment: dict[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    environ = process_environment(environment)
    for variable in [name for name in os.environ if name.startswith("KAFKA_CONFIG_")]:
        environ[variable] = os.environ[variable]
    command = [sys.executable, "-m", "bench", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=240, check=False)
