"""The cases of the suite, one entry each: how it is measured, and the command that measures it alone."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from typing import NamedTuple

import msgspec

from bench import figures, floor, idle, junk, pipeline, place, startup, writes
from bench.figures import Figures
from bench.latency import Latency
from bench.peer import PEERS, Peer
from bench.place import Visits
from bench.process import run_module
from bench.report import Run
from bench.sizes import RATES, Sizes

SECTIONS = ("floors", "pipeline", "peers", "growth", "writes", "latency", "idle", "startup", "junk")


_SEED, _START = 42, "2026-01-01T00:00:00Z"


class Measured(NamedTuple):
    """What a case gives in one round."""

    figures: Figures
    runs: list[msgspec.Struct]


class Topics:
    """Topics of visits on the servers of an environment: each is filled when it is first needed, and shared."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self._filled: dict[Visits, dict[str, str]] = {}
        self._stack = ExitStack()

    def filled(self, visits: Visits) -> dict[str, str]:
        """Return the environment of a topic that holds the visits.

        :raises Fatal: Kafka is unavailable, or has not acknowledged all of them.
        """
        if visits not in self._filled:
            named = self._stack.enter_context(place.topic(self.environ, visits.partitions))
            place.fill(named, visits)
            self._filled[visits] = named
        return self._filled[visits]

    def close(self) -> None:
        """Remove them all."""
        self._stack.close()


class Case(NamedTuple):
    """One row of the results. One that takes long runs `once`, whatever the number of rounds."""

    name: str
    title: str
    section: str
    command: str
    measure: Callable[[Topics], Measured]
    once: bool = False
    missing: Callable[[], str | None] = lambda: None


_Runner = Callable[[Mapping[str, str], Visits], Run]


def cases(sizes: Sizes) -> tuple[Case, ...]:
    """Return every case in the order in which a round runs them: what is compared stands together."""
    return (
        *_floors(sizes),
        *_pipelines(sizes),
        *map(partial(_peer, sizes), PEERS),
        *_growth(sizes),
        _writes(sizes),
        *_latencies(sizes),
        _idle(sizes),
        *_startups(),
        _junk(sizes),
    )


def visits_of(messages: int, *, partitions: int = 4) -> Visits:
    """Return the suite's visits of a size."""
    return Visits(messages, partitions, _SEED, _START)


def _steady(run: _Runner, sizes: Sizes, topics: Topics) -> Measured:
    runs = [run(topics.filled(visits), visits) for visits in map(visits_of, (sizes.small, sizes.large))]
    return Measured(figures.steady(*runs), list(runs))


def _whole(run: _Runner, visits: Visits, topics: Topics) -> Measured:
    done = run(topics.filled(visits), visits)
    return Measured(figures.of_run(done), [done])


def _floors(sizes: Sizes) -> Iterator[Case]:
    titles = {"consume": "consume", "decode": "+ decode", "fold": "+ fold", "carts": "+ cart lines"}
    for work in floor.WORK:
        command = f"python -m bench floor --work {work}"
        run = partial(floor.measure, work=work)
        yield Case(f"floor_{work}", titles[work], "floors", command, partial(_steady, run, sizes))


def _pipelines(sizes: Sizes) -> Iterator[Case]:
    for processes, threads in ((1, 1), (2, 1)):
        number = "1 process" if processes == 1 else f"{processes} processes"
        run = partial(pipeline.measure, processes=processes, threads=threads)
        command = f"python -m bench pipeline --processes {processes}"
        name = f"pipeline_{processes}"
        yield Case(name, f"{number}, 1 thread each", "pipeline", command, partial(_steady, run, sizes))
    for threads in (2, 4):
        run = partial(pipeline.measure, threads=threads)
        command = f"python -m bench pipeline --threads {threads}"
        name = f"threads_{threads}"
        yield Case(name, f"1 process, {threads} threads", "pipeline", command, partial(_steady, run, sizes))


