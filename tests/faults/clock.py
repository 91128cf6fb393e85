"""A system clock that a test can set, for its own processes alone."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest


class Clock:
    """The system clock of some processes: it can be set; their monotonic clock stays right, as a machine's does."""

    def __init__(self, folder: Path) -> None:
        compiler = shutil.which("cc")
        if compiler is None:
            missing = "no C compiler (cc): without one no clock can be set for one process alone"
            if os.environ.get("CI"):
                pytest.fail(missing)
            pytest.skip(missing)
        self._offset = folder / "offset"
        library = folder / "clock.so"
        source = Path(__file__).with_name("clock.c")
        subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", str(library), str(source)], check=True)
        self.environment = {"LD_PRELOAD": str(library), "CLOCK_OFFSET_FILE": str(self._offset)}
        self.set(0)

    def set(self, offset_s: int) -> None:
        """Set it so many seconds off the right time, at once."""
        draft = self._offset.with_suffix(".new")
        draft.write_text(str(offset_s))
        draft.rename(self._offset)
