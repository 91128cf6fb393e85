"""Names of any alphabet on an output of any encoding: what it cannot encode is escaped, and nothing ends for it."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import bench.__main__
import ops.__main__
from ops.servers import ROOT
from settings import Settings
from tests.pipeline import run_to_end
from tests.support import process_environment, produce

ENCODINGS = {
    "latin-1": {"PYTHONIOENCODING": "latin-1"},
    "ascii": {"PYTHONIOENCODING": "ascii"},
    "strict": {"PYTHONIOENCODING": "ascii:strict"},
    "C": {"LC_ALL": "C", "LANG": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
}
VISIT = '{"visitDate": "2026-03-01T10:00:00Z", "country": "Türkiye 日本", "lastAction": "CATALOG", "duration": 1}'
HELP = [
    *(["ops", name, "--help"] for name in ops.__main__.COMMANDS),
    *(["bench", name, "--help"] for name in ("pipeline", "latency")),
    *([name, "--help"] for name in ("ops", "bench", "simulate", "leaderboard")),
]


def output_of(environment: dict[str, str], *arguments: str) -> bytes:
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        env=process_environment(environment),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, b"Traceback" in done.stderr) == (0, False), done.stderr
    return done.stdout


@pytest.mark.parametrize("arguments", HELP, ids=" ".join)
def test_every_help(arguments: list[str]) -> None:
    """On ASCII, which is the least."""
    assert output_of({"PYTHONIOENCODING": "ascii:strict"}, *arguments).startswith(b"usage: ")


def test_every_help_is_printed() -> None:
    """Those of the benchmarks import all of them: two stand for all."""
    assert {arguments[1] for arguments in HELP if arguments[0] == "ops" and len(arguments) == 3} == set(
        ops.__main__.COMMANDS
    )
    assert all(importlib.import_module(f"bench.{name}").__doc__ for name in bench.__main__.COMMANDS)


def test_every_command(settings: Settings, environment: dict[str, str], tmp_path: Path) -> None:
    """What prints names and messages."""
    produce(settings, [(0, VISIT), (1, "Ünsinn 日本")])
    run_to_end(environment, tmp_path)
    template = tmp_path / "ü.jsonl"
    template.write_text(VISIT + "\n", encoding="utf-8")
    for name, variables in ENCODINGS.items():
        environ = environment | variables
        turkey = "Türkiye".encode("latin-1" if name == "latin-1" else "ascii", "backslashreplace")
        assert turkey in output_of(environ, "leaderboard", "--terminal", "--once"), name
        output_of(environ, "ops", "status")
        assert b"PASS" in output_of(environ, "ops", "verify"), name
        output_of(environ, "ops", "rejected", "ls")
        output_of(environ, "ops", "rejected", "show")
        output_of(environ, "simulate", "--dry-run", "--count", "20")
        output_of(environ, "simulate", "--dry-run", "--replay", str(template))
