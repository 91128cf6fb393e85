"""Run every scenario of the table, and write docs/reliability.md: python -m tests.faults.table

Each scenario has a pipeline of its own on real servers; visits flow all the time. Every row of the database is compared
with the log once a second meanwhile, and every row, cart and reject in the end, also by `verify`.

Examples:
    python -m tests.faults.table
    python -m tests.faults.table --only kafka-killed --seed 7
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from ops.servers import ROOT
from tests.faults.table.arena import TableServers, arena
from tests.faults.table.report import Row, document
from tests.faults.table.scenarios import SCENARIOS, Scenario

DOCUMENT = ROOT / "docs" / "reliability.md"


def run(scenario: Scenario, servers: TableServers, folder: Path, seed: int) -> Row:
    """Run one scenario; any assertion that fails is its result."""
    began = time.monotonic()
    with arena(servers, folder, seed) as place, place.running():
        with place.watching():
            with place.flowing():
                place.wait_for_progress(1000)
                proof = scenario.act(place)
                servers.calm()
            recovery_s = place.wait_until_all_is_counted()
        assert not place.watched.faults, place.watched.faults
        place.check()
        place.check_the_end()
        checks, messages = place.watched.checks, place.watched.highest
    return Row(scenario.name, scenario.description, proof, checks, messages, recovery_s, time.monotonic() - began)


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
    rows, failed = [], []
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
                    print(f"PASS {row.name}: {row.proof}; recovered in {row.recovery_s:.1f} s", flush=True)
                except BaseException as error:
                    if isinstance(error, KeyboardInterrupt):
                        raise
                    failed.append(scenario.name)
                    print(f"FAIL {scenario.name}: {error}", flush=True)
        finally:
            servers.delete()
    if not arguments.only:
        DOCUMENT.write_text(document(rows, failed, arguments.seed), encoding="utf-8")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
