"""One run of a peer on the JVM: outputs of its own, a fresh process, and what came out compared with the truth."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from bench import place, report
from bench.peers import java, leftovers, totals
from bench.peers.java import JavaPeer
from bench.peers.truth import Truth, records_of, truth_of
from bench.place import Visits
from bench.process import run_program
from oracle.sums import Sums
from settings import Settings


def measure(
    peer: JavaPeer, case: str, environ: Mapping[str, str], visits: Visits, variables: Mapping[str, str]
) -> report.Run:
    """Run a peer over a filled topic; `variables` are those that its program reads besides the common ones.

    :raises Fatal: it cannot be built, or ended badly.
    """
    truth = truth_of(environ)
    with (
        TemporaryDirectory(prefix="bench-") as temporary,
        place.pipeline(environ) as provisioned,
        leftovers.removed(provisioned),
    ):
        command = java.command(peer, Path(temporary))
        settings = Settings.from_environment(provisioned)
        totals.create(settings)
        usage, output = run_program(case, command, {**provisioned, **_places(settings), **variables})
        printed = msgspec.json.decode(output, type=dict[str, int]) if output else {}
        counts = counts_of(truth, totals.read(settings), records_of(settings, settings.carts_topic))
    run = report.run_of(case, visits, usage, counts | printed)
    return msgspec.structs.replace(run, versions=run.versions | java.versions(peer))


def counts_of(truth: Truth, counted: Sums, carts: int) -> dict[str, int]:
    """Return the visits on each board, those of the topic that are on none, carts, and the rows that are wrong."""
    boards = ("action", "country")
    return {
        **{board: counted.visits(board) for board in boards},
        **{f"{board}_late": truth.sums.visits(board) - counted.visits(board) for board in boards},
        "carts": carts,
        "carts_expected": truth.carts,
        "differences": sum(1 for _ in truth.sums.compared_with(counted)),
    }


def _places(settings: Settings) -> dict[str, str]:
    return {
        "PEER_BOOTSTRAP_SERVERS": settings.kafka_bootstrap_servers,
        "PEER_VISITS_TOPIC": settings.visits_topic,
        "PEER_CARTS_TOPIC": settings.carts_topic,
        "PEER_JDBC_URL": totals.jdbc_url(settings),
        "PEER_JDBC_USER": settings.mariadb_admin_user,
        "PEER_JDBC_PASSWORD": settings.mariadb_admin_password,
    }
