"""File descriptors: raises this process's own limit as far as the system lets it."""

import resource
import sys

from process.errors import ExitCode, Fatal


def raised_limit(wanted: int) -> int:
    """Raise the soft limit of open files to `wanted`, or as near as the hard limit lets it; return the soft limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if _number(soft) >= wanted:
        return _number(soft)
    raised = min(wanted, _number(hard))
    resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
    return raised


def ensure_descriptors(needed: int, what: str) -> None:
    """Raise the soft limit of open files to `needed`, if it is lower; `what` names what needs them.

    :raises Fatal: the hard limit is lower.
    """
    allowed = raised_limit(needed)
    if allowed < needed:
        message = (
            f"{what}: {needed} file descriptors needed, {allowed} allowed; raise the limit (ulimit -Hn, LimitNOFILE, "
            "or docker's nofile), or spread the partitions over more processes"
        )
        raise Fatal(message, ExitCode.CONFIG)


def _number(limit: int) -> int:
    return sys.maxsize if limit == resource.RLIM_INFINITY else limit
