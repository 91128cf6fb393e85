"""`python -m simulate`: visits into Kafka, from a shop that there is not."""

import os
import sys
import time
from collections.abc import Sequence

import msgspec

from process.errors import Fatal
from settings import Settings
from simulate.arguments import options_of
from simulate.options import Options
from simulate.run import TICK_S, simulate, source_of, until_s_of
from simulate.stop import Stop
from simulate.summary import text_of
from simulate.text import shown

DELIVERY_FAILED = 1


def main(argv: Sequence[str]) -> int:
    """Run once; return the exit code: 0 when every delivery was acknowledged."""
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
    stop = Stop()
    with stop.on_signals():
        summary, fatal = simulate(options, settings, stop)
    if options.summary == "json":
        print(msgspec.json.encode(summary).decode())
    else:
        print(text_of(summary), file=sys.stderr)
    if fatal:
        raise fatal
    return DELIVERY_FAILED if summary.failed else 0


def _print(options: Options, settings: Settings) -> int:
    """Print the messages, one a line: planned ones at once, those of the present at their pace."""
    planned = options.start_ms is not None or options.replay is not None
    source = source_of(options, settings, paced=not planned)
    until_s = until_s_of(options)
    begun = time.monotonic()
    try:
        while not source.done and (elapsed_s := time.monotonic() - begun) < until_s:
            if (due := source.due(elapsed_s)) < 1:
                time.sleep(TICK_S)
                continue
            print(*map(shown, source.take(due).values), sep="\n", flush=True)
    except (BrokenPipeError, KeyboardInterrupt):
        # Who reads has seen enough: what is still buffered goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
