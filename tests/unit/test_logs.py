"""Log lines: text for people, one JSON object a line for machines."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta

import msgspec

from ops.servers.software import ROOT

LOGS = """
import logging, sys
from pathlib import Path
from process import logs
logs.set_up(sys.argv[1])
logger = logging.getLogger("sinks.kafka")
logger.debug("not this one")
logger.info("%s owned from offset %d", "Türkiye", 7, extra={"action": "owned", "offset": 7})
logger.warning("two\\nlines", extra={"path": Path("/a"), "error": ValueError("odd")})
try:
    raise KeyError("gone")
except KeyError:
    logger.exception("failed")
"""


def output_of(log_format: str) -> str:
    """Return what these log calls write to standard error; nothing goes to standard output."""
    command = [sys.executable, "-c", LOGS, log_format]
    done = subprocess.run(command, cwd=ROOT, env={}, capture_output=True, check=True, timeout=60)
    assert done.stdout == b""
    return done.stderr.decode()


def test_json_is_one_object_a_line() -> None:
    """With time, level, logger, message, every extra, and the exception where there is one."""
    owned, two_lines, failed = map(msgspec.json.decode, output_of("json").splitlines())
    written = datetime.fromisoformat(owned.pop("time"))
    assert abs(datetime.now(UTC) - written) < timedelta(minutes=10)
    assert owned == {
        "level": "info",
        "logger": "sinks.kafka",
        "message": "Türkiye owned from offset 7",
        "action": "owned",
        "offset": 7,
    }
    assert (two_lines["message"], two_lines["path"], two_lines["error"]) == ("two\nlines", "/a", "odd")
    assert (failed["level"], failed["message"]) == ("error", "failed")
    assert failed["exception"].startswith("Traceback (most recent call last):")
    assert failed["exception"].endswith("KeyError: 'gone'")


def test_text_is_for_people() -> None:
    """Time, level, logger and message; DEBUG is left out."""
    first, *_ = output_of("text").splitlines()
    assert first.endswith(" INFO     sinks.kafka: Türkiye owned from offset 7")
    assert datetime.fromisoformat(first.partition(" INFO")[0].replace(",", ".")).year >= 2026
    assert "not this one" not in output_of("text")


def test_what_the_system_could_not_decode_is_escaped() -> None:
    """A line with a lone surrogate, as of a variable that is no UTF-8, is not lost."""
    program = (
        "import logging; from process import logs; logs.set_up('json'); "
        "logging.error('KAFKA_GROUP_ID is %s', 'a\\udcff')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env={}, capture_output=True, check=True, timeout=60
    )
    assert msgspec.json.decode(done.stderr)["message"] == "KAFKA_GROUP_ID is a\\udcff"
