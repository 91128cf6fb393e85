"""File descriptors: raises this process's own limit as far as the system lets it."""

import resource

from process.errors import ExitCode, Fatal


def ensure_descriptors(needed: int, what: str) -> None:
    """Raise the soft limit of open files to `needed`, if it is lower; `what` names what needs them.

    :raises Fatal: the hard limit is lower.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        message = (
            f"{what}: {needed} file descriptors needed, {hard} allowed; raise the limit (ulimit -Hn, LimitNOFILE, "
            "or docker's nofile), or spread the partitions over more processes"
        )
        raise Fatal(message, ExitCode.CONFIG)
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
