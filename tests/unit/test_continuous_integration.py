"""What runs the checks elsewhere: a forge's workflow and pre-commit."""

import subprocess
import sys

from ruamel.yaml import YAML

from ops.servers.software import ROOT


def test_the_workflow_runs_what_we_run() -> None:
    """It fits its schema, and calls .ci/run on every Python that the project supports."""
    path = ".github/workflows/ci.yml"
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", path]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    job = YAML(typ="safe").load(ROOT / path)["jobs"]["run"]
    assert job["strategy"]["matrix"] == {"python": ["3.11", "3.12"]}
    assert [step["run"] for step in job["steps"] if "run" in step] == [".ci/run"]


def test_pre_commit_runs_make_lint() -> None:
    """The checks that .ci/run begins with."""
    (repository,) = YAML(typ="safe").load(ROOT / ".pre-commit-config.yaml")["repos"]
    assert [(hook["id"], hook["entry"]) for hook in repository["hooks"]] == [("lint", "make lint")]
