"""What the command line sets, checked."""

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

from simulate.workload import Weights


@dataclass(frozen=True, kw_only=True)
class AnomalyOptions:
    """Shares of the messages that are anomalies, 0 to 1 each and together, and by how many milliseconds.

    Late visits are dated up to `late_by_ms` earlier; all visits are dated up to `out_of_order_ms` earlier.
    """

    malformed_share: float = 0.0
    duplicate_share: float = 0.0
    late_share: float = 0.0
    late_by_ms: int = 0
    out_of_order_ms: int = 0


@dataclass(frozen=True, kw_only=True)
class Options:
    """All options of `python -m simulate`.

    `rate` is messages a second, 0 for flat out; None, only with `replay`, is the recorded pace.
    `start_ms` is milliseconds since 1970 UTC; None: visits carry the present time. `countries` None: the world.
    `history_ms` of visits come first, at `history_rate` visits per second of event time; then, if `live`, the others.
    """

    rate: Fraction | None
    profile: str
    speed: Fraction
    count: int | None
    duration_s: Fraction | None
    seed: int
    start_ms: int | None
    countries: int | Weights | None
    zipf: Decimal
    actions: Weights
    anomalies: AnomalyOptions
    key: str
    replay: Path | None
    max_gap_s: Fraction
    history_ms: int
    history_rate: Fraction
    live: bool
    truth: Path | None
    dry_run: bool
    summary: str
