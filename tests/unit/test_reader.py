"""What one process fetches ahead: bounded for all partitions together."""

import pytest

from sources.reader import prefetched_messages


@pytest.mark.parametrize(
    ("batch_messages", "partitions", "expected"),
    [(4000, 1, 20_000), (4000, 4, 20_000), (4000, 16, 5000), (4000, 64, 1250), (4000, 1000, 1000), (1, 64, 1)],
)
def test_prefetched_messages(batch_messages: int, partitions: int, expected: int) -> None:
    """Five batches of one partition, 20 of all, and never less than a quarter of a batch, or one message."""
    assert prefetched_messages(batch_messages, partitions) == expected
