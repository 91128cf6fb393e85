"""The system clock is set, for the dataflow's processes alone."""

from tests.faults.table.arena import Arena
from tests.faults.table.scenario import scenario


@scenario("the system clock set back by 4 s: the dataflow pauses for as long", clock=True)
def clock_set_back_4_s(arena: Arena) -> str:
    return _set_without_restart(arena, -4)


@scenario("the system clock set back by an hour", quick=True, clock=True)
def clock_set_back_an_hour(arena: Arena) -> str:
    before = arena.dataflow.workers
    arena.clock.set(-3600)
    arena.dataflow.wait_for_log("the system clock was set back by 3600 s")
    arena.dataflow.wait_until_replaced(before)
    return "the message names 3600 s, and both processes were replaced"


@scenario("the system clock set forward by an hour", clock=True)
def clock_set_forward_an_hour(arena: Arena) -> str:
    return _set_without_restart(arena, 3600)


def _set_without_restart(arena: Arena, offset_s: int) -> str:
    before = arena.dataflow.workers
    arena.clock.set(offset_s)
    arena.wait_for_progress(15_000)
    assert arena.dataflow.workers == before
    return f"15,000 more were counted {offset_s:+} s off, by the same processes"
