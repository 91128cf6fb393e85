"""Commands around the dataflow: servers, provisioning, running, checking."""

import argparse
import importlib
import logging
import sys
from types import ModuleType

from process import logs
from process.errors import Fatal
from process.output import escape_unencodable
from process.signals import hold_signals
from settings import Settings

COMMANDS = (
    "up",
    "down",
    "status",
    "health",
    "provision",
    "reset",
    "run",
    "verify",
    "rejected",
    "windows",
    "boards",
    "demo",
)
"""Every one is a module of this package: its docstring is the help, with add_arguments(parser) and main(arguments)."""


def main(argv: list[str]) -> int:
    """Run one command; return its exit code."""
    if argv[:1] == ["run"]:  # a service is stopped at any moment: also while it imports, and while it ends
        hold_signals()
    escape_unencodable()
    parser = argparse.ArgumentParser(prog="python -m ops", description=__doc__)
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="command")
    chosen = [argv[0]] if argv and argv[0] in COMMANDS else COMMANDS
    modules = {name: _added(subparsers, name) for name in chosen}
    arguments = parser.parse_args(argv)
    try:
        _set_up_logs(arguments.command)
        return int(modules[arguments.command].main(arguments))
    except Fatal as fatal:
        print(fatal.message, file=sys.stderr)
        return fatal.code
    except KeyboardInterrupt:
        return 130


def _added(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str) -> ModuleType:
    module = importlib.import_module(f"ops.{name}")
    text = module.__doc__ or ""
    parser = subparsers.add_parser(
        name,
        help=text.split("\n", 1)[0],
        description=text,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.add_arguments(parser)
    return module


def _set_up_logs(command: str) -> None:
    """Let a service log as the dataflow does; the other commands print their steps as plain text."""
    log_format = Settings.from_environment().log_format
    if command == "run" or log_format == "json":
        logs.set_up(log_format)
    else:
        logging.basicConfig(level=logging.INFO, format="%(message)s")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
