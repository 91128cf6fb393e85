"""The peers of the benchmarks: when one is left out, and how its totals are compared with the truth."""

from pathlib import Path

import pytest

from bench.__main__ import main
from bench.peers import PEERS, java
from bench.peers.job import counts_of
from bench.peers.truth import WINDOW_S, Truth
from oracle.message import Visit
from oracle.sums import Sums

JAVA_PEERS = sorted(name for name, module in PEERS.items() if hasattr(module, "PEER"))
VISITS = [
    Visit(12, 0, "USA", "FAQ", 7),
    Visit(14, 999_999, "USA", "SHOPPING_CART", 2),
    Visit(15, 0, "Peru", "FAQ", 1),
]


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder of the PATH, empty; nothing is built yet."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setattr(java, "BUILDS", tmp_path / "builds")
    return folder


def install(folder: Path, name: str, script: str) -> None:
    program = folder / name
    program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    program.chmod(0o755)


@pytest.mark.parametrize("name", JAVA_PEERS)
def test_without_java_a_peer_is_left_out(name: str, programs: Path) -> None:
    """One message with the reason and the cure."""
    assert programs.exists()
    assert PEERS[name].missing() == (
        f"{name} is left out: this peer needs Java 17 or newer: install it, or set JAVA_HOME"
    )


@pytest.mark.parametrize("name", JAVA_PEERS)
def test_with_an_old_java_a_peer_is_left_out(name: str, programs: Path) -> None:
    """As without any."""
    install(programs, "java", "echo 'openjdk version \"11.0.2\"' >&2")
    assert PEERS[name].missing() == (
        f"{name} is left out: this peer needs Java 17 or newer: install it, or set JAVA_HOME"
    )


@pytest.mark.parametrize("name", JAVA_PEERS)
def test_without_maven_a_peer_is_left_out(name: str, programs: Path) -> None:
    """Nothing half built stays."""
    install(programs, "java", "echo 'openjdk version \"17.0.2\"' >&2")
    assert PEERS[name].missing() == (
        f"{name} is left out: this peer is built by mvn (Apache Maven), which does not run: install it"
    )


@pytest.mark.parametrize("name", JAVA_PEERS)
def test_without_downloads_a_peer_is_left_out(name: str, programs: Path) -> None:
    """Maven's first error is the reason."""
    install(programs, "java", "echo 'openjdk version \"21.0.1\"' >&2")
    install(programs, "mvn", "echo '[WARNING] slow'; echo '[ERROR] no route to host'; echo '[ERROR] help'; exit 1")
    reason = f"{name} is left out: mvn (Apache Maven) could not build {name}: [ERROR] no route to host"
    assert PEERS[name].missing() == reason


@pytest.mark.parametrize("name", JAVA_PEERS)
def test_a_peer_is_built_once(name: str, programs: Path) -> None:
    """Into a folder of its sources: the second time nothing runs."""
    install(programs, "java", "echo 'openjdk version \"17.0.2\"' >&2")
    install(programs, "mvn", 'for word; do case $word in -Dbuild=*) : >"${word#-Dbuild=}/built";; esac; done')
    assert PEERS[name].missing() is None
    install(programs, "mvn", "exit 1")
    assert PEERS[name].missing() is None
    (folder,) = [path for path in java.BUILDS.iterdir() if path.is_dir()]
    assert folder.name.startswith(f"{name}-")
    assert (folder / "built").exists()


def test_every_row_that_differs_is_counted_and_what_is_missing_is_late() -> None:
    """A row that is missing, one that is too small, and none that is right."""
    truth, counted = Truth(sums_of(VISITS), 1), sums_of(VISITS[:2])
    assert counts_of(truth, counted, 1) == {
        "action": 2,
        "country": 2,
        "action_late": 1,
        "country_late": 1,
        "carts": 1,
        "carts_expected": 1,
        "differences": 2,
    }


def test_equal_sums_have_no_differences() -> None:
    """In whatever order they were added."""
    counts = counts_of(Truth(sums_of(VISITS), 1), sums_of(VISITS[::-1]), 0)
    assert (counts["differences"], counts["action_late"], counts["carts"]) == (0, 0, 0)


def test_an_unknown_peer_is_one_error_message(capsys: pytest.CaptureFixture[str]) -> None:
    """Before anything is started; the message lists those that exist."""
    with pytest.raises(SystemExit) as ended:
        main(["peers", "beam"])
    assert ended.value.code == 2
    assert f"'beam' is none of {', '.join(PEERS)}" in capsys.readouterr().err.splitlines()[-1]


def sums_of(visits: list[Visit]) -> Sums:
    sums = Sums(WINDOW_S, ("action", "country"))
    for visit in visits:
        sums.add(visit)
    return sums
