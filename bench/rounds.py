"""The suite's rounds: every case in turn, again and again, whatever becomes of one of them."""

import logging
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from bench import results
from bench.cases import Case, Measured, Topics, cases
from bench.results import CaseResult, Measurement, Results
from bench.sizes import Sizes
from process.deadline import Deadline
from process.errors import Fatal

logger = logging.getLogger(__name__)


class Rounds:
    """Measures cases in rounds, and writes what there is after every case; none begins when the deadline has passed."""

    def __init__(self, topics: Topics, found: Results, path: Path, deadline: Deadline) -> None:
        self._topics = topics
        self._found = found
        self._path = path
        self._deadline = deadline

    def run(self, chosen: Sequence[Case], rounds: int) -> None:
        """Measure all cases, `rounds` times."""
        chosen = [case for case in chosen if self._can_run(case)]
        order = {case.name: number for number, case in enumerate(cases(Sizes()))}
        self._found.cases.sort(key=lambda result: order[result.name])
        for number in range(1, rounds + 1):
            for case in chosen:
                if (number == 1 or not case.once) and not self._deadline.passed:
                    self._measure(case, number, f"round {number} of {1 if case.once else rounds}")
                    results.write(self._found, self._path)
        for case in chosen:
            result = self._result(case)
            if not (result.measurements or result.failures):
                self._leave_out(case, "there was no time left for it")
        results.write(self._found, self._path)

    def _can_run(self, case: Case) -> bool:
        reason = case.missing()
        if reason:
            self._leave_out(case, reason)
            return False
        self._forget(case)
        result = CaseResult(name=case.name, title=case.title, section=case.section, command=case.command)
        self._found.cases.append(result)
        return True

    def _leave_out(self, case: Case, reason: str) -> None:
        logger.info("%s is left out: %s", case.name, reason)
        self._forget(case)
        self._found.left_out[case.name] = reason

    def _forget(self, case: Case) -> None:
        self._found.cases = [result for result in self._found.cases if result.name != case.name]
        self._found.left_out.pop(case.name, None)

    def _result(self, case: Case) -> CaseResult:
        return next(result for result in self._found.cases if result.name == case.name)

    def _measure(self, case: Case, number: int, progress: str) -> None:
        result = self._result(case)
        begun = time.monotonic()
        try:
            measured = case.measure(self._topics)
        except Exception as error:  # whatever fails in one case must not take the results of the others
            logger.error("%s, %s: %s", case.name, progress, error, exc_info=not isinstance(error, Fatal))
            result.failures.append(f"round {number}: {error}")
        else:
            figures = {name: round(value, 4) for name, value in measured.figures.items()}
            result.measurements.append(self._measurement(number, figures, measured))
            taken = ", ".join(f"{name} {value:,.6g}" for name, value in figures.items())
            logger.info("%s, %s, %.0f s: %s", case.name, progress, time.monotonic() - begun, taken)

    def _measurement(self, number: int, figures: dict[str, float], measured: Measured) -> Measurement:
        runs = [msgspec.to_builtins(run) for run in measured.runs]
        for run in runs:
            del run["versions"]  # the same in all of them: they stand once, at the top
        return Measurement(suite=self._found.date, round=number, figures=figures, runs=runs)
