"""docs/reliability.md: a line for each scenario of the table."""

from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from platform import python_version
from typing import NamedTuple

from tests.faults.table.footprint import FAULT_MAY_ADD, LIFE_MAY_ADD, LONG_SAMPLES, Footprint

HEAD = """\
# Reliability

What was done to the dataflow while visits flowed, and what it left in the database. Written by `make faults`.

Each scenario has a pipeline of its own: two processes under `python -m ops run`, up to 3,000 visits a second with \
late and invalid ones among them, on a real Kafka and a real MariaDB. Once a second, during the fault too, every row \
of `window_totals` is compared with the log up to `progress.next_offset` and with what it was before (no total \
falls), `messages` with `visits + rejected`, and the boards with each other. In the end every row, cart and reject is \
compared, each cart once and in order, and `python -m ops verify` must pass. Recovery is the time from the end of the \
fault until everything that had been sent was counted.

Growth is that of processes that were not replaced, from just before the fault to after the recovery: memory (RSS), \
threads, file descriptors, the largest of each. More than {fault_mb:.0f} MB, {fault_threads} threads or \
{fault_descriptors} descriptors fail the scenario. So does, in a process that has owned its partitions for {long_s} s, \
a median of the last third above that of the first third by more than {life_mb:.0f} MB, {life_threads} threads or \
{life_descriptors} descriptors.
"""


class Row(NamedTuple):
    """The result of a scenario that passed."""

    name: str
    description: str
    proof: str
    checks: int
    messages: int
    recovery_s: float
    growth: Footprint | None
    seconds: float


def document(rows: Sequence[Row], failed: Sequence[str], seed: int) -> str:
    """Return the document."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("bytewax", "confluent-kafka", "mariadb"))
    run = f"{datetime.now(UTC):%Y-%m-%d}, seed {seed}, Python {python_version()}, {packages}: {len(rows)} passed"
    lines = [_head(), f"{run}, {len(failed)} failed{': ' + ', '.join(failed) if failed else ''}.", ""]
    lines += ["| scenario | proof | comparisons | messages | recovery | growth |", "|---|---|---|---|---|---|"]
    for row in rows:
        figures = f"{row.checks} | {row.messages:,} | {row.recovery_s:.1f} s | {row.growth or 'replaced'}"
        lines.append(f"| `{row.name}`: {row.description} | {row.proof} | {figures} |")
    return "\n".join(lines) + "\n"


def _head() -> str:
    return HEAD.format(
        fault_mb=FAULT_MAY_ADD.memory_mb,
        fault_threads=FAULT_MAY_ADD.threads,
        fault_descriptors=FAULT_MAY_ADD.descriptors,
        long_s=LONG_SAMPLES,
        life_mb=LIFE_MAY_ADD.memory_mb,
        life_threads=LIFE_MAY_ADD.threads,
        life_descriptors=LIFE_MAY_ADD.descriptors,
    )