def _peer(sizes: Sizes, peer: Peer) -> Case:
    def run(environ: Mapping[str, str], visits: Visits) -> Run:
        done: Run = peer.load().measure(environ, visits, **peer.options)
        return done

    command = f"python -m bench peers {peer.name.removesuffix('_exactly_once')}"
    if peer.options.get("exactly_once"):
        command += " --exactly-once"
    return Case(peer.name, peer.title, "peers", command, partial(_steady, run, sizes), peer.once, peer.missing)


def _growth(sizes: Sizes) -> Iterator[Case]:
    base = visits_of(sizes.small)
    yield _grown("base", f"{base.messages:,} visits", "", base)
    for partitions in (16, 64):
        visits = base._replace(partitions=partitions)
        yield _grown(f"partitions_{partitions}", f"{partitions} partitions", f"--partitions {partitions}", visits)
    for countries in (12, 200, 5000):
        visits = base._replace(countries=countries)
        yield _grown(f"countries_{countries}", f"{countries:,} countries", f"--countries {countries}", visits)
    shuffled = base._replace(out_of_order="1d")
    yield _grown("shuffled", "dates shuffled over one day", f"--out-of-order {shuffled.out_of_order}", shuffled)
    for name, messages in (("visits_large", sizes.large), ("visits_huge", sizes.huge)):
        visits = base._replace(messages=messages)
        yield _grown(name, f"{messages:,} visits", f"--messages {messages}", visits, once=True)


def _grown(name: str, title: str, options: str, visits: Visits, *, once: bool = False) -> Case:
    command = f"python -m bench pipeline {options}".rstrip()
    return Case(name, title, "growth", command, partial(_whole, pipeline.measure, visits), once)


def _writes(sizes: Sizes) -> Case:
    def measure(topics: Topics) -> Measured:
        visits = visits_of(sizes.small)
        done = writes.measure(topics.filled(visits), visits)
        return Measured(figures.of_writes(done), [done])

    return Case("writes", "the pipeline", "writes", "python -m bench writes", measure)


def _latencies(sizes: Sizes) -> Iterator[Case]:
    for rate in RATES:
        command = f"python -m bench latency --rate {rate} --seconds {sizes.latency_s}"
        yield Case(f"latency_{rate}", f"{rate:,} visits/s", "latency", command, partial(_latency, command))


def _latency(command: str, topics: Topics) -> Measured:
    """Measure in a fresh process: it produces the visits itself, and nothing may hold that up."""
    _, output = run_module(command.split()[2:], topics.environ)
    done = msgspec.json.decode(output, type=Latency)
    return Measured(figures.of_latency(done), [done])


def _idle(sizes: Sizes) -> Case:
    def measure(topics: Topics) -> Measured:
        done = idle.measure(topics.environ, visits_of(4), seconds=sizes.idle_s, processes=1)
        return Measured(figures.of_idle(done), [done])

    return Case("idle", "4 partitions, nothing sent", "idle", "python -m bench idle", measure)


def _startups() -> Iterator[Case]:
    for partitions in (4, 64):
        command = f"python -m bench startup --partitions {partitions}"
        measure = partial(_startup, visits_of(partitions, partitions=partitions))
        yield Case(f"startup_{partitions}", f"{partitions} partitions", "startup", command, measure)


def _startup(visits: Visits, topics: Topics) -> Measured:
    done = startup.measure(topics.environ, visits)
    return Measured(figures.of_startup(done), [done])


def _junk(sizes: Sizes) -> Case:
    def measure(topics: Topics) -> Measured:
        done = junk.measure(topics.environ, visits_of(sizes.junk))
        return Measured(figures.of_run(done), [done])

    size_gb = sizes.junk * junk.MESSAGE_BYTES / 1e9
    title = f"{size_gb:g} GB of junk in {sizes.junk} messages"
    return Case("junk", title, "junk", "python -m bench junk", measure, once=True)
