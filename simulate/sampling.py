"""The random samples, in blocks: which template a message has, which anomaly, and how far out of order it is."""

import sys
from array import array
from collections.abc import Sequence
from random import Random
from typing import NamedTuple

from simulate.chunk import MAX_MESSAGES
from simulate.malformed import KINDS, MalformedKind
from simulate.options import AnomalyOptions
from simulate.workload import TEMPLATE_COUNT


class Late(NamedTuple):
    """The visit is dated this much earlier."""

    by_ms: int


class Duplicate(NamedTuple):
    """The message is a copy of the one before it."""


Anomaly = MalformedKind | Late | Duplicate


class Block(NamedTuple):
    """The samples for MAX_MESSAGES messages: template indexes, anomalies by position, milliseconds to shift back."""

    template_indexes: list[int]
    anomalies: Sequence[tuple[int, Anomaly]]
    shifts_ms: list[int]


class Sampler:
    """Blocks without end. They are drawn whole, so that rate and pauses do not change the messages.

    Templates, anomalies and order have a stream of random numbers each, so that one option does not change the
    samples of another. The names of the streams seed them: with other names the same --seed is other bytes.
    """

    def __init__(self, seed: int | str, anomalies: AnomalyOptions, kinds: Sequence[MalformedKind] = KINDS) -> None:
        self._options, self._kinds = anomalies, kinds
        self._templates = Random(f"{seed}/cards")
        self._anomalies = Random(f"{seed}/oddities")
        self._order = Random(f"{seed}/order")

    def block(self) -> Block:
        """Draw the next block."""
        numbers = array("H", self._templates.randbytes(2 * MAX_MESSAGES))
        if sys.byteorder == "big":
            numbers.byteswap()
        template_indexes = [number % TEMPLATE_COUNT for number in numbers]
        return Block(template_indexes, self._draw_anomalies(), self._draw_shifts())

    def _draw_anomalies(self) -> list[tuple[int, Anomaly]]:
        options, draw = self._options, self._anomalies.random
        anomalous = options.malformed_share + options.duplicate_share + options.late_share
        if not anomalous:
            return []
        shares = [draw() for _ in range(MAX_MESSAGES)]
        return [(position, self._anomaly(share)) for position, share in enumerate(shares) if share < anomalous]

    def _anomaly(self, share: float) -> Anomaly:
        options, draw = self._options, self._anomalies.random
        if share < options.malformed_share:
            return self._kinds[int(draw() * len(self._kinds))]
        if share < options.malformed_share + options.duplicate_share:
            return Duplicate()
        return Late(1 + int(draw() * options.late_by_ms))

    def _draw_shifts(self) -> list[int]:
        choices, draw = self._options.out_of_order_ms + 1, self._order.random
        return [int(draw() * choices) for _ in range(MAX_MESSAGES)] if choices > 1 else []
