"""compose.yaml and Dockerfile: valid by the specification, and every service runs by its command there.

No Docker engine is needed: Kafka and MariaDB are the tests' own, and each service of ours is a plain process in
a folder that holds what the image would, with the environment that compose would give it.
"""

import json
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from ops.servers import ROOT
from ops.servers.processes import free_port
from settings import KAFKA_CONFIG_PREFIX, Settings, variable_of
from tests.pipeline import progressed
from tests.support import ends, wait_until

OURS = ("provision", "dataflow", "leaderboard", "simulate")
OTHERS = {"prometheus": ["observability"], "grafana": ["observability"], "kafka-ui": ["ui"]}
"""Services that a profile adds, and are other people's."""
VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?::(?P<how>[-?])(?P<text>[^}]*))?\}")

Service = dict[str, Any]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = YAML(typ="safe").load(ROOT / "compose.yaml")
    return loaded


def interpolated(text: str, environ: Mapping[str, str]) -> str:
    """Replace ${NAME}, ${NAME:-default} and ${NAME:?message} as compose does."""

    def value(found: re.Match[str]) -> str:
        given = environ.get(found["name"], "")
        if not given and found["how"] == "?":
            raise KeyError(found["name"])
        return given or (found["text"] or "" if found["how"] == "-" else "")

    return VARIABLE.sub(value, text)


def test_it_is_valid_by_the_specification() -> None:
    """The Compose specification's own JSON schema, as check-jsonschema ships it."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", "compose.yaml"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_services_images_ports_and_secrets(compose: dict[str, Any]) -> None:
    """Images are pinned, ports are this machine's alone, and no password is in the file."""
    services: dict[str, Service] = compose["services"]
    assert set(services) == {"kafka", "mariadb", *OURS, *OTHERS}
    for name, service in services.items():
        assert re.search(r":v?\d+\.\d+\.\d+$|:local$", service["image"]), name
        assert all(str(port).startswith("127.0.0.1:") for port in service.get("ports", [])), name
        for variable, value in service.get("environment", {}).items():
            if "PASSWORD" in variable:
                assert VARIABLE.fullmatch(value), (name, variable)
    ports = {name for name, service in services.items() if "ports" in service}
    assert ports == {"kafka", "mariadb", "leaderboard", *OTHERS}
    assert {name for name, service in services.items() if "healthcheck" in service} == {
        "kafka",
        "mariadb",
        "leaderboard",
    }
    profiles = {name: service["profiles"] for name, service in services.items() if "profiles" in service}
    assert profiles == {"simulate": ["load"], **OTHERS}
    assert {name for name in OURS if "MARIADB_ADMIN_PASSWORD" in services[name]["environment"]} == {"provision"}


def test_only_the_root_password_is_required(compose: dict[str, Any]) -> None:
    """`python -m ops up` starts the services kafka and mariadb with three variables and no more."""
    text = (ROOT / "compose.yaml").read_text(encoding="utf-8")
    assert {found["name"] for found in VARIABLE.finditer(text) if found["how"] == "?"} == {"MARIADB_ROOT_PASSWORD"}
    given = {"KAFKA_PORT": "1", "MARIADB_PORT": "2", "MARIADB_ROOT_PASSWORD": "secret"}
    ports = [interpolated(compose["services"][name]["ports"][0], given) for name in ("kafka", "mariadb")]
    assert ports == ["127.0.0.1:1:9092", "127.0.0.1:2:3306"]
    advertised = interpolated(compose["services"]["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"], given)
    assert advertised == "CONTAINERS://kafka:19092,MACHINE://127.0.0.1:1"


def test_env_example_lists_what_is_composes_alone() -> None:
    """Its last section, each with compose.yaml's default."""
    text = (ROOT / "compose.yaml").read_text(encoding="utf-8")
    settings = {variable_of(spec) for spec in fields(Settings)}
    used = {found["name"]: found["text"] if found["how"] == "-" else "" for found in VARIABLE.finditer(text)}
    _, section = (ROOT / ".env.example").read_text(encoding="utf-8").split("# For compose.yaml alone.")
    listed = dict(re.findall(r"^#([A-Z_]+)=(.*)$", section, re.MULTILINE))
    assert listed == {name: default for name, default in used.items() if name not in settings}


def test_ours_wait_for_what_they_need(compose: dict[str, Any]) -> None:
    """Servers healthy first, then provision once, then the rest."""
    services: dict[str, Service] = compose["services"]
    healthy = {"kafka": {"condition": "service_healthy"}, "mariadb": {"condition": "service_healthy"}}
    provisioned = {"provision": {"condition": "service_completed_successfully"}}
    assert services["provision"]["depends_on"] == healthy
    assert "restart" not in services["provision"]
    for name in ("dataflow", "leaderboard", "simulate"):
        assert services[name]["depends_on"] == provisioned | healthy


def test_every_setting_reaches_the_services_that_read_it(compose: dict[str, Any]) -> None:
    """A setting that is added is passed on too, or listed here as one that containers do not use."""
    passed = {variable for name in OURS for variable in compose["services"][name]["environment"]}
    known = {variable_of(spec) for spec in fields(Settings) if "parse" in spec.metadata}
    elsewhere = {"MARIADB_TLS_CA", "MARIADB_PASSWORD_FILE", "STOP_AT_END"}
    assert passed | elsewhere == known


