"""Measure the pipeline, the same work on Bytewax's stock operators, and the simulator. See bench/README.md."""

import argparse
import importlib
import logging
import signal
import sys
from collections.abc import Sequence

from process.errors import Fatal
from process.output import escape_unencodable

COMMANDS = (
    *("pipeline", "floor", "writes", "latency", "idle", "startup", "junk", "stock", "compare", "peers", "simulate"),
    *("decode", "viewers", "suite", "report"),
)
"""Every one is a module of this package: its docstring is the help, with add_arguments(parser) and main(arguments)."""

_MODULES = {"report": "document"}  # bench.report is what one run prints


def main(argv: Sequence[str]) -> int:
    """Run one benchmark; return its exit code."""
    escape_unencodable()
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="command")
    modules = {name: importlib.import_module(f"bench.{_MODULES.get(name, name)}") for name in COMMANDS}
    for name, module in modules.items():
        text = module.__doc__ or ""
        layout = argparse.RawDescriptionHelpFormatter
        subparser = subparsers.add_parser(name, help=text.split("\n", 1)[0], description=text, formatter_class=layout)
        module.add_arguments(subparser)
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    # Topics, databases and servers are removed on the way out: also on SIGTERM.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        return int(modules[arguments.command].main(arguments))
    except Fatal as fatal:
        print(fatal.message, file=sys.stderr)
        return fatal.code
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
