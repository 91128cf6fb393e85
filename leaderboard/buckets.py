"""How a range of time is divided into equal buckets for a curve: few points, from few windows."""

from collections.abc import Sequence
from typing import NamedTuple

_MULTIPLES = (1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30)
_FEWEST = 12  # of the shortest window: a curve of one point shows nothing

MOST_WINDOWS = 65_536
"""A log that holds a visit of 1970 has more windows of 5 seconds than a curve can show."""


class Buckets(NamedTuple):
    """`points` buckets of `bucket_s` seconds from `start_s` on, each of whole windows of `length_s`."""

    length_s: int
    bucket_s: int
    start_s: int
    points: int

    @property
    def windows(self) -> int:
        """The number of windows in all of them."""
        return self.points * self.bucket_s // self.length_s

    def index_of(self, second: int) -> int:
        """Return the bucket of a second."""
        return (second - self.start_s) // self.bucket_s


def buckets_of(
    start_s: int, end_s: int, lengths_s: Sequence[int], *, most: int, most_windows: int = 30
) -> Buckets | None:
    """Divide [start_s, end_s) into at most `most` buckets; None if no bucket is complete yet.

    Only buckets before the last window of the shortest length count: that window is still filling, and a curve that
    always ends in a drop misleads. A bucket has at most `most_windows` windows, while there are windows long enough.
    """
    shortest_s = lengths_s[0]
    start_s = max(0, min(start_s, end_s - _FEWEST * shortest_s))
    closed_s = end_s - shortest_s
    start_s = max(start_s, closed_s - MOST_WINDOWS * lengths_s[-1])
    length_s, bucket_s = _size(closed_s - start_s, lengths_s, most=most, most_windows=most_windows)
    first_s, last_s = -(-start_s // bucket_s) * bucket_s, closed_s // bucket_s * bucket_s
    points = min(most, (last_s - first_s) // bucket_s)
    if points < 1:
        return None
    return Buckets(length_s, bucket_s, last_s - points * bucket_s, points)


def _size(span_s: int, lengths_s: Sequence[int], *, most: int, most_windows: int) -> tuple[int, int]:
    for length_s, longer_s in zip(lengths_s, [*lengths_s[1:], None], strict=True):
        for multiple in _MULTIPLES:
            bucket_s = length_s * multiple
            if multiple > most_windows or (longer_s is not None and bucket_s >= longer_s):
                break
            if span_s <= bucket_s * most:
                return length_s, bucket_s
    longest_s = lengths_s[-1]
    return longest_s, -(-span_s // most // longest_s) * longest_s or longest_s
