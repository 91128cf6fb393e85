"""Output topics with a small max.message.bytes: the outputs of a commit go in batches that both topics take."""

import pytest
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource

from clients import kafka
from process.errors import ExitCode, Fatal
from settings import Settings
from tests.integration.parts import owned
from tests.integration.test_kafka_sink import batch, sink_of, values
from tests.support import wait_until

pytestmark = pytest.mark.environment(VISITS_PARTITIONS="1")

CARTS = {offset: f"2026-11-23T20:00:00.123Z,Country {offset % 97},SHOPPING_CART,{offset}" for offset in range(6000)}
LINES = [line.encode() for line in CARTS.values()]


def limit(settings: Settings, topic: str, largest: int) -> None:
    """Set a topic's max.message.bytes."""
    entry = ConfigEntry("max.message.bytes", str(largest), incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=[entry])
    admin = kafka.admin_client(settings)
    admin.incremental_alter_configs([resource])[resource].result()
    wait_until(lambda: kafka.largest_batch(admin, topic) == largest, deadline_s=30, what=f"{largest} bytes")


@pytest.mark.environment(KAFKA_CONFIG_COMPRESSION_TYPE="none")
@pytest.mark.parametrize("largest", [1024, 10_000, 100_000])
@pytest.mark.parametrize("limited", ["carts_topic", "rejected_topic"])
def test_thousands_of_outputs_in_one_commit(settings: Settings, limited: str, largest: int) -> None:
    """However small the topic's batches are, all arrive, once, in order."""
    limit(settings, getattr(settings, limited), largest)
    rejects = {offset: b"no JSON %d" % offset for offset in range(6000, 9000)}
    with sink_of(settings) as sink:
        sink.write(batch(0, 9000, carts=CARTS, rejects=rejects))
    assert values(settings, settings.carts_topic) == LINES
    assert values(settings, settings.rejected_topic) == list(rejects.values())


@pytest.mark.environment(KAFKA_CONFIG_COMPRESSION_TYPE="none", KAFKA_CONFIG_BATCH_SIZE="50000")
def test_the_users_batch_size_holds_where_it_is_smaller(settings: Settings) -> None:
    """It is a limit of its own; the topic's counts where that is the smaller one."""
    limit(settings, settings.carts_topic, 60_000)
    limit(settings, settings.rejected_topic, 20_000)
    with sink_of(settings) as sink:
        sink.write(batch(0, 6000, carts=CARTS))
    assert values(settings, settings.carts_topic) == LINES


@pytest.mark.environment(KAFKA_CONFIG_COMPRESSION_TYPE="none")
def test_a_limit_lowered_in_the_run_is_named_and_a_restart_mends_it(settings: Settings) -> None:
    """The message names the topic that refuses, not that of the visits alone; nothing is visible in between."""
    with sink_of(settings) as sink:
        limit(settings, settings.carts_topic, 10_000)
        with pytest.raises(Fatal, match=f"topic '{settings.carts_topic}' refuses a batch of lines") as caught:
            sink.write(batch(0, 6000, carts=CARTS))
        assert caught.value.code == ExitCode.ABORTED
    with sink_of(settings) as sink:
        sink.write(batch(0, 6000, carts=CARTS))
    assert values(settings, settings.carts_topic) == LINES


def test_a_topic_that_takes_no_cart_is_refused(settings: Settings) -> None:
    """Before anything is read: topic, value and cure."""
    limit(settings, settings.carts_topic, 1000)
    with pytest.raises(Fatal) as caught, owned(settings):
        pytest.fail("it was taken")
    assert caught.value.code == ExitCode.CONFIG
    assert caught.value.message == (
        f"topic '{settings.carts_topic}' has max.message.bytes=1000, but a line can have 1024; raise it: kafka-configs "
        f"--alter --topic {settings.carts_topic} --add-config max.message.bytes=1048588"
    )


def test_the_largest_cart_fits_in_what_is_required(settings: Settings) -> None:
    """Two names of 64 characters of four bytes each, all of them taken by the smallest limit."""
    limit(settings, settings.carts_topic, 1024)
    line = f'2026-11-23T20:00:00.123Z,{"😀" * 64},"{"😀" * 63}""",2147483647'
    with sink_of(settings) as sink:
        sink.write(batch(0, 3, carts=dict.fromkeys(range(3), line)))
    assert values(settings, settings.carts_topic) == [line.encode()] * 3
