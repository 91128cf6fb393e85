"""The run's summary, from delivery reports: as text, or as one line of JSON."""

from collections import Counter
from pathlib import Path

import msgspec

from settings import Settings
from simulate.options import Options
from simulate.shape import Shape
from simulate.stats import RunStats


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What a run has done. `messages` were acknowledged; they are `visits` or `rejected`, by reason.

    `late` and `repeated` are how many of those sent were so; `unknown`, how many of the `failed` may still be
    in the log. `rate` is acknowledged messages a second.
    """

    messages: int
    visits: int
    rejected: dict[str, int]
    late: int
    repeated: int
    failed: int
    unknown: int
    errors: dict[str, int]
    seconds: float
    rate: float
    rate_asked: float | None
    held_up_s: float
    cpu_s: float
    truth: str | None


def summary_of(stats: RunStats, settings: Settings, options: Options, *, truth: Path | None) -> Summary:
    """Sum up, when nothing is in flight any more; `truth` is the file that has been written."""
    sender = stats.sender
    classify = Shape(settings).classify
    outcomes = [classify(failure.value) for failure in sender.failures]
    rejected = stats.rejected - Counter(reason for reason in outcomes if isinstance(reason, str))
    seconds = stats.elapsed_s
    return Summary(
        messages=sender.delivered,
        visits=sender.delivered - rejected.total(),
        rejected=dict(sorted(rejected.items())),
        late=stats.late,
        repeated=stats.duplicates,
        failed=len(sender.failures),
        unknown=sum(failure.unknown for failure in sender.failures),
        errors=dict(Counter(failure.error for failure in sender.failures)),
        seconds=round(seconds, 3),
        rate=round(sender.delivered / seconds, 1),
        rate_asked=None if options.rate is None else float(options.rate),
        held_up_s=round(sender.waited_s, 3),
        cpu_s=round(stats.cpu_s, 3),
        truth=None if truth is None else str(truth),
    )


def text_of(summary: Summary) -> str:
    """Return the summary as text."""
    kinds = {"visits": summary.visits, **summary.rejected}
    lines = [
        f"{summary.messages:,} messages acknowledged in {summary.seconds:.1f} s: {summary.rate:,.0f}/s",
        ", ".join(f"{number:,} {kind}" for kind, number in kinds.items()),
        f"{summary.late:,} late, {summary.repeated:,} repeated",
    ]
    if summary.held_up_s:
        lines.append(f"held up by Kafka for {summary.held_up_s:.1f} s")
    if summary.failed:
        errors = ", ".join(f"{number:,} times {error}" for error, number in summary.errors.items())
        lines.append(f"{summary.failed:,} failed ({errors}); {summary.unknown:,} of these may still be in the log")
    if summary.truth:
        lines.append(f"the truth about them is in {summary.truth}")
    return "\n".join(lines)
