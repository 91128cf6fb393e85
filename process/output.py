"""Standard output of any encoding."""

import io
import sys


def escape_unencodable() -> None:
    """Escape, from here on, the characters that standard output or error cannot encode: no name may end a program."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # not closed by whoever started us, nor replaced
            stream.reconfigure(errors="backslashreplace")
