"""Run every scenario of the table, and write docs/reliability.md: python -m tests.faults.table

Each scenario has a pipeline of its own on real servers; visits flow all the time. Every row of the database is compared
with the log once a second meanwhile, and every row, cart and reject in the end, also by `verify`.

Examples:
    python -m tests.faults.table
    python -m tests.faults.table --only kafka-killed --seed 7
"""

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from traceback import extract_tb

from ops.servers import ROOT
from tests.faults.table.report import Row, document
from tests.faults.table.scenario import Scenario, run
from tests.faults.table.scenarios import SCENARIOS
from tests.faults.table.servers import TableServers

DOCUMENT = ROOT / "docs" / "reliability.md"


def main(argv: Sequence[str]) -> int:
    """Run what is asked for; 1 if a scenario has failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.table", description=__doc__.split("\n", 1)[0])
    names = [scenario.name for scenario in SCENARIOS]
    parser.add_argument("--only", action="append", choices=names, metavar="NAME", help="this scenario; may be repeated")
    parser.add_argument("--seed", type=int, default=1, help="of visits and random moments (default 1)")
    parser.add_argument("--list", action="store_true", help="print the scenarios' names")
    arguments = parser.parse_args(argv)
    if arguments.list:
        print("\n".join(names))
        return 0
    for number in (signal.SIGTERM, signal.SIGINT):  # an orderly end: the servers are stopped
        signal.signal(number, signal.default_int_handler)
    wanted = arguments.only or names
    rows, failed = run_all([scenario for scenario in SCENARIOS if scenario.name in wanted], arguments.seed)
    minutes = sum(row.seconds for row in rows) / 60
    print(f"{len(rows)} passed in {minutes:.0f} min, {len(failed)} failed {' '.join(failed)}")
    if not arguments.only:
        DOCUMENT.write_text(document(rows, failed, arguments.seed), encoding="utf-8")
    return 1 if failed else 0


def run_all(scenarios: Sequence[Scenario], seed: int) -> tuple[list[Row], list[str]]:
    """Run one scenario after the other; return the rows of those that passed, and the names of the others."""
    rows: list[Row] = []
    failed: list[str] = []
    with TemporaryDirectory(prefix="faults-") as name:
        folder = Path(name).resolve()
        servers = TableServers(folder)
        try:
            for scenario in scenarios:
                place = folder / scenario.name
                place.mkdir()
                try:
                    rows.append(run(scenario, servers, place, seed))
                    print(f"PASS {described(rows[-1])}", flush=True)
                except KeyboardInterrupt:
                    raise
                except BaseException as error:  # pytest's own failures are no Exception
                    failed.append(scenario.name)
                    print(f"FAIL {scenario.name}: {error!r} {where(error)}", flush=True)
        finally:
            servers.delete()
    return rows, failed


def described(row: Row) -> str:
    """Return a row in one line."""
    growth = row.growth or "replaced"
    return f"{row.name}: {row.proof}; recovered in {row.recovery_s:.1f} s; growth {growth}; took {row.seconds:.0f} s"


def where(error: BaseException) -> str:
    """Return the line that has failed: the assertions of a scenario have no messages."""
    frame = extract_tb(error.__traceback__)[-1]
    return f"({frame.filename}:{frame.lineno}: {frame.line})"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
