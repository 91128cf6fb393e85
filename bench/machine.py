"""What a suite runs on: the machine, and the version of everything that takes part."""

import platform
import subprocess
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import psutil

from bench import report
from ops.provision import administration
from ops.servers import software
from process.errors import Fatal
from settings import Settings

_CPU_INFO = Path("/proc/cpuinfo")
_UNKNOWN = "unknown"


def machine() -> dict[str, str]:
    """Return what identifies the machine."""
    return {
        "cpu": _cpu(),
        "cores": str(report.machine()["cores"]),
        "memory": f"{psutil.virtual_memory().total / 1e9:.0f} GB",
        "kernel": f"{platform.system()} {platform.release()}",
    }


def versions(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the versions of clients and servers.

    :raises Fatal: MariaDB is unavailable or refuses the administrator.
    """
    own = report.versions()
    own.pop("system")
    settings = Settings.from_environment(environ)
    servers = {"kafka": _kafka(settings), "mariadb-server": _mariadb(settings), "java": _java()}
    return own | {"matplotlib": version("matplotlib")} | servers


def _cpu() -> str:
    if _CPU_INFO.exists():
        for line in _CPU_INFO.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or _UNKNOWN


def _kafka(settings: Settings) -> str:
    """Return the version of the broker that `ops up` has fetched: Kafka's protocol does not tell that of another."""
    fetched = sorted(software.SOFTWARE.glob("kafka-*.*"))
    local = settings.kafka_bootstrap_servers.startswith("127.0.0.1:")
    return fetched[-1].name.removeprefix("kafka-") if local and fetched else _UNKNOWN


def _mariadb(settings: Settings) -> str:
    with administration(settings) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT VERSION()")
        return str(cursor.fetchone()[0])


def _java() -> str:
    try:
        command = [software.java(), "-version"]
    except Fatal:
        return "none"
    done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", check=False)
    return done.stderr.partition("\n")[0]
