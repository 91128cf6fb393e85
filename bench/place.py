"""Where a benchmark runs: servers, a topic of seeded visits, and a database, all of them removed afterwards."""

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple
from uuid import uuid4

import msgspec

from bench.process import ROOT, Usage, run_module
from clients import kafka
from clients.sql import queries
from ops import topics
from ops.provision import administration, provision
from ops.servers import Servers, start
from process.errors import ExitCode, Fatal
from settings import Settings

logger = logging.getLogger(__name__)

_FIXED = {
    "ECHO": "0",
    "LOG_FORMAT": "text",
    "MARIADB_PASSWORD_FILE": "",
    "NAIVE_TIMEZONE": "",
    "STOP_AT_END": "1",
    "WINDOW_LENGTHS_S": "5,60,3600,86400",
}
"""Part of what is measured; batch size, flush interval and KAFKA_CONFIG_* may be tried by the environment."""


class Visits(NamedTuple):
    """How many visits, in how many partitions, and which: the same seed and start are the same bytes.

    `countries` is the number of entries of the board of countries. With `out_of_order`, a time such as 1d, every visit
    is dated up to so much earlier than its place in the log.
    """

    messages: int
    partitions: int
    seed: int
    start: str
    countries: int = 20
    out_of_order: str = ""

    def simulated(self, rate: int) -> tuple[str, ...]:
        """Return the simulator's options for these visits, dated `rate` a second; 0: as fast as possible."""
        which = ("--seed", str(self.seed), "--start", self.start, "--countries", str(self.countries))
        order = ("--out-of-order", self.out_of_order) if self.out_of_order else ()
        return ("--rate", str(rate), "--count", str(self.messages), *which, *order)


class Filled(msgspec.Struct, frozen=True):
    """The fields of the simulator's summary that are used here."""

    messages: int
    visits: int
    failed: int
    seconds: float
    rate: float


@contextmanager
def servers() -> Iterator[dict[str, str]]:
    """Yield the environment for the servers that ours names, or for new ones in a temporary folder.

    :raises Fatal: none are named and none can be started; the message lists the choices.
    """
    with TemporaryDirectory(prefix="bench-") as folder:
        try:
            yield {**os.environ, **start(Path(folder), os.environ).environment(), **_FIXED, "PYTHONPATH": str(ROOT)}
        finally:
            Servers(Path(folder).resolve(), os.environ).delete()


@contextmanager
def topic(environ: Mapping[str, str], partitions: int) -> Iterator[dict[str, str]]:
    """Make an input topic of a name of its own.

    :raises Fatal: Kafka is unavailable or refuses the request.
    """
    named = {**environ, "VISITS_TOPIC": f"{_new_name()}.visits", "VISITS_PARTITIONS": str(partitions)}
    settings = Settings.from_environment(named)
    try:
        topics.ensure_visits(kafka.admin_client(settings), settings)
        yield named
    finally:
        _remove_topics(settings, settings.visits_topic)


@contextmanager
def filled(visits: Visits) -> Iterator[dict[str, str]]:
    """Yield the environment of servers with a topic that holds the visits.

    :raises Fatal: as `servers`, `topic` and `fill`.
    """
    with servers() as environ, topic(environ, visits.partitions) as named:
        fill(named, visits)
        yield named


@contextmanager
def pipeline(environ: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Provision output topics, a database and users of their own for a topic's visits.

    :raises Fatal: a server is unavailable or refuses the request.
    """
    name = _new_name()
    named = {
        **environ,
        "CARTS_TOPIC": f"{name}.carts",
        "REJECTED_TOPIC": f"{name}.rejected",
        "KAFKA_GROUP_ID": name,
        "MARIADB_DATABASE": name,
        "MARIADB_USER": f"{name}_flow",
        "MARIADB_PASSWORD": uuid4().hex,
        "MARIADB_READER_USER": f"{name}_read",
        "MARIADB_READER_PASSWORD": uuid4().hex,
    }
    settings = Settings.from_environment(named)
    try:
        provision(settings)
        yield named
    finally:
        _remove_topics(settings, settings.carts_topic, settings.rejected_topic)
        _remove_database(settings)


def fill(environ: Mapping[str, str], visits: Visits) -> tuple[Usage, Filled]:
    """Send the visits, flat out, by the simulator.

    :raises Fatal: not all of them were acknowledged.
    """
    usage, output = run_module(("simulate", *visits.simulated(0), "--summary", "json"), environ)
    filled = msgspec.json.decode(output, type=Filled)
    if filled.visits != visits.messages:
        message = f"of {visits.messages} visits Kafka has acknowledged {filled.visits}: try again"
        raise Fatal(message, ExitCode.ABORTED)
    logger.info("%s holds %d visits, sent in %.1f s", environ["VISITS_TOPIC"], visits.messages, filled.seconds)
    return usage, filled


def _new_name() -> str:
    return f"bench_{uuid4().hex[:12]}"


def _remove_topics(settings: Settings, *names: str) -> None:
    with suppress(Fatal):  # Kafka is unavailable: what ended the run is reported already
        admin = kafka.admin_client(settings)
        present = [name for name, found in kafka.describe(admin, settings, names).items() if found]
        if present:
            with kafka.translated("removing the benchmark's topics"):
                for future in admin.delete_topics(present).values():
                    future.result()


def _remove_database(settings: Settings) -> None:
    with suppress(Fatal), administration(settings) as connection:
        cursor = connection.cursor()
        cursor.execute(f"DROP DATABASE IF EXISTS `{settings.mariadb_database}`")
        for user in (settings.mariadb_user, settings.mariadb_reader_user):
            cursor.execute(queries()["hosts_of_user"], (user,))
            for (host,) in cursor.fetchall():
                cursor.execute(f"DROP USER '{user}'@'{host}'")
