"""Peers that run on the JVM: Maven builds each of them once, into .local/bench of the checkout."""

import hashlib
import logging
import re
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

from ops.servers import software
from process.errors import ExitCode, Fatal

BUILDS = software.ROOT / ".local" / "bench"
_SOURCES = Path(__file__).parent

logger = logging.getLogger(__name__)


class JavaPeer(NamedTuple):
    """A folder of bench/peers with a pom.xml, and how its program is started."""

    folder: str
    main_class: str
    engine: str  # the artifact whose version is reported
    options: tuple[str, ...]
    download_mb: int


def missing(peer: JavaPeer) -> str | None:
    """Build the peer if it is not built; return None when it can run, otherwise why it is left out."""
    try:
        _java()
        _built(peer)
    except Fatal as fatal:
        return f"{peer.folder} is left out: {fatal.message}"
    return None


def command(peer: JavaPeer, temporary: Path) -> list[str]:
    """Return the command that runs a peer, which is built if necessary; `temporary` is for its checkpoints and state.

    :raises Fatal: no Java, no Maven, or Maven failed.
    """
    java = _java()
    built = _built(peer)
    properties = ("-Duser.timezone=UTC", f"-Djava.io.tmpdir={temporary}")
    return [java, *peer.options, *properties, "-cp", f"{built}/classes:{built}/jars/*", peer.main_class]


def versions(peer: JavaPeer) -> dict[str, str]:
    """Return the versions of a peer's engine and of Java.

    :raises Fatal: as `command`.
    """
    (jar,) = (_built(peer) / "jars").glob(f"{peer.engine}-[0-9]*.jar")
    output = subprocess.run([_java(), "-version"], capture_output=True, encoding="utf-8", check=True).stderr
    found = re.search(r'version "([^"]+)', output)
    return {peer.engine: jar.stem.removeprefix(f"{peer.engine}-"), "java": found[1] if found else output}


def _java() -> str:
    try:
        return software.java()
    except Fatal as fatal:
        message = "this peer needs Java 17 or newer: install it, or set JAVA_HOME"
        raise Fatal(message, ExitCode.CONFIG) from fatal


def _built(peer: JavaPeer) -> Path:
    """Return the folder with the peer's classes and jars."""
    folder = BUILDS / f"{peer.folder}-{_digest(_SOURCES / peer.folder)}"
    return software.made_whole(folder, lambda draft: _build(peer, draft))


def _digest(sources: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted([sources / "pom.xml", *(sources / "src").rglob("*.*")]):
        digest.update(f"{path.relative_to(sources)} {path.stat().st_size}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _build(peer: JavaPeer, draft: Path) -> None:
    logger.info("building %s by Maven (it downloads %d MB the first time)", peer.folder, peer.download_mb)
    try:
        with tempfile.TemporaryDirectory() as plain:
            _run_maven(_SOURCES / peer.folder, draft, Path(plain))
    except OSError as error:
        message = "this peer is built by mvn (Apache Maven), which does not run: install it"
        raise Fatal(message, ExitCode.CONFIG) from error
    except subprocess.CalledProcessError as error:
        output = (error.stdout + error.stderr).strip().splitlines()
        first = next((line for line in output if "ERROR" in line), output[0] if output else "no output")
        message = f"mvn (Apache Maven) could not build {peer.folder}: {first}"
        raise Fatal(message, ExitCode.UNAVAILABLE) from error


def _run_maven(sources: Path, draft: Path, plain: Path) -> None:
    """Let Maven work by way of plain paths: it takes a backslash of the real ones for a slash."""
    (plain / "build").symlink_to(draft)
    (plain / "sources").symlink_to(sources)
    command = ["mvn", "-q", "-B", "-f", str(plain / "sources" / "pom.xml"), f"-Dbuild={plain / 'build'}"]
    goals = ["compile", "dependency:copy-dependencies", "-DincludeScope=runtime"]
    output = f"-DoutputDirectory={plain / 'build' / 'jars'}"
    subprocess.run(
        [*command, *goals, output], capture_output=True, encoding="utf-8", errors="replace", check=True, timeout=1200
    )
