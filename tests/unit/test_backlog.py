"""What one process fetches ahead: bounded for all partitions together."""

import pytest

from partition.backlog import full_batch, prefetched_messages


@pytest.mark.parametrize(
    ("batch_messages", "partitions", "expected"),
    [(4000, 1, 20_000), (4000, 4, 20_000), (4000, 16, 5000), (4000, 64, 1250), (4000, 1000, 1000), (1, 64, 1)],
)
def test_prefetched_messages(batch_messages: int, partitions: int, expected: int) -> None:
    """Five batches of one partition, 20 of all, and never less than a quarter of a batch, or one message."""
    assert prefetched_messages(batch_messages, partitions) == expected


@pytest.mark.parametrize(
    ("batch_messages", "partitions", "expected"), [(4000, 4, 4000), (4000, 16, 2500), (4000, 64, 625), (1, 64, 1)]
)
def test_full_batch(batch_messages: int, partitions: int, expected: int) -> None:
    """With many partitions less is fetched ahead, so smaller batches show a backlog."""
    assert full_batch(batch_messages, partitions) == expected
