"""The wheel, installed in an environment of its own: every program works far from the checkout."""

import os
import signal
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from ops.servers import ROOT
from ops.servers.processes import free_port
from settings import Settings
from tests.pipeline import progressed
from tests.readme import blocks
from tests.support import is_served, process_environment, wait_until

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SHIPPED = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"]
NOT_SHIPPED = {"bench", "tests"}
INTERRUPTED = -signal.SIGINT
MODULES = {
    "dataflow": "bytewax.run",
    "run": "ops run",
    "ops": "ops",
    "ops demo": "ops demo",
    "ops up": "ops up",
    "ops rejected ls": "ops rejected ls",
    "simulate": "simulate",
    "leaderboard": "leaderboard",
}
"""The programs and some of their commands, and what they are under `python -m`."""


class Installed:
    """The wheel in an environment that has the dependencies too, used in a folder full of names like ours."""

    def __init__(self, wheel: Path, folder: Path) -> None:
        self.wheel = wheel
        self.venv = folder / "venv"
        self.folder = folder / "shop"
        _run(sys.executable, "-m", "venv", "--without-pip", str(self.venv))
        _run(sys.executable, "-m", "pip", "--python", str(self.venv), "install", "--no-deps", "--no-index", str(wheel))
        (self.packages,) = self.venv.glob("lib/python*/site-packages")
        dependencies = {sysconfig.get_path(name) for name in ("purelib", "platlib")}
        (self.packages / "dependencies.pth").write_text("\n".join(dependencies), encoding="utf-8")
        for name in (*SHIPPED, "bytewax", "bench"):
            foreign = self.folder / (name if name.endswith(".py") else f"{name}/__init__.py")
            foreign.parent.mkdir(parents=True, exist_ok=True)
            foreign.write_text("raise ImportError('this is the shop, not the wheel')\n", encoding="utf-8")

    def command(self, line: str) -> list[str]:
        """Return `website-analytics …` as the words of a command."""
        return [str(self.venv / "bin" / "website-analytics"), *line.split()]

    def run(self, line: str, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run `website-analytics …` to its end."""
        return subprocess.run(
            self.command(line),
            cwd=self.folder,
            env=outside(environment or {}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    @contextmanager
    def running(self, line: str, environment: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
        """Run `website-analytics …` as long as this lasts, and fail if it ends by itself."""
        with (self.folder / "log").open("w+b") as log:
            process = subprocess.Popen(
                self.command(line), cwd=self.folder, env=outside(environment), stdout=log, stderr=log
            )
            try:
                yield process
            finally:
                process.kill()
                process.wait()
        assert process.returncode != -signal.SIGKILL, (self.folder / "log").read_text(encoding="utf-8")


def outside(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a process that knows nothing of the checkout."""
    of_process = process_environment({**environment, "COLUMNS": "100"})
    return {name: value for name, value in of_process.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}}


