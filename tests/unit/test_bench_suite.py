"""The suite: which cases it runs, how often, and that it survives those that fail."""

import logging
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench import results, rounds, suite
from bench.__main__ import main
from bench.cases import Case, Measured, Topics, cases
from bench.peer import PEERS
from bench.results import Results
from bench.sizes import Sizes
from process.deadline import Deadline
from process.errors import ExitCode, Fatal


def case(name: str, measure: Callable[[Topics], Measured], **options: Any) -> Case:
    """Return a case of the suite."""
    return Case(name, name, "floors", "command", measure, **options)


def run(path: Path, times: int, *chosen: Case, deadline_s: float = math.inf) -> Results:
    """Run some cases; return what the file holds then."""
    empty = Results(command="", date="today", rounds=times, sizes={}, machine={}, versions={})
    rounds.Rounds(Topics({}), empty, path, Deadline(deadline_s)).run(chosen, times)
    return results.read(path)


def test_cases_take_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them once, then all again; one that takes long in the first round only."""
    ran: list[str] = []

    def measured(name: str) -> Callable[[Topics], Measured]:
        def measure(_: Topics) -> Measured:
            ran.append(name)
            return Measured({"x": float(len(ran))}, [])

        return measure

    chosen = [case(name, measured(name), once=name == "long") for name in ("floor_carts", "stock", "long")]
    monkeypatch.setattr(rounds, "cases", lambda _: chosen)
    found = run(tmp_path / "results.json", 2, *chosen)
    assert ran == ["floor_carts", "stock", "long", "floor_carts", "stock"]
    assert [each.values("x") for each in found.cases] == [[1.0, 4.0], [2.0, 5.0], [3.0]]


@pytest.mark.parametrize("error", [Fatal("no luck", ExitCode.ABORTED), ValueError("no luck")])
def test_a_case_that_fails_is_recorded_and_the_others_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever it raises; each of its rounds is tried."""

    def fail(_: Topics) -> Measured:
        raise error

    chosen = [case("stock", fail), case("idle", lambda _: Measured({"x": 1.0}, []))]
    monkeypatch.setattr(rounds, "cases", lambda _: chosen)
    with caplog.at_level(logging.ERROR):
        failed, well = run(tmp_path / "results.json", 2, *chosen).cases
    assert (failed.failures, failed.measurements) == (["round 1: no luck", "round 2: no luck"], [])
    assert (well.failures, well.values("x")) == ([], [1.0, 1.0])
    assert "stock, round 1 of 2: no luck" in caplog.text


def test_a_case_that_cannot_run_is_left_out_with_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no failure."""
    chosen = [case("idle", lambda _: Measured({"x": 1.0}, [])), case("flink", _never, missing=lambda: "no Java")]
    monkeypatch.setattr(rounds, "cases", lambda _: chosen)
    found = run(tmp_path / "results.json", 1, *chosen)
    assert found.left_out == {"flink": "no Java"}
    assert [each.name for each in found.cases] == ["idle"]


def test_no_case_begins_after_the_deadline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is left out with that reason."""
    chosen = [case("idle", _never)]
    monkeypatch.setattr(rounds, "cases", lambda _: chosen)
    found = run(tmp_path / "results.json", 1, *chosen, deadline_s=0)
    assert (found.cases, found.left_out) == ([], {"idle": "there was no time left for it"})


def _never(_: Topics) -> Measured:
    raise AssertionError


def test_case_names_are_unique() -> None:
    """The results are found by them, and so is --only."""
    names = [each.name for each in cases(Sizes())]
    assert len(names) == len(set(names))
    assert set(suite._NOT_QUICK) <= set(names)


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ("--only idle floor_carts", ["floor_carts", "idle"]),
        ("--only floors", ["floor_consume", "floor_decode", "floor_fold", "floor_carts"]),
        ("--skip pipeline peers growth writes latency startup junk floor_fold",
         ["floor_consume", "floor_decode", "floor_carts", "idle"]),
    ],
)  # fmt: skip
def test_some_cases_or_all_but_some(options: str, names: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """By name or by section; always in the order of the suite."""
    assert main(["suite", "--list", *options.split()]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == names


@pytest.mark.parametrize("options", ["--only nothing", "--scale 0", "--scale 2", "--scale x", "--rounds 0"])
def test_wrong_options_are_refused(options: str) -> None:
    """Before anything is started."""
    with pytest.raises(SystemExit) as ended:
        main(["suite", *options.split()])
    assert ended.value.code == 2


def test_the_stock_peer_can_always_run() -> None:
    """The others say what they need."""
    assert {peer.name: peer for peer in PEERS}["stock"].missing() is None


def test_small_suites_stay_above_zero() -> None:
    """However small the scale."""
    assert min(Sizes().scaled(0.0001)) > 0
    assert Sizes().scaled(1) == Sizes()
