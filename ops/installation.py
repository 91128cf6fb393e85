"""Where the project's own files are: in a checkout, or installed from the wheel, beside everything else."""

import os
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

INSTALLED = any(ROOT.glob("website_analytics-*.dist-info"))

LOCAL = Path(".local") if INSTALLED else ROOT / ".local"
"""What is started here keeps its files in the checkout; without one, in the working directory."""

# By its name, Bytewax would prefer a dataflow.py of the working directory, and put that in front of our packages.
DATAFLOW = f"{ROOT / 'dataflow.py'}:flow" if INSTALLED else "dataflow:flow"
"""The dataflow as `python -m bytewax.run` takes it."""


def module_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment in which `python -m` finds our modules in any working directory."""
    if INSTALLED:
        return {**environ, "PYTHONSAFEPATH": "1"}  # a folder of the same name as one of ours does not come first
    path = os.pathsep.join(filter(None, [str(ROOT), environ.get("PYTHONPATH")]))
    return {**environ, "PYTHONPATH": path}
