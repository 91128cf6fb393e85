"""kill -9 at any moment: the database still equals the log up to the offset that it states."""

import random
import subprocess
import sys
from functools import partial
from pathlib import Path

import psutil

from ops.servers import ROOT
from settings import Settings
from tests.pipeline import (
    Dataflow,
    Log,
    check_all,
    check_promise_1,
    no_process_left,
    ops,
    ops_run,
    progressed,
    run_to_end,
    running,
)
from tests.support import process_environment, produce, wait_until
from tests.traffic import Truth, traffic

KILLS = 12
PART = 20_000


def test_promises_1_and_4_hold_under_kill_9(settings: Settings, environment: dict[str, str], tmp_path: Path) -> None:
    """Killed 12 times at random moments of progress, on 1 thread, 4 threads and 2 processes in turn.

    After each kill every row is right up to the stated offsets; in the end every cart and every reject is there
    once, in order. Each run has twice as many messages to read as it may count until it is killed.
    """
    log = Log(settings, traffic((2 * KILLS + 1) * PART, seed=11))
    seeded = random.Random(42)
    shapes = [(1, 1), (1, 4), (2, 1)]
    counted = [0]
    for kill in range(KILLS):
        goal = counted[-1] + seeded.randrange(1, PART)
        processes, workers = shapes[kill % len(shapes)]
        with (
            log.growing_to(counted[-1] + 2 * PART),
            running(environment, tmp_path, processes=processes, workers=workers) as dataflow,
        ):
            kill_at(goal, settings, dataflow)
        counted.append(check_promise_1(settings, log.truth))
    assert len(set(counted)) == KILLS + 1, "each run must have counted messages"
    with log.growing_to(log.length + PART):
        pass
    run_to_end(environment, tmp_path)
    check_all(settings, log.truth)


def kill_at(goal: int, settings: Settings, dataflow: Dataflow) -> None:
    """Kill the dataflow when so many messages are counted."""
    wait_until(
        lambda: progressed(settings) >= goal,
        deadline_s=200,
        what=lambda: f"{goal} messages counted; the log ends with {dataflow.output()[-1000:]}",
    )
    dataflow.kill()


def test_one_worker_killed_under_ops_run(settings: Settings, environment: dict[str, str], tmp_path: Path) -> None:
    """`ops run` restarts the whole set when one process is killed; SIGTERM ends all within 5 s."""
    sent = traffic(120_000, seed=12)
    truth = Truth(sent)
    pids: list[int] = []

    def counted(goal: int) -> bool:
        return progressed(settings) >= goal

    def new_ones(runner: psutil.Process, before: list[psutil.Process]) -> bool:
        children = runner.children()
        return len(children) == len(before) and set(children).isdisjoint(before)

    with ops_run(environment, tmp_path) as runner:
        for part in range(3):
            goal = progressed(settings) + 20_000
            produce(settings, [(m.partition, m.value) for m in sent[part * 40_000 : (part + 1) * 40_000]])
            wait_until(partial(counted, goal), deadline_s=200, what=f"{goal} counted")
            workers = runner.children()
            assert len(workers) == 2
            pids += [worker.pid for worker in workers]
            workers[part % 2].kill()
            wait_until(partial(new_ones, runner, workers), deadline_s=90, what="both are new ones")
            check_promise_1(settings, truth)
        wait_until(lambda: progressed(settings) == 120_000, deadline_s=200, what="all counted")
        pids += [worker.pid for worker in runner.children()]
    assert no_process_left(pids)
    check_all(settings, truth)
    verified = ops(environment, "verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr


def test_the_workers_end_with_their_runner(settings: Settings, environment: dict[str, str], tmp_path: Path) -> None:
    """kill -9 of `ops run` itself leaves no worker behind, and the next run continues."""
    sent = traffic(20_000, seed=13)
    produce(settings, [(message.partition, message.value) for message in sent])
    runner = subprocess.Popen(
        [sys.executable, "-m", "ops", "run", "-p", "2"],
        cwd=ROOT,
        env=process_environment(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: progressed(settings) > 0, deadline_s=60, what="the first commit")
        workers = psutil.Process(runner.pid).children()
    finally:
        runner.kill()
        runner.wait(30)
    wait_until(lambda: no_process_left([worker.pid for worker in workers]), deadline_s=10, what="the workers' end")
    check_promise_1(settings, Truth(sent))
    run_to_end(environment, tmp_path)
    check_all(settings, Truth(sent))
