"""The system's Chromium: on the PATH, or Debian's, installed when this process may."""

import os
import shutil
import subprocess

from ops.servers.notes import locked
from ops.servers.software import ROOT

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PACKAGES = "chromium fonts-dejavu-core fonts-noto-color-emoji"
INSTALL = f"-o DPkg::Lock::Timeout=280 install -y -qq --no-install-recommends {PACKAGES}"
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--force-color-profile=srgb",
)


def found() -> str | None:
    """Return the path of a Chromium, None if there is none."""
    return next(filter(None, map(shutil.which, NAMES)), None)


def found_or_installed() -> str | None:
    """Return the path of a Chromium; install Debian's if there is none, root runs this, and apt-get is there."""
    with locked(ROOT / ".local" / "chromium"):  # tests run in several processes, apt-get in one
        return found() or _installed()


def _installed() -> str | None:
    apt_get = shutil.which("apt-get")
    if os.geteuid() or not apt_get:
        return None
    environ = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for arguments in ("update -qq", INSTALL):
        ended = subprocess.run(
            [apt_get, *arguments.split()], env=environ, capture_output=True, timeout=280, check=False
        )
        if ended.returncode:
            print(ended.stderr.decode(errors="replace")[-500:])
    return found()
