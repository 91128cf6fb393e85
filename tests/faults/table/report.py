"""docs/reliability.md: a line for each scenario of the table."""

from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from platform import python_version
from typing import NamedTuple

HEAD = """\
# Reliability

What was done to the dataflow while visits flowed, and what it left in the database. Written by `make faults`.

Each scenario has a pipeline of its own: two processes under `python -m ops run`, 3,000 visits a second with late and \
invalid ones among them, on a real Kafka and a real MariaDB. Once a second, during the fault too, every row of \
`window_totals` is compared with the log up to `progress.next_offset`, `messages` with `visits + rejected`, the boards \
with each other, and the number of messages with the one before. In the end every row, cart and reject is compared, \
each cart once and in order, and `python -m ops verify` must pass. Recovery is the time from the end of the fault \
until everything that had been sent was counted.
"""


class Row(NamedTuple):
    """The result of a scenario that passed."""

    name: str
    description: str
    proof: str
    checks: int
    messages: int
    recovery_s: float
    seconds: float


def document(rows: Sequence[Row], failed: Sequence[str], seed: int) -> str:
    """Return the document."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("bytewax", "confluent-kafka", "mariadb"))
    run = f"{datetime.now(UTC):%Y-%m-%d}, seed {seed}, Python {python_version()}, {packages}: {len(rows)} passed"
    lines = [HEAD, f"{run}, {len(failed)} failed{': ' + ', '.join(failed) if failed else ''}.", ""]
    lines += ["| scenario | proof | comparisons | messages | recovery |", "|---|---|---|---|---|"]
    for row in rows:
        figures = f"{row.checks} | {row.messages:,} | {row.recovery_s:.1f} s"
        lines.append(f"| `{row.name}`: {row.description} | {row.proof} | {figures} |")
    return "\n".join(lines) + "\n"
