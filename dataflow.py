"""The whole graph on one page: python -m bytewax.run dataflow:flow

Kafka ─ visits ─ decode ─┬─ abandoned_carts ── kafka_out ──── carts and rejected visits
                         └─ fold_windows ───── mariadb_out ── totals and positions
"""

import atexit
import gc
import sys
from typing import Any

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.inputs import Source
from bytewax.outputs import Sink

from operators.boards import boards_of
from operators.decode import VisitDecoder
from operators.echo import echo_visits
from operators.lines import output_lines
from operators.outputs import outputs_of
from operators.rules import VisitRules
from operators.windows import fold_windows
from partition.owner import PartitionOwner
from partition.progress import ProgressLog
from process import logs, metrics
from process.errors import Fatal, end_process
from process.heartbeat import Heartbeat
from settings import Settings
from sinks.kafka import KafkaSink
from sinks.mariadb import MariaDBSink
from sources.kafka import KafkaSource


def build(
    source: Source[Any], kafka_sink: Sink[Any], mariadb_sink: Sink[Any], settings: Settings | None = None
) -> Dataflow:
    """Return the graph between a source and two sinks. Nothing is connected, nothing is read."""
    settings = settings or Settings()
    flow = Dataflow("website_analytics")

    batches = op.input("visits", flow, source)
    # KeyedStream[RawBatch]: ("00003", 4000 messages)
    visits = op.map_value("decode", batches, VisitDecoder(VisitRules.of(settings)).batch)
    # KeyedStream[VisitBatch]: ("00003", visits, and rejects with their reasons)
    if settings.echo:
        echo_visits("echo", visits)

    outputs = op.map_value("abandoned_carts", visits, output_lines(outputs_of(settings)))
    # KeyedStream[OutputBatch]: ("00003", cart lines and rejects)
    op.output("kafka_out", outputs, kafka_sink)

    sums = fold_windows("fold_windows", visits, settings.window_lengths_s, boards_of(settings))
    # KeyedStream[SumBatch]: ("00003", seconds and visits by length, window, board and entry)
    op.output("mariadb_out", sums, mariadb_sink)
    return flow


def flow() -> Dataflow:
    """Return the graph between Kafka and MariaDB, as configured by the environment."""
    logs.set_up("text")
    try:
        settings = Settings.from_environment()
        logs.set_up(settings.log_format)
        return between_servers(settings)
    except Fatal as fatal:
        end_process(fatal)


def between_servers(settings: Settings) -> Dataflow:
    """Return the graph between Kafka and MariaDB.

    :raises Fatal: CONFIG, settings that do not fit each other.
    """
    if settings.metrics_port:
        metrics.describe_build()
        metrics.serve(settings.metrics_host, settings.metrics_port + metrics.process_index(sys.argv))
    gc.set_threshold(100_000, 50, 50)  # batches are short-lived and hold no cycles: collecting at 700 only costs
    heartbeat = Heartbeat()
    heartbeat.start()
    ProgressLog().start()
    owner = PartitionOwner(settings, end_process)
    source = KafkaSource(settings, owner, heartbeat)
    atexit.register(source.end_incomplete)  # Bytewax returns when all partitions of all processes are at their end
    return build(source, KafkaSink(settings, owner), MariaDBSink(owner), settings)
