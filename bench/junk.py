"""Measure the memory that highly compressed junk takes: messages of 20 MB that Kafka holds in a few kilobytes each.

None of them is a visit, so that each is rejected with all its bytes. In 4 partitions, 2 GB together. The dataflow runs
to the end of the topic. Prints one line of JSON; `peak_mib` is the most memory that its process held.

Examples:
    python -m bench junk
    python -m bench junk --messages 10
"""

import argparse
from collections.abc import Mapping

from confluent_kafka import Producer

from bench import dataflow, place, report
from bench.place import Visits
from bench.progress import reading
from clients import kafka, kafka_config
from process.errors import ExitCode, Fatal
from settings import Settings

MESSAGE_BYTES = 20_000_000
_FLUSH_S = 60
_COUNTED = "SELECT SUM(messages), SUM(rejected) FROM progress"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add how many messages."""
    report.add_visits(parser, messages=100)


def main(arguments: argparse.Namespace) -> int:
    """Measure once, print."""
    with place.servers() as environ:
        report.show(measure(environ, report.visits_of(arguments)))
    return 0


def measure(environ: Mapping[str, str], visits: Visits) -> report.Run:
    """Send `visits.messages` messages of junk, and run the dataflow over them.

    :raises Fatal: Kafka did not acknowledge them, the dataflow ended badly, or did not reject every one.
    """
    with place.topic(environ, visits.partitions) as named, place.pipeline(named) as provisioned:
        settings = Settings.from_environment(provisioned)
        _send(settings, visits)
        with dataflow.running(provisioned, 1) as running:
            usage = running.wait()
        with reading(settings) as cursor:
            cursor.execute(_COUNTED)
            messages, rejected = map(int, cursor.fetchone())
    report.check("junk", visits.messages, {"messages": messages, "rejected": rejected})
    return report.run_of("junk", visits, usage, {"messages": messages, "rejected": rejected})


def _send(settings: Settings, visits: Visits) -> None:
    large = {"message_max_bytes": MESSAGE_BYTES + 1_000_000, "compression_type": "zstd"}
    with kafka.translated("sending junk"):
        producer = Producer(kafka_config.client_config(settings, **large))
        for number in range(visits.messages):
            value = b"%04d" % number * (MESSAGE_BYTES // 4)
            producer.produce(settings.visits_topic, value, partition=number % visits.partitions)
            left = producer.flush(_FLUSH_S)
            if left:
                message = f"Kafka has not acknowledged a message of {MESSAGE_BYTES} bytes after {_FLUSH_S} s: try again"
                raise Fatal(message, ExitCode.ABORTED)
