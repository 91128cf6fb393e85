"""`python -m simulate`: the load generator; sends made-up or recorded visits to Kafka."""

import os
import sys
import time
from collections.abc import Sequence

import msgspec

from clients.kafka import printable
from process.errors import Fatal
from process.output import escape_unencodable
from process.signals import stop_signals
from settings import Settings
from simulate.arguments import options_of
from simulate.options import Options
from simulate.run import TICK_S, deadline_of, simulate, source_of
from simulate.summary import text_of

DELIVERY_FAILED = 1


def main(argv: Sequence[str]) -> int:
    """Run once; return the exit code: 0 when every delivery was acknowledged."""
    escape_unencodable()
    options = options_of(argv)
    try:
        settings = Settings.from_environment()
        if options.dry_run:
            return _print(options, settings)
        return _run(options, settings)
    except Fatal as fatal:
        print(f"simulate: {fatal.message}", file=sys.stderr)
        return fatal.code


def _run(options: Options, settings: Settings) -> int:
    with stop_signals() as stop:
        summary, fatal = simulate(options, settings, stop)
    if options.summary == "json":
        print(msgspec.json.encode(summary).decode())
    else:
        print(text_of(summary), file=sys.stderr)
    if fatal:
        raise fatal
    return DELIVERY_FAILED if summary.failed else 0


def _print(options: Options, settings: Settings) -> int:
    """Print the messages, one a line: with planned dates at once, with the present time at their rate."""
    planned = options.start_ms is not None or options.replay is not None
    try:
        source = source_of(options, settings, scheduled=not planned)
        begun, deadline = time.monotonic(), deadline_of(options)
        while not (source.done or deadline.passed):
            if (due := source.due(time.monotonic() - begun)) < 1:
                time.sleep(TICK_S)
                continue
            print(*map(printable, source.take(due).values), sep="\n", flush=True)
    except (BrokenPipeError, KeyboardInterrupt):
        # The output is closed, or no longer needed: discard what is still buffered.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
