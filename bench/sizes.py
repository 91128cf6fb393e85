"""How large the cases of a suite are."""

from typing import NamedTuple

RATES = (1000, 20_000, 100_000)


class Sizes(NamedTuple):
    """Visits of the small, the large and the huge topic; the seconds of the cases that take a time; junk messages."""

    small: int = 2_000_000
    large: int = 8_000_000
    huge: int = 32_000_000
    latency_s: int = 10
    idle_s: int = 10
    junk: int = 100

    def scaled(self, scale: float) -> "Sizes":
        """Return sizes that are a fraction of these; times become no shorter than 2 s."""
        return Sizes(
            small=max(1000, round(self.small * scale)),
            large=max(4000, round(self.large * scale)),
            huge=max(16_000, round(self.huge * scale)),
            latency_s=max(2, round(self.latency_s * scale)),
            idle_s=max(2, round(self.idle_s * scale)),
            junk=max(4, round(self.junk * scale)),
        )
