"""What the command line asks for, checked."""

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

from simulate.draws import Odds
from simulate.world import Weights


@dataclass(frozen=True, kw_only=True)
class Options:
    """Everything that `python -m simulate` can be asked for.

    `rate` is messages a second, 0 for flat out; None, only with `replay`, is the file's own pace.
    `start_ms` is milliseconds since 1970 UTC; None: visits carry the present time.
    """

    rate: Fraction | None
    profile: str
    speed: Fraction
    count: int | None
    duration_s: Fraction | None
    seed: int
    start_ms: int | None
    countries: int | Weights
    zipf: Decimal
    actions: Weights
    odds: Odds
    key: str
    replay: Path | None
    truth: Path | None
    dry_run: bool
    summary: str