def _run(*command: str) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel of this checkout, built by what the lock file names, without a download."""
    folder = tmp_path_factory.mktemp("wheel")
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(folder)]
    _run(sys.executable, "-m", "pip", "wheel", *options, str(ROOT))
    (wheel,) = folder.glob("*.whl")
    return Installed(wheel, folder)


def test_the_wheel_contains_every_file(installed: Installed) -> None:
    """Of all packages and modules but the benchmarks and the tests; SQL, page and pom too, and compose.yaml."""
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - NOT_SHIPPED
    assert packages | {path.name for path in ROOT.glob("*.py")} == set(SHIPPED)
    here = {
        path.relative_to(ROOT).as_posix()
        for shipped in SHIPPED
        for path in ((ROOT / shipped).rglob("*") if (ROOT / shipped).is_dir() else [ROOT / shipped])
        if path.is_file() and "__pycache__" not in path.parts
    }
    names = {name for name in zipfile.ZipFile(installed.wheel).namelist() if ".dist-info/" not in name}
    assert names == here | {"ops/servers/compose.yaml"}
    assert {"clients/sql/queries.sql", "leaderboard/static/index.html", "ops/servers/pom.xml"} < names


@pytest.mark.parametrize("program", MODULES)
def test_every_program_has_its_help(installed: Installed, program: str) -> None:
    """The same as under `python -m` in the checkout."""
    environment = process_environment({"COLUMNS": "100"})
    module = subprocess.run(
        [sys.executable, "-m", *MODULES[program].split(), "--help"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    done = installed.run(f"{program} --help")
    assert (done.returncode, done.stdout, done.stderr) == (0, module.stdout, "")
    assert done.stdout.startswith(f"usage: python -m {MODULES[program]} ")


def test_the_command_itself(installed: Installed) -> None:
    """Its version, its help, which names every program, and its errors."""
    version = installed.run("--version")
    assert (version.returncode, version.stdout) == (0, f"website-analytics {PROJECT['project']['version']}\n")
    shown = installed.run("--help")
    assert shown.returncode == 0
    assert [name for name in MODULES if f"website-analytics {name.split()[0]} " not in shown.stdout] == []
    for line in ("", "--", "ship", "--ship", "ops ship", "dataflow --ship"):
        assert installed.run(line).returncode == 2, line


def test_what_needs_the_checkout_is_one_line(installed: Installed) -> None:
    """With the cure, although the folder has something of that name."""
    done = installed.run("bench suite")
    message = "bench is not installed: run make bench in a checkout of the project\n"
    assert (done.returncode, done.stdout, done.stderr) == (78, "", message)


@pytest.mark.parametrize("line", ["dataflow -w 4", "run -p 2", "ops provision", "simulate", "leaderboard"])
def test_a_wrong_setting_is_one_line_and_its_code(installed: Installed, line: str) -> None:
    """As under `python -m`."""
    done = installed.run(line, {"BATCH_MESSAGES": "none"})
    assert done.returncode == 78
    assert "BATCH_MESSAGES is 'none', but must be 1 to 100000 messages" in done.stderr
    assert done.stderr.count("\n") == 1


def test_local_servers_belong_to_the_working_directory(installed: Installed) -> None:
    """Nothing is written beside the packages."""
    assert installed.run("ops down").returncode == 0
    assert (installed.folder / ".local" / "lock").exists()
    assert not (installed.packages / ".local").exists()


def test_a_whole_flow(installed: Installed, environment: dict[str, str]) -> None:
    """Provision, send, count in one process and in two that the command itself starts, look, verify."""
    at_end = environment | {"STOP_AT_END": "1", "BOARD_PORT": str(free_port())}
    for line, shown in {
        "ops provision": "",
        "simulate --count 3000 --seed 1 --malformed-share 0.01": "",
        "dataflow -w 4": "",
        "simulate --count 2000 --seed 2": "",
        "run -p 2": "",
        "ops verify": "PASS: 4 partitions, 5000 messages",
        "ops status": "lag",
        "leaderboard --terminal --once": "SHOPPING_CART",
    }.items():
        done = installed.run(line, at_end)
        assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"
        assert shown in done.stdout, line
    with installed.running("leaderboard", at_end) as board:
        wait_until(lambda: is_served(at_end["BOARD_PORT"]), deadline_s=60, what="the page")
        board.send_signal(signal.SIGINT)
        assert board.wait(30) == 0


@pytest.mark.parametrize(
    ("line", "number", "code"),
    [("dataflow -w 2", signal.SIGINT, INTERRUPTED), ("run -p 1", signal.SIGTERM, 0), ("run -p 1", signal.SIGINT, 0)],
)
def test_signals_end_it_as_under_python_m(
    installed: Installed, settings: Settings, environment: dict[str, str], line: str, number: signal.Signals, code: int
) -> None:
    """In mid-run."""
    with installed.running(line, environment) as process:
        assert installed.run("simulate --count 500", environment).returncode == 0
        wait_until(lambda: progressed(settings) == 500, deadline_s=60, what="500 messages counted")
        process.send_signal(number)
        assert process.wait(30) == code


def test_the_readmes_example_runs_where_the_wheel_is_installed(installed: Installed, tmp_path: Path) -> None:
    """In an adopter's own test environment."""
    (example,) = blocks("python")
    (tmp_path / "test_carts.py").write_text(example, encoding="utf-8")
    command = [str(installed.venv / "bin" / "python"), "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_carts.py"]
    done = subprocess.run(command, cwd=tmp_path, env=outside({}), capture_output=True, text=True, check=False)
    assert (done.returncode, "1 passed" in done.stdout) == (0, True), done.stdout + done.stderr
    assert os.fspath(ROOT) not in done.stdout
