"""A row of the table, and how it is run."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from tests.faults.clock import Clock
from tests.faults.table.arena import Arena
from tests.faults.table.footprint import FAULT_MAY_ADD, LIFE_MAY_ADD
from tests.faults.table.report import Row
from tests.faults.table.servers import TableServers
from tests.support import wait_until

Act = Callable[[Arena], str]


class Scenario(NamedTuple):
    """A row: `act` disturbs a running pipeline and returns the proof; `quick` rows run in every test run."""

    name: str
    description: str
    act: Act
    quick: bool
    environment: Mapping[str, str]
    clock: bool


SCENARIOS: list[Scenario] = []


def scenario(
    description: str, *, quick: bool = False, environment: Mapping[str, str] | None = None, clock: bool = False
) -> Callable[[Act], Act]:
    """Add a function to the table, under its name; `environment` are settings, `clock` one that can be set."""

    def add(act: Act) -> Act:
        name = act.__name__.replace("_", "-")
        SCENARIOS.append(Scenario(name, description, act, quick, environment or {}, clock))
        return act

    return add


def hold(seconds: float) -> None:
    """Let a fault last so long."""
    until = time.monotonic() + seconds
    wait_until(lambda: time.monotonic() >= until, deadline_s=seconds + 30, what=f"{seconds} s passed")


def run(scenario: Scenario, servers: TableServers, folder: Path, seed: int) -> Row:
    """Run one scenario; any assertion that fails is its result."""
    began = time.monotonic()
    clock = Clock(folder) if scenario.clock else None
    arena = Arena(servers, folder, seed, scenario.environment, clock)
    watcher, footprints = arena.watcher, arena.watcher.footprints
    with arena.open():
        with watcher.watching():
            with arena.flowing():
                arena.wait_for_every_partition()
                arena.wait_for_progress(3000)
                footprints.sample(arena.dataflow.workers)
                footprints.mark_the_fault()
                proof = scenario.act(arena)
                servers.calm()
            recovery_s = arena.wait_until_all_is_counted()
        footprints.sample(arena.dataflow.workers)
        assert not watcher.faults, watcher.faults
        arena.check_the_end()
        of_the_fault, of_a_life = footprints.of_the_fault(arena.dataflow.workers), footprints.of_a_life()
    assert not (of_the_fault and of_the_fault.exceeds(FAULT_MAY_ADD)), f"grown by {of_the_fault}"
    assert not (of_a_life and of_a_life.exceeds(LIFE_MAY_ADD)), f"grown over its life by {of_a_life}"
    figures = watcher.checks, watcher.messages, recovery_s, of_the_fault
    return Row(scenario.name, scenario.description, proof, *figures, time.monotonic() - began)
