"""Others change an output topic, take its producer, or leave a transaction open in the input."""

from confluent_kafka import Producer
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource

from clients import kafka, kafka_config
from clients.log_ends import log_ends
from partition.producer import fenced_producer
from tests.faults.table.arena import Arena
from tests.faults.table.scenario import hold, scenario
from tests.support import wait_until
from tests.traffic import Sent, traffic

_SMALLEST_BATCH = 1024


@scenario(
    "max.message.bytes of the carts' topic lowered to 1 KiB in mid-run",
    environment={"KAFKA_CONFIG_COMPRESSION_TYPE": "none"},
)
def topic_limit_lowered(arena: Arena) -> str:
    topic, admin = arena.settings.carts_topic, kafka.admin_client(arena.settings)
    before = arena.dataflow.workers
    limit = ConfigEntry("max.message.bytes", str(_SMALLEST_BATCH), incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=[limit])
    admin.incremental_alter_configs([resource])[resource].result()
    refused = f"topic '{topic}' refuses a batch of carts for its size"
    arena.dataflow.wait_for_log(refused)
    arena.dataflow.wait_until_replaced(before)
    return "'refuses a batch of carts for its size' in the log; smaller ones followed"


@scenario("a foreign producer takes the transactional.id of a partition, three times", quick=True)
def output_producer_fenced(arena: Arena) -> str:
    ended = 0
    for partition in (0, 3, 1):
        arena.wait_for_progress(3000)
        before, since = arena.dataflow.workers, len(arena.dataflow.log())
        fenced_producer(arena.settings, partition)
        arena.dataflow.wait_for_log("another producer has transactional.id", since=since)
        arena.dataflow.wait_for_log("ended with code 70", since=since)
        arena.dataflow.wait_until_replaced(before)
        ended += 1
    return f"ended with code 70 {ended} times, and named the other producer"


@scenario("another producer's transaction open in the input for 15 s, committed, and one aborted")
def transactions_in_input(arena: Arena) -> str:
    producer = Producer(kafka_config.client_config(arena.settings, transactional_id=arena.settings.visits_topic))
    producer.init_transactions(30)
    committed = _leave_open(arena, producer, commits=True, seconds=15)
    aborted = _leave_open(arena, producer, commits=False, seconds=5)
    return f"partition 0 stood at offset {committed}, later at {aborted}"


def _leave_open(arena: Arena, producer: Producer, *, commits: bool, seconds: float) -> int:
    """Keep a transaction open for a while; return the position behind which the rest of its partition waited."""
    sent = [message._replace(hidden=not commits) for message in traffic(1000, partitions=1, seed=arena.seed - 1)]
    producer.begin_transaction()
    with arena.sending:  # nobody else's messages come in between
        begins = len(arena.truth.log[0])
        arena.expect(sent)
        for message in sent:
            producer.produce(arena.settings.visits_topic, message.value, partition=0)
        assert producer.flush(30) == 0
    wait_until(lambda: _position(arena) == begins, deadline_s=30, what=f"partition 0 at {begins}")
    arena.wait_for_progress(3000)
    hold(seconds)
    assert _position(arena) == begins
    with arena.sending:
        end = len(arena.truth.log[0])
        arena.expect([Sent(0, None, hidden=True)])  # the control record
        (producer.commit_transaction if commits else producer.abort_transaction)(30)
        wait_until(lambda: _written(arena) == end + 1, deadline_s=30, what="the control record")
    return begins


def _position(arena: Arena) -> int:
    ((next_offset,),) = arena.administer("SELECT next_offset FROM progress WHERE kafka_partition = 0")
    return int(next_offset)


def _written(arena: Arena) -> int:
    """Return the high watermark of partition 0."""
    admin = kafka.admin_client(arena.settings)
    return log_ends(admin, arena.settings.visits_topic, [0])[0].written
