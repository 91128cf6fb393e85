"""Run every scenario of the table, and write docs/reliability.md: python -m tests.faults.table

Each scenario has a pipeline of its own on real servers; visits flow all the time. Every row of the database is compared
with the log once a second meanwhile, and every row, cart and reject in the end, also by `verify`.

Examples:
    python -m tests.faults.table
    python -m tests.faults.table --only kafka-killed --seed 7
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from traceback import extract_tb

from ops.servers import ROOT
from tests.faults.table.report import Row, document
from tests.faults.table.scenario import run
from tests.faults.table.scenarios import SCENARIOS
from tests.faults.table.servers import TableServers

DOCUMENT = ROOT / "docs" / "reliability.md"


def where(error: BaseException) -> str:
    """Return the line that has failed: the assertions of a scenario have no messages."""
    frame = extract_tb(error.__traceback__)[-1]
    return f"({frame.filename}:{frame.lineno}: {frame.line})"


def described(row: Row) -> str:
    """Return a row in one line."""
    growth = row.growth or "replaced"
    return f"{row.name}: {row.proof}; recovered in {row.recovery_s:.1f} s; growth {growth}; took {row.seconds:.0f} s"


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
    rows: list[Row] = []
    failed: list[str] = []
    with TemporaryDirectory(prefix="faults-") as folder:
        servers = TableServers(Path(folder).resolve())
        try:
            for scenario in SCENARIOS:
                if arguments.only and scenario.name not in arguments.only:
                    continue
                place = Path(folder) / scenario.name
                place.mkdir()
                try:
                    row = run(scenario, servers, place, arguments.seed)
                    rows.append(row)
                    print(f"PASS {described(row)}", flush=True)
                except BaseException as error:
                    if isinstance(error, KeyboardInterrupt):
                        raise
                    failed.append(scenario.name)
                    print(f"FAIL {scenario.name}: {error!r} {where(error)}", flush=True)
        finally:
            servers.delete()
    print(f"{len(rows)} passed, {len(failed)} failed, in {sum(row.seconds for row in rows) / 60:.0f} min")
    if not arguments.only:
        DOCUMENT.write_text(document(rows, failed, arguments.seed), encoding="utf-8")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
