"""How a process ends when it cannot continue: one message, and an exit code that shows whether a restart can help."""

import logging
import os
import sys
import threading
from collections.abc import Callable
from enum import IntEnum
from typing import NoReturn

logger = logging.getLogger(__name__)

_ending = threading.Lock()


class ExitCode(IntEnum):
    """What a process ends with; the numbers are those of BSD's sysexits.h where it has one."""

    DIFFERENCES = 1  # verify found the database different from the log
    PARTIAL = 3  # verify could not compare a part: retention has taken it, or it is not provisioned
    DATA = 65  # positions, log and outputs contradict each other: a person has to look
    UNAVAILABLE = 69  # Kafka or MariaDB is unavailable: a restart helps when it is back
    ABORTED = 70  # what cannot be retried in place: a restart begins at the committed position
    HELD = 75  # another dataflow owns a partition
    OPEN_TRANSACTION = 76  # STOP_AT_END: another producer's open transaction hides a part of the input
    CONFIG = 78  # a setting, a credential or the provisioning is wrong: no restart helps


RESTART_HELPS = frozenset({ExitCode.UNAVAILABLE, ExitCode.ABORTED, ExitCode.HELD, ExitCode.OPEN_TRANSACTION})
"""Codes after which `python -m ops run` starts the cluster again; the other ones of ours end it at once."""


class Fatal(Exception):  # noqa: N818 - it is no error of the code: it is how a run ends
    """End the run with one line that names the thing, the value and the cure."""

    def __init__(self, message: str, code: ExitCode) -> None:
        super().__init__(message)
        self.message = message
        self.code = code


OnFatal = Callable[[Fatal], NoReturn]
"""What sources and sinks call with what ends the run. It never returns."""


def raise_fatal(fatal: Fatal) -> NoReturn:
    """Raise it: for tests that run a dataflow inside their own process."""
    raise fatal


def end_process(fatal: Fatal) -> NoReturn:
    """Log the one line and end the process at once, with its code.

    Bytewax would print 10-80 lines of its own for an exception in a source or sink, not always the Python
    one, and exit with 134. Ending at once is safe: nothing is committed but by a flush (crash-only).
    """
    _ending.acquire()  # and never released: of several threads that fail, one logs it
    logger.critical("%s", fatal.message, extra={"action": "fatal", "exit_code": int(fatal.code)})
    try:
        logging.shutdown()
        if sys.stdout is not None:  # closed by whoever started us
            sys.stdout.flush()
    finally:
        os._exit(fatal.code)
