"""Kafka restored from an older copy: the offsets that were counted hold other messages now."""

import shutil
from pathlib import Path

import pytest

from ops.servers import Servers
from settings import Settings
from tests.faults.test_positions import DATA, send
from tests.pipeline import check_all, progressed, run_to_end, running
from tests.support import ends
from tests.traffic import Truth, traffic


def partition_folder(servers: Servers, topic: str) -> Path:
    """Return the folder in which the broker keeps partition 0 of a topic."""
    (folder,) = servers.directory.rglob(f"{topic}-0")
    return folder


@pytest.mark.parametrize(("grown", "refused"), [(3000, True), (0, False)], ids=["other messages", "the same ones"])
def test_a_log_restored_from_an_older_copy(
    own_servers: Servers,
    own_settings: Settings,
    own_environment: dict[str, str],
    tmp_path: Path,
    grown: int,
    refused: bool,
) -> None:
    """If it has grown past our position it is refused, and nothing is changed; the right copy is continued."""
    kafka = own_servers.kafka
    assert kafka is not None
    first, second = traffic(2000, partitions=1, seed=71), traffic(2000, partitions=1, seed=72)
    other = traffic(3000, partitions=1, seed=73)
    log = partition_folder(own_servers, own_settings.visits_topic)
    copy = tmp_path / "copy"
    send(own_settings, first)
    if grown:
        kafka.stop()
        shutil.copytree(log, copy)
        kafka.start()
    send(own_settings, second)
    run_to_end(own_environment, tmp_path)
    assert progressed(own_settings) == 4000
    kafka.stop()
    if grown:
        shutil.rmtree(log)
        shutil.copytree(copy, log)
    kafka.start()
    send(own_settings, other)
    assert ends(own_settings, own_settings.visits_topic)[0] == (2000 if grown else 4000) + 3000
    if refused:
        with running(own_environment, tmp_path) as dataflow:
            assert dataflow.wait(60) == [DATA], dataflow.output()
            assert "holds another message at offset 3999 than the one that was counted" in dataflow.output()
        assert progressed(own_settings) == 4000
    else:
        run_to_end(own_environment, tmp_path)
        check_all(own_settings, Truth([*first, *second, *other]))
