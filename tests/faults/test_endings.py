"""Ctrl-C while a server is unavailable: the dataflow still ends, and the next run continues at its position."""

import signal
from pathlib import Path

import pytest

from ops.servers import Servers
from settings import Settings
from tests.pipeline import check_all, check_promise_1, progressed, running
from tests.support import produce, wait_until
from tests.traffic import Truth, traffic

ENDS_WITHIN_S = 30  # on a busy machine; without a timeout of ours librdkafka takes 45 s for each partition


@pytest.mark.parametrize("name", ["Kafka", "MariaDB"])
def test_ctrl_c_ends_the_dataflow_while_a_server_is_unavailable(
    name: str, own_servers: Servers, own_settings: Settings, own_environment: dict[str, str], tmp_path: Path
) -> None:
    """In seconds, whatever is under way: an open transaction, a commit without a response."""
    server = own_servers.kafka if name == "Kafka" else own_servers.mariadb
    assert server is not None
    sent = traffic(60_000, seed=23)
    produce(own_settings, [(message.partition, message.value) for message in sent])
    with running(own_environment, tmp_path) as dataflow:
        wait_until(lambda: progressed(own_settings) > 0, deadline_s=60, what="the first commit")
        server.kill()
        try:
            dataflow.signal(signal.SIGINT)
            dataflow.wait(ENDS_WITHIN_S)
        finally:
            server.start()
    check_promise_1(own_settings, Truth(sent))
    with running(own_environment | {"STOP_AT_END": "1"}, tmp_path) as dataflow:
        assert dataflow.wait() == [0]
    check_all(own_settings, Truth(sent))
