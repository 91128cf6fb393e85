"""The peers: other programs that do the same work over the same topic."""

from collections.abc import Mapping
from importlib import import_module
from types import ModuleType
from typing import Any, NamedTuple


class Peer(NamedTuple):
    """A peer's module has `missing() -> str | None` and `measure(environ, visits, **options) -> report.Run`.

    One that takes long runs `once`, whatever the number of rounds.
    """

    name: str
    title: str
    module: str
    options: Mapping[str, Any]
    once: bool = False

    def load(self) -> ModuleType:
        """Return the module."""
        return import_module(self.module)

    def missing(self) -> str | None:
        """Return why it is left out; None when it can run."""
        reason: str | None = self.load().missing()
        return reason


TWO_TASKS = {"parallelism": 2}

PEERS = (
    Peer("stock", "Bytewax's own operators, one process", "bench.peers.stock", TWO_TASKS),
    Peer("flink", "Flink SQL, at-least-once carts", "bench.peers.flink", TWO_TASKS),
    Peer(
        "flink_exactly_once",
        "Flink SQL, exactly-once carts",
        "bench.peers.flink",
        {**TWO_TASKS, "exactly_once": True},
        once=True,
    ),
    Peer("kafka_streams", "Kafka Streams", "bench.peers.kafka_streams", TWO_TASKS),
    Peer("spark", "Spark Structured Streaming", "bench.peers.spark", TWO_TASKS, once=True),
)
