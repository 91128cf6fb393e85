"""What the plots show, without the library that draws them: the suite's own process stays small without it."""

from collections.abc import Sequence
from typing import NamedTuple

from bench.figures import Spread


class Bar(NamedTuple):
    """A row: the median as a bar, the rounds as a line over it, and the target, if there is one, as a mark."""

    label: str
    spread: Spread
    group: int
    limit: float | None = None


class Plot(NamedTuple):
    """A chart of horizontal bars, from top to bottom; `groups` names the colours, in order."""

    name: str
    title: str
    axis: str
    bars: Sequence[Bar]
    groups: Sequence[str] = ()


def text_of(value: float) -> str:
    """Return a figure with three digits that matter."""
    if value >= 1000:
        digits = len(f"{value:.0f}")
        return f"{round(value, 3 - digits):,.0f}"
    return f"{value:.3g}"
