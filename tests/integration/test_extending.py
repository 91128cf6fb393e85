"""docs/extending.md: every block of it, in a copy of the project, on real servers."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

from clients import kafka
from ops.servers import ROOT
from settings import Settings
from tests.support import process_environment, produce, query, read_committed

DOCUMENT = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"```python\n# (operators/\w+\.py), at the end of [\w ]+\n(.*?)```", DOCUMENT, re.DOTALL))
ENDS = {
    "operators/visit.py": r"    duration: Seconds\n",
    "operators/boards.py": r"    Board\(.country/action.*\n",
    "operators/outputs.py": r"        Output\(.carts., .*\n",
}
"""What each block is added behind."""

NOT_COPIED = shutil.ignore_patterns(".*", "__pycache__", "tests", "bench", "test-output", "build", "dist", "*.egg-info")


def extended(folder: Path, orders: str) -> Path:
    """Return a copy of the project with all blocks applied; the topic of orders has another name."""
    copy = folder / "copy"
    shutil.copytree(ROOT, copy, ignore=NOT_COPIED)
    assert set(BLOCKS) == set(ENDS)
    for path, block in BLOCKS.items():
        text = (copy / path).read_text(encoding="utf-8")
        (last,) = re.findall(ENDS[path], text)
        added = block.replace("website.orders", orders)
        (copy / path).write_text(text.replace(last, last + added), encoding="utf-8")
    return copy


def run(copy: Path, environment: dict[str, str], *command: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=copy,
        env=process_environment(environment) | {"PYTHONPATH": str(copy)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def remove_topic(settings: Settings, topic: str) -> None:
    admin = kafka.admin_client(settings)  # kept: its futures end with it
    for future in admin.delete_topics([topic]).values():
        future.result()


def visit(action: str, **more: str) -> bytes:
    fields = {"visitDate": "2026-03-01T10:00:00Z", "country": "NOR", "lastAction": action, "duration": 5} | more
    return json.dumps(fields).encode()


def test_a_field_a_board_and_an_output_of_your_own(environment: dict[str, str], tmp_path: Path) -> None:
    """One line each: stored, recounted, in the simulator's truth, and added to a database that has counted."""
    settings = Settings.from_environment(environment)
    orders = settings.visits_topic.replace("visits", "orders")
    copy = extended(tmp_path, orders)
    try:
        run(copy, environment, "ops", "provision")
        flow = ("bytewax.run", "dataflow:flow", "-w", "2")
        to_end = environment | {"STOP_AT_END": "1"}
        produce(
            settings, [(0, visit("ORDER", device="phone")), (1, visit("ORDER")), (1, visit("FAQ", device="TV/box"))]
        )
        produce(settings, [(2, visit("ORDER", device="")), (2, visit("ORDER", device="phone\n"))])
        run(copy, to_end, *flow)
        lines = [json.loads(record.value or b"") for record in read_committed(settings, orders)]
        assert sorted(line["device"] for line in lines) == ["phone", "unknown"]
        assert "3 visits, 2 rejected" in run(copy, environment, "ops", "verify")

        assert "3 visits counted" in run(copy, environment, "ops", "boards", "add", "device")
        environment |= {"BOARDS": "action,country,device"}
        to_end |= environment
        devices = "SELECT entry, visits FROM window_totals WHERE board = 'device' AND length_s = 5 ORDER BY entry"
        assert query(settings, devices) == [("TV/box", 1), ("phone", 1), ("unknown", 1)]

        arguments = ("--count", "2000", "--rate", "0", "--malformed-share", "0.05", "--truth", str(tmp_path / "truth"))
        run(copy, environment, "simulate", *arguments)
        run(copy, to_end, *flow)
        assert "PASS" in run(copy, environment, "ops", "verify")
        assert query(settings, devices.replace("5 ORDER", "86400 ORDER"))[-1][0] == "unknown"
    finally:
        remove_topic(settings, orders)


def test_what_is_added_counts_from_the_start_too(environment: dict[str, str], tmp_path: Path) -> None:
    """Provisioned with all of it: the simulator's truth and the recount agree with the database."""
    settings = Settings.from_environment(environment)
    orders = settings.visits_topic.replace("visits", "orders")
    copy = extended(tmp_path, orders)
    environment |= {"BOARDS": "country/action,device", "VISIT_FIELDS": "device:context.device"}
    try:
        run(copy, environment, "ops", "provision")
        arguments = ("--count", "2000", "--rate", "0", "--malformed-share", "0.05", "--truth", str(tmp_path / "truth"))
        run(copy, environment, "simulate", *arguments)
        run(copy, environment | {"STOP_AT_END": "1"}, "bytewax.run", "dataflow:flow")
        assert "PASS" in run(copy, environment, "ops", "verify", "--truth", str(tmp_path / "truth"))
        assert len(read_committed(settings, orders)) > 100
    finally:
        remove_topic(settings, orders)
