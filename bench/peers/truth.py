"""What is right: the topic counted again by the decoder and the fold of `ops verify`, which no peer shares."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from oracle import kafka
from oracle.log import Reader, extents
from oracle.message import Classifier, Visit
from oracle.sums import Sums
from settings import Settings

WINDOW_S = 5

_known: dict[tuple[str, str], "Truth"] = {}


class Truth(NamedTuple):
    """What every peer should have counted: sums in windows of 5 s, and the number of carts."""

    sums: Sums
    carts: int


def truth_of(environ: Mapping[str, str]) -> Truth:
    """Count the topic of the environment; the same topic is read once in the life of this process.

    :raises Fatal: Kafka is unavailable.
    """
    settings = Settings.from_environment(environ)
    place = (settings.kafka_bootstrap_servers, settings.visits_topic)
    if place not in _known:
        _known[place] = _counted(settings)
    return _known[place]


def records_of(settings: Settings, topic: str) -> int:
    """Return the number of records that a read_committed consumer finds in a topic.

    :raises Fatal: Kafka is unavailable, or a transaction stays open.
    """
    return sum(1 for _ in _values(settings, topic))


def _counted(settings: Settings) -> Truth:
    sums, carts, classify = Sums(WINDOW_S, settings.boards), 0, Classifier()
    for value in _values(settings, settings.visits_topic):
        visit = classify(value)
        if isinstance(visit, Visit):
            sums.add(visit)
            carts += visit.last_action == "SHOPPING_CART"
    return Truth(sums, carts)


def _values(settings: Settings, topic: str) -> Iterator[bytes | None]:
    admin = kafka.admin_client(settings)
    (found,) = kafka.existing_topics(admin, settings, [topic])
    reader = Reader(settings, topic)
    try:
        for partition, extent in enumerate(extents(admin, topic, found.partitions, settled=True)):
            for _, record in reader.records(partition, extent):
                yield record.value()
    finally:
        reader.close()
