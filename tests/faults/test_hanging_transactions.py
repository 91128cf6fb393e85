"""A transaction of ours whose end Kafka has lost: it is recognised, and its cure keeps every cart once, in order."""

import pytest

from clients import kafka
from partition import tail
from partition.tail import Origin
from process.errors import RESTART_HELPS, ExitCode, Fatal
from settings import Settings
from tests.hanging import Headers, ProducerId, abort_hanging, allow_hanging, leave_hanging
from tests.integration.parts import owned
from tests.integration.test_kafka_sink import batch, sink_of, values
from tests.support import query

pytestmark = pytest.mark.environment(VISITS_PARTITIONS="1")


@pytest.fixture
def hanging_settings(own_settings: Settings) -> Settings:
    """The settings of a provisioned pipeline on a broker that accepts transactions its coordinator does not know."""
    allow_hanging(kafka.admin_client(own_settings))
    return own_settings


def commit_two_batches(settings: Settings) -> Origin:
    """Commit carts 0 and 1; return the origin of the first."""
    with sink_of(settings) as sink:
        sink.write(batch(0, 1, carts={0: "0"}))
        sink.write(batch(1, 2, carts={1: "1"}))
        pipeline = sink.committer.owned.pipeline
    return Origin(pipeline.pipeline_id, pipeline.topic_id, 0, 0)


def hang(settings: Settings, topic: str, *, key: str, headers: Headers = ()) -> ProducerId:
    """Leave a transaction of the partition's own transactional.id in partition 0 of an output topic."""
    address, transactional_id = settings.kafka_bootstrap_servers, f"{settings.carts_topic}-0"
    return leave_hanging(address, transactional_id, topic, 0, key=key.encode(), value=b"2", headers=headers)


def refusal(settings: Settings) -> Fatal:
    """Return what taking the partition ends with; no restart helps."""
    with pytest.raises(Fatal) as caught, owned(settings):
        pytest.fail("it was taken")
    assert caught.value.code == ExitCode.DATA
    assert caught.value.code not in RESTART_HELPS
    return caught.value


def test_what_is_not_counted_is_sent_again_after_the_abort(
    hanging_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It names topic, offset, visit and the command; after that command every cart is there once, in order."""
    monkeypatch.setattr(tail, "_OWN_TRANSACTION_S", 1.0)
    settings = hanging_settings
    origin = commit_two_batches(settings)
    query(settings, "UPDATE progress SET next_offset = 2")
    producer = hang(settings, settings.carts_topic, key=str(origin._replace(offset=2)))
    topic = settings.carts_topic
    assert refusal(settings).message == (
        f"topic '{topic}' partition 0: a transaction of this pipeline is open at offset 4 and its end is lost; it "
        "hides the outputs of the visits from offset 2 on, none of which is counted: abort it, then start again, and "
        f"they are sent again: kafka-transactions.sh --bootstrap-server {settings.kafka_bootstrap_servers} abort "
        f"--topic {topic} --partition 0 --start-offset 4"
    )
    abort_hanging(settings.kafka_bootstrap_servers, producer, topic, 0)
    with sink_of(settings) as sink:
        assert (sink.position, sink.committer.owned.tails.lines["carts"]) == (2, 1)
        sink.write(batch(2, 4, carts={2: "2", 3: "3"}))
    assert values(settings, topic) == [b"0", b"1", b"2", b"3"]


def test_what_is_counted_needs_an_older_position_too(
    hanging_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The abort alone would lose these carts; with a restored position each is there once, in order."""
    monkeypatch.setattr(tail, "_OWN_TRANSACTION_S", 1.0)
    settings = hanging_settings
    origin = commit_two_batches(settings)
    query(settings, "UPDATE progress SET next_offset = 3")
    producer = hang(settings, settings.carts_topic, key=str(origin._replace(offset=2)))
    message = refusal(settings).message
    assert "from offset 2 on, which are counted up to offset 3: abort it by kafka-transactions.sh " in message
    assert "then restore the database from a dump with a position up to 2, and they are sent again; or" in message
    abort_hanging(settings.kafka_bootstrap_servers, producer, settings.carts_topic, 0)
    query(settings, "UPDATE progress SET next_offset = 1")
    with sink_of(settings) as sink:
        for at in (1, 2, 3):
            sink.write(batch(at, at + 1, carts={at: str(at)}))
    assert values(settings, settings.carts_topic) == [b"0", b"1", b"2", b"3"]


def test_one_of_rejects_is_recognised_by_its_header(
    hanging_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reject keeps its own key, and names its visit in a header."""
    monkeypatch.setattr(tail, "_OWN_TRANSACTION_S", 1.0)
    settings = hanging_settings
    visit = str(commit_two_batches(settings)._replace(offset=7)).encode()
    hang(settings, settings.rejected_topic, key="theirs", headers=[("reason", b"malformed"), ("visit", visit)])
    message = refusal(settings).message
    assert message.startswith(f"topic '{settings.rejected_topic}' partition 0: a transaction of this pipeline is open")
    assert "the visits from offset 7 on, none of which is counted" in message


@pytest.mark.parametrize("changed", [{"pipeline_id": "f" * 32}, {"topic_id": "another"}, {"partition": 1}])
def test_another_producers_is_not_taken_for_ours(
    hanging_settings: Settings, monkeypatch: pytest.MonkeyPatch, changed: dict[str, str | int]
) -> None:
    """It may still end by itself, so a restart helps."""
    monkeypatch.setattr(tail, "_OWN_TRANSACTION_S", 0.5)
    monkeypatch.setattr(tail, "_OPEN_TRANSACTION_S", 1.0)
    settings = hanging_settings
    origin = commit_two_batches(settings)._replace(**changed)  # type: ignore[arg-type]
    hang(settings, settings.carts_topic, key=str(origin))
    with pytest.raises(Fatal, match="another producer's transaction") as caught, owned(settings):
        pytest.fail("it was taken")
    assert caught.value.code == ExitCode.UNAVAILABLE
