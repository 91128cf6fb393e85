"""The results of a suite: one JSON file, from which RESULTS.md and the plots are drawn."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from bench.figures import Spread, spread_of
from process.errors import ExitCode, Fatal


class Measurement(msgspec.Struct, frozen=True, kw_only=True):
    """One case in one round of a suite, which is named by its date: figures, and the runs that they are taken from."""

    suite: str
    round: int
    figures: Mapping[str, float]
    runs: list[dict[str, Any]]


class CaseResult(msgspec.Struct, kw_only=True):
    """A case in all rounds; `failures` are the messages of the rounds without figures."""

    name: str
    title: str
    section: str
    command: str
    measurements: list[Measurement] = []
    failures: list[str] = []

    def values(self, figure: str) -> list[float]:
        """Return a figure of each round that has it."""
        return [each.figures[figure] for each in self.measurements if figure in each.figures]

    def spread(self, figure: str) -> Spread | None:
        """Return a figure's spread over the rounds; None where no round has it."""
        return spread_of(self.values(figure))


class Results(msgspec.Struct, kw_only=True):
    """A whole suite, in the order of its cases; `left_out` has the reasons by case."""

    command: str
    date: str
    rounds: int
    sizes: dict[str, int]
    machine: dict[str, str]
    versions: dict[str, str]
    cases: list[CaseResult] = []
    left_out: dict[str, str] = {}

    def case(self, name: str) -> CaseResult | None:
        """Return a case by its name."""
        return next((case for case in self.cases if case.name == name), None)

    def ratios(self, over: str, under: str, figure: str) -> list[float]:
        """Return the ratio of a figure of two cases in each round of a suite that has both: they ran in turns."""
        above, below = ({} if case is None else _by_round(case, figure) for case in map(self.case, (over, under)))
        return [above[number] / below[number] for number in sorted(above.keys() & below.keys()) if below[number]]

    def keep(self, earlier: "Results") -> None:
        """Add the cases of earlier results of the same sizes that these do not have."""
        if earlier.sizes != self.sizes:
            return
        ours = {case.name for case in self.cases}
        self.cases += [case for case in earlier.cases if case.name not in ours]
        self.left_out = {name: why for name, why in (earlier.left_out | self.left_out).items() if not self.case(name)}


def _by_round(case: CaseResult, figure: str) -> dict[tuple[str, int], float]:
    return {(each.suite, each.round): each.figures[figure] for each in case.measurements if figure in each.figures}


def read(path: Path) -> Results:
    """Read results.

    :raises Fatal: there is no such file, or it holds something else.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Results)
    except OSError as error:
        message = f"{path} cannot be read ({error.strerror}): run python -m bench suite first"
        raise Fatal(message, ExitCode.CONFIG) from error
    except msgspec.MsgspecError as error:
        raise Fatal(f"{path} holds no results of a suite: {error}", ExitCode.CONFIG) from error


def write(results: Results, path: Path) -> None:
    """Write results, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.new")
    draft.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n")
    draft.replace(path)
