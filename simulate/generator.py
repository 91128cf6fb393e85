"""The visit generator: messages sampled from templates by one seed, dated by a clock, some of them anomalies."""

from simulate.chunk import MAX_MESSAGES, Chunk
from simulate.dates import DatesMs, encode_date, encode_dates, in_zone
from simulate.malformed import INVALID, NO_TIMEZONE, MalformedKind, kinds_of
from simulate.options import AnomalyOptions
from simulate.sampling import Anomaly, Duplicate, Late, Sampler
from simulate.schedule import Schedule
from simulate.templates import Templates
from simulate.world import Rhythm


class VisitGenerator:
    """Messages without end, or `until` of them, in chunks of any size; due by `schedule`, or at once without one."""

    def __init__(  # noqa: PLR0913 - each decides another property of the messages
        self,
        *,
        templates: Templates,
        seed: int | str,
        anomalies: AnomalyOptions,
        dates_ms: DatesMs,
        schedule: Schedule | None,
        until: int | None,
        key: str = "none",
        rhythm: Rhythm | None = None,
    ) -> None:
        self._templates, self._dates_ms, self._schedule, self._until = templates, dates_ms, schedule, until
        self._shape, self._suffixes = templates.shape, templates.message_suffixes()
        self._keys = templates.keys(key)
        self._rhythm = rhythm
        self._sampler = Sampler(seed, anomalies, kinds_of(self._shape))
        self._block = self._sampler.block()
        self._taken = 0
        self._previous: Chunk | None = None

    @property
    def done(self) -> bool:
        """Whether all messages have been taken."""
        return self._taken == self._until

    def due(self, elapsed_s: float) -> int:
        """Return how many messages may be taken now."""
        number = self._schedule.due(elapsed_s) - self._taken if self._schedule else MAX_MESSAGES
        return number if self._until is None else min(number, self._until - self._taken)

    def behind_s(self, elapsed_s: float) -> float:
        """Return for how long the next message has been due, seconds."""
        return elapsed_s - self._schedule.due_s(self._taken) if self._schedule else 0.0

    def take(self, number: int) -> Chunk:
        """Return the next messages: one at least, `number` at most.

        :raises Fatal: event time has reached the year 2100.
        """
        begin = self._taken % MAX_MESSAGES
        end = min(begin + number, MAX_MESSAGES)
        if self._until is not None:
            end = min(end, begin + self._until - self._taken)
        chunk = self._regular(begin, end)
        for position, anomaly in self._block.anomalies:
            if begin <= position < end:
                self._apply(anomaly, chunk, position - begin)
        self._taken += end - begin
        self._previous = chunk
        if end == MAX_MESSAGES:
            self._block = self._sampler.block()
        return chunk

    def _regular(self, begin: int, end: int) -> Chunk:
        """Return messages of the block, without anomalies."""
        indexes = self._block.template_indexes[begin:end]
        dates_ms = self._dates_ms(self._taken, end - begin)
        if self._rhythm:
            indexes = self._rhythm.indexes(indexes, dates_ms)
        if self._block.shifts_ms:
            shifts_ms = self._block.shifts_ms[begin:end]
            dates_ms = [date - shift for date, shift in zip(dates_ms, shifts_ms, strict=True)]
        dates_ms = list(map(self._shape.floor, dates_ms)) if self._shape.rules.date_format == "epoch_s" else dates_ms
        suffixes = map(self._suffixes.__getitem__, indexes)
        prefixes = {date_ms: self._prefix(date_ms, date) for date_ms, date in encode_dates(dates_ms).items()}
        values: list[bytes | None]
        if len(prefixes) == 1:  # flat out a whole chunk has one date
            (prefix,) = prefixes.values()
            values = [prefix + suffix for suffix in suffixes]
        else:
            values = [prefixes[date_ms] + suffix for date_ms, suffix in zip(dates_ms, suffixes, strict=True)]
        keys: list[bytes | None] | None = [self._keys[index] for index in indexes] if self._keys else None
        return Chunk(self._taken, self._templates, values, keys, indexes, dates_ms)

    def _prefix(self, date_ms: int, date: bytes) -> bytes:
        return self._shape.prefix + self._shape.encoded_date(date_ms, date)

    def _apply(self, anomaly: Anomaly, chunk: Chunk, position: int) -> None:
        if isinstance(anomaly, MalformedKind):
            self._malform(anomaly, chunk, position)
        elif isinstance(anomaly, Late):
            date_ms = chunk.dates_ms[position] = self._shape.floor(chunk.dates_ms[position] - anomaly.by_ms)
            prefix = self._prefix(date_ms, encode_date(date_ms))
            chunk.values[position] = prefix + self._suffixes[chunk.indexes[position]]
            chunk.late.append(position)
        elif isinstance(anomaly, Duplicate):
            source = chunk if position else self._previous
            if source is not None:
                chunk.duplicate(position, source, (position or len(source.values)) - 1)

    def _malform(self, kind: MalformedKind, chunk: Chunk, position: int) -> None:
        date_ms, template = chunk.dates_ms[position], self._templates[chunk.indexes[position]]
        chunk.values[position] = kind.encode(self._shape, date_ms, template)
        zone = self._shape.zone
        if kind.reason != NO_TIMEZONE or zone is None:
            chunk.reject(position, kind.reason)
        elif (moment_ms := in_zone(date_ms, zone)) is None:
            chunk.reject(position, INVALID)
        else:
            chunk.dates_ms[position] = moment_ms
