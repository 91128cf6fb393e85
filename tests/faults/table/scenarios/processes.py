"""The dataflow's processes: killed, ended, suspended, too many of them, another number of them."""

import random
import signal

import psutil

from process.errors import ExitCode
from tests.faults.table.arena import Arena
from tests.faults.table.scenario import hold, scenario
from tests.pipeline import running
from tests.support import wait_until

HANG_TIMEOUT_S = 5


@scenario("kill -9 of one process of two, five times at random moments", quick=True)
def one_process_killed(arena: Arena) -> str:
    seeded, killed = random.Random(arena.seed), 0
    for _ in range(5):
        arena.wait_for_progress(seeded.randrange(300, 6000))
        before = arena.dataflow.workers
        killed += arena.dataflow.kill_one(seeded.choice(before))
        arena.dataflow.wait_until_replaced(before)
    return f"{killed} processes killed"


@scenario("kill -9 of all processes at once, three times")
def all_processes_killed(arena: Arena) -> str:
    killed = 0
    for _ in range(3):
        arena.wait_for_progress(6000)
        before = arena.dataflow.workers
        killed += sum([arena.dataflow.kill_one(worker) for worker in before])
        arena.dataflow.wait_until_replaced(before)
    assert killed == 6
    return f"{killed} processes killed"


@scenario("a process suspended for 13 s: longer than a Kafka transaction may stay open")
def process_suspended(arena: Arena) -> str:
    worker = arena.dataflow.workers[0]
    worker.suspend()
    wait_until(lambda: worker.status() == psutil.STATUS_STOPPED, deadline_s=10, what="it is stopped")
    hold(13)
    worker.resume()
    return "a process was stopped"


@scenario("a process suspended for good", environment={"HANG_TIMEOUT_S": str(HANG_TIMEOUT_S)})
def process_hanging(arena: Arena) -> str:
    return _found_hanging(arena, signal.SIGSTOP)


@scenario("SIGINT to one process alone: the other waits for it", environment={"HANG_TIMEOUT_S": str(HANG_TIMEOUT_S)})
def one_process_interrupted(arena: Arena) -> str:
    return _found_hanging(arena, signal.SIGINT)


def _found_hanging(arena: Arena, number: signal.Signals) -> str:
    before = arena.dataflow.workers
    before[1].send_signal(number)
    found = f"hangs: its work has stood still for {HANG_TIMEOUT_S} s"
    arena.dataflow.wait_for_log(found)
    arena.dataflow.wait_until_replaced(before)
    return f"'{found}' in the log"


@scenario("SIGTERM to one process alone")
def one_process_terminated(arena: Arena) -> str:
    before = arena.dataflow.workers
    before[1].send_signal(signal.SIGTERM)
    arena.dataflow.wait_until_replaced(before)
    return "both processes were replaced"


@scenario("five SIGTERMs in a row, three times, and a new start")
def terminated_five_times(arena: Arena) -> str:
    for _ in range(3):
        arena.wait_for_progress(3000)
        arena.dataflow.stop(signals=5)
        arena.dataflow.start()
    return "ended with code 0 each time"


@scenario("a second copy of the dataflow started by mistake, twice")
def second_copy(arena: Arena) -> str:
    for copy in range(2):
        with running(arena.environment, arena.folder, processes=2, name=f"copy-{copy}") as dataflow:
            wait_until(
                lambda: ExitCode.HELD in [process.poll() for process in dataflow.processes],
                deadline_s=60,
                what="its end",
            )
            assert "is owned by another dataflow" in dataflow.output()
        arena.wait_for_progress(1000)
    return "each ended with code 75, and the first one continued"


@scenario("another number of processes: 2, 1, 2, 4, 1, ended by SIGTERM and by kill -9 in turns")
def rescaled(arena: Arena) -> str:
    run: list[int] = []
    for at, processes in enumerate([1, 2, 4, 1]):
        (arena.dataflow.kill if at % 2 else arena.dataflow.stop)()
        arena.dataflow.start(processes)
        arena.wait_for_progress(9000)
        run.append(len(arena.dataflow.workers))
    assert run == [1, 2, 4, 1]
    return f"{run} processes have counted"
