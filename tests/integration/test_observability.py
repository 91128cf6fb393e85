"""deploy/observability: rules and dashboards, by a real Prometheus that has scraped a real dataflow and page."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
from ruamel.yaml import YAML

from ops.servers import ROOT
from ops.servers.processes import free_port
from settings import Settings
from tests.browser.server import serving
from tests.metrics import free_ports
from tests.pipeline import progressed, running
from tests.support import produce, query, wait_until
from tests.traffic import traffic

FOLDER = ROOT / "deploy" / "observability"
DASHBOARDS = {
    path.stem: json.loads(path.read_text(encoding="utf-8")) for path in FOLDER.glob("grafana/dashboards/*.json")
}


def installed(program: str) -> str:
    """Return the path of a program of Debian's package prometheus; without it fail in CI, and skip elsewhere."""
    path = shutil.which(program)
    if path is None and os.environ.get("CI"):
        pytest.fail(f"{program} is missing: install Debian's package prometheus")
    if path is None:
        pytest.skip(f"{program} is missing: install Debian's package prometheus")
    return path


def panels(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = DASHBOARDS[name]["panels"]
    return found


def test_the_rules_are_valid_and_fire_when_they_should() -> None:
    """promtool checks them, and runs their unit tests."""
    promtool = installed("promtool")
    for command in (["check", "config", "prometheus.yml"], ["test", "rules", "alerts_test.yml"]):
        done = subprocess.run([promtool, *command], cwd=FOLDER, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_test_and_a_place_in_the_docs() -> None:
    """One that fires, and one that does not."""
    rules = YAML(typ="safe").load(FOLDER / "alerts.yml")["groups"][0]["rules"]
    tested = (FOLDER / "alerts_test.yml").read_text(encoding="utf-8")
    documented = (ROOT / "docs" / "monitoring.md").read_text(encoding="utf-8")
    for rule in rules:
        assert tested.count(f"alertname: {rule['alert']}") >= 2
        assert f"`{rule['alert']}`" in documented


@contextmanager
def prometheus(folder: Path, **ports: list[int]) -> Iterator[str]:
    """Run Prometheus as configured, but on these ports of each job, every half second; yield its address."""
    configuration = YAML(typ="safe").load(FOLDER / "prometheus.yml")
    configuration["global"]["scrape_interval"] = "500ms"
    for job in configuration["scrape_configs"]:
        job["static_configs"] = [{"targets": [f"127.0.0.1:{port}" for port in ports[job["job_name"]]]}]
    YAML().dump(configuration, folder / "prometheus.yml")
    shutil.copy(FOLDER / "alerts.yml", folder)
    address = f"127.0.0.1:{free_port()}"
    options = [f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/tsdb"]
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(
            [installed("prometheus"), *options, f"--web.listen-address={address}"], stdout=log, stderr=log
        )
    try:
        yield address
    finally:
        process.terminate()
        process.wait(30)


def rows(address: str, expression: str) -> list[Any]:
    """Return what Prometheus finds; nothing before it listens."""
    try:
        with urlopen(f"http://{address}/api/v1/query?{urlencode({'query': expression})}", timeout=10) as response:
            found: list[Any] = json.load(response)["data"]["result"]
    except OSError:
        return []
    return [row for row in found if row["value"][1] != "NaN"]


def test_every_query_of_the_dashboards_finds_rows(
    settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    """Those of Prometheus while a dataflow counts and retries, those of MariaDB as the leaderboard's user."""
    installed("prometheus")
    first = free_ports(2)
    produce(settings, [(message.partition, message.value) for message in traffic(4000)])
    expressions = {
        panel["title"]: [target["expr"].replace("$__rate_interval", "1m") for target in panel["targets"]]
        for panel in panels("operators")
    }
    assert len(expressions) == len(panels("operators")) > 15
    with (
        running(environment | {"METRICS_PORT": str(first)}, tmp_path, processes=2),
        serving(environment, tmp_path, ready="/livez") as board,
        prometheus(tmp_path, dataflow=[first, first + 1], leaderboard=[board.port]) as address,
    ):
        wait_until(lambda: progressed(settings) == 4000, deadline_s=60, what="4000 messages counted")
        wait_until(
            lambda: rows(address, "sum(website_analytics_owned_partitions) == 4"), deadline_s=60, what="a scrape"
        )
        connections = "SELECT ID FROM information_schema.PROCESSLIST WHERE USER = ?"
        for (number,) in query(settings, connections, (settings.mariadb_user,)):
            query(settings, f"KILL {number}")
        produce(settings, [(message.partition, message.value) for message in traffic(4000, seed=2)])
        wait_until(lambda: progressed(settings) == 8000, deadline_s=60, what="8000 messages counted")
        for title, some in expressions.items():
            for expression in some:
                what = f"{title}: {expression}"
                wait_until(partial(rows, address, expression), deadline_s=60, what=what)
    user, password = settings.mariadb_reader_user, settings.mariadb_reader_password
    as_reader = replace(settings, mariadb_admin_user=user, mariadb_admin_password=password)
    for panel in panels("shop"):
        for target in panel["targets"]:
            statement = target["rawSql"].replace("$__timeFilter(window_start)", "window_start >= '1970-01-01'")
            assert query(as_reader, statement), panel["title"]
