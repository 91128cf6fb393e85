"""A topic that is deleted, recreated or grown while it is read: a consumer does not notice, the watch does."""

import threading
from collections.abc import Iterator

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic

import sources.topic_watch
from clients import kafka
from partition.owner import PartitionOwner
from partition.pipeline import Pipeline
from process.errors import ExitCode, Fatal
from settings import Settings
from sources.topic_watch import TopicWatch
from tests.integration.parts import reading
from tests.support import wait_until

pytestmark = pytest.mark.environment(VISITS_PARTITIONS="1")


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Poll every 20 ms."""
    monkeypatch.setattr(sources.topic_watch, "POLL_INTERVAL_S", 0.02)


@pytest.fixture
def admin(settings: Settings) -> AdminClient:
    """Kafka's administrator."""
    return kafka.admin_client(settings)


@pytest.fixture
def pipeline(settings: Settings) -> Pipeline:
    """What the database was provisioned for."""
    return PartitionOwner(settings).pipeline()


@pytest.fixture
def watch(settings: Settings) -> Iterator[TopicWatch]:
    """A watch, not started yet, with one user."""
    watch = TopicWatch(settings)
    yield watch
    watch.stop()


def delete(admin: AdminClient, settings: Settings) -> None:
    admin.delete_topics([settings.visits_topic])[settings.visits_topic].result(30)


def recreate(admin: AdminClient, settings: Settings) -> None:
    def created() -> bool:
        try:
            admin.create_topics([NewTopic(settings.visits_topic, 1, 1)])[settings.visits_topic].result(30)
        except KafkaException:
            return False
        return True

    delete(admin, settings)
    wait_until(created, deadline_s=30, what="the topic is there again")


def found(watch: TopicWatch) -> Fatal:
    return wait_until(lambda: watch.found, deadline_s=30, what="a difference is found")


def test_a_topic_that_was_created_anew(
    settings: Settings, admin: AdminClient, pipeline: Pipeline, watch: TopicWatch
) -> None:
    """The name is the same, the id is another: its offsets mean other messages."""
    recreate(admin, settings)
    watch.start(pipeline, admin)
    fatal = found(watch)
    assert fatal.code == ExitCode.DATA
    assert (
        f"but the database counts the one with id {pipeline.topic_id}: it was deleted and created anew" in fatal.message
    )


def test_a_topic_that_was_deleted(
    settings: Settings, admin: AdminClient, pipeline: Pipeline, watch: TopicWatch
) -> None:
    """Nothing is read any more, without an error."""
    watch.start(pipeline, admin)
    delete(admin, settings)
    assert f"topic '{settings.visits_topic}' has been deleted" in found(watch).message


def test_a_topic_that_has_grown(settings: Settings, admin: AdminClient, pipeline: Pipeline, watch: TopicWatch) -> None:
    """The visits of the new partitions would never be counted."""
    watch.start(pipeline, admin)
    admin.create_partitions([NewPartitions(settings.visits_topic, 3)])[settings.visits_topic].result(30)
    fatal = found(watch)
    assert fatal.code == ExitCode.CONFIG
    assert f"topic '{settings.visits_topic}' has 3 partitions, but 1 are provisioned" in fatal.message


def test_it_polls_until_the_last_user_stops(
    settings: Settings, admin: AdminClient, pipeline: Pipeline, watch: TopicWatch
) -> None:
    """One watch serves all partitions of a process."""
    watch.start(pipeline, admin)
    watch.start(pipeline, admin)
    watch.stop()
    admin.create_partitions([NewPartitions(settings.visits_topic, 3)])[settings.visits_topic].result(30)
    assert "has 3 partitions" in found(watch).message
    assert polling()
    watch.stop()
    wait_until(lambda: not polling(), deadline_s=30, what="no thread polls any more")
    watch.start(pipeline, admin)  # and again, as a next dataflow in the same process would
    assert polling()


def polling() -> bool:
    return any(thread.name == "topic-watch" for thread in threading.enumerate())


def test_what_it_finds_ends_the_source(settings: Settings, admin: AdminClient) -> None:
    """At the next call of the source's part."""
    with reading(settings) as reader:
        assert reader.committer.owned.start == 0
        admin.create_partitions([NewPartitions(settings.visits_topic, 3)])[settings.visits_topic].result(30)
        with pytest.raises(Fatal, match="has 3 partitions, but 1 are provisioned"):
            reader.read_until(lambda: False, what="its error")