def test_the_image_is_ours_to_read_alone() -> None:
    """Two stages of one pinned release, hashes, no root; and .env is not in the build context."""
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    begins = [re.fullmatch(r"FROM (\S+)( AS installed)?", line) for line in lines if line.startswith("FROM ")]
    images = [begin[1] for begin in begins if begin]
    assert len(images) == 2
    assert images[0] == images[1]
    assert re.fullmatch(r"python:3\.1[12]\.\d+-slim-[a-z]+", images[0])
    assert any("--require-hashes -r /tmp/requirements.lock" in line for line in lines)
    assert [line for line in lines if line.startswith("USER ")] == ["USER website"]
    assert not [path for path in context() if ".env" in path.name or "dev" in path.name]


def context() -> list[Path]:
    """Return what .dockerignore admits, of the top level: nothing but what a line with ! names."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line and not line.startswith(("#", "!", "**/"))] == ["*"]
    return sorted(path for line in lines if line.startswith("!") for path in ROOT.glob(line[1:]))


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A folder with what the Dockerfile copies into /app."""
    app, allowed = tmp_path / "app", context()
    app.mkdir()
    for line in (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines():
        if not line.startswith("COPY ") or "--from" in line or "requirements" in line:
            continue
        _, source, target = line.split()
        for path in ROOT.glob(source):
            assert path in allowed, path
            if path.is_dir():
                shutil.copytree(path, app / target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(path, app / target)
    return app


class Composition:
    """The services of ours as processes: their command and environment are compose.yaml's."""

    def __init__(self, compose: dict[str, Any], environment: Mapping[str, str], image: Path) -> None:
        self._services: dict[str, Service] = compose["services"]
        self._image = image
        self.board_port = str(free_port())
        self._given = {**environment, "MARIADB_ROOT_PASSWORD": environment["MARIADB_ADMIN_PASSWORD"]}
        # What containers reach by their names has other addresses here.
        here = ("KAFKA_BOOTSTRAP_SERVERS", "MARIADB_HOST", "MARIADB_PORT", "MARIADB_ADMIN_USER")
        self._here = {name: environment[name] for name in here}
        secured = (name for name in environment if name.startswith(KAFKA_CONFIG_PREFIX) or name == "MARIADB_TLS_CA")
        self._secured = {name: environment[name] for name in secured}

    def command(self, name: str) -> list[str]:
        return [interpolated(word, self._given) for word in self._services[name]["command"]]

    def run(self, name: str, command: list[str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run a service, or another command in its place, to its end."""
        place = self._place(name)
        command = command or self.command(name)
        return subprocess.run(command, **place, capture_output=True, text=True, timeout=100, check=False)

    def healthy(self, name: str) -> bool:
        """Run a service's health check."""
        kind, *command = self._services[name]["healthcheck"]["test"]
        assert kind == "CMD"
        return self.run(name, [word.replace(":8000/", f":{self.board_port}/") for word in command]).returncode == 0

    def shown_visits(self) -> int:
        """Return how many visits the board has counted."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.board_port}/api/v1/status", timeout=10) as status:
            return int(json.load(status)["visits"])

    @contextmanager
    def running(self, name: str) -> Iterator[subprocess.Popen[bytes]]:
        """Run a service; end it as compose does, within its grace period."""
        with (self._image.parent / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(self.command(name), stdout=log, stderr=log, **self._place(name))
        try:
            yield process
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0, self.output(name)
        finally:
            process.kill()
            process.wait(30)

    def output(self, name: str) -> str:
        return (self._image.parent / f"{name}.log").read_text(encoding="utf-8")[-2000:]

    def _place(self, name: str) -> dict[str, Any]:
        environ = {key: interpolated(value, self._given) for key, value in self._services[name]["environment"].items()}
        environ |= {key: value for key, value in self._here.items() if key in environ} | self._secured
        if name == "leaderboard":
            environ["BOARD_PORT"] = self.board_port
        environ["PATH"] = f"{Path(sys.executable).parent}:/usr/bin:/bin"
        return {"cwd": self._image, "env": environ, "stdin": subprocess.DEVNULL}


def test_every_service_runs_as_in_compose(compose: dict[str, Any], environment: dict[str, str], image: Path) -> None:
    """Visits are sent, counted and shown; each service ends within its grace period, and verify passes."""
    settings = Settings.from_environment(environment)
    composition = Composition(compose, environment | {"DATAFLOW_PROCESSES": "2", "SIMULATE_RATE": "300"}, image)
    for _ in range(2):  # compose runs it again at every up
        provisioned = composition.run("provision")
        assert provisioned.returncode == 0, provisioned.stderr
    with composition.running("dataflow"), composition.running("leaderboard"):
        wait_until(lambda: composition.healthy("leaderboard"), deadline_s=90, what="the board's health")
        with composition.running("simulate"):
            wait_until(lambda: progressed(settings) >= 300, deadline_s=120, what=lambda: composition.output("dataflow"))
            wait_until(composition.shown_visits, deadline_s=90, what="visits on the board")
        sent = sum(ends(settings, settings.visits_topic).values())
        wait_until(lambda: progressed(settings) == sent, deadline_s=120, what="all counted")
    verified = composition.run("leaderboard", ["python", "-m", "ops", "verify"])  # as the reader
    assert verified.returncode == 0, verified.stdout + verified.stderr
