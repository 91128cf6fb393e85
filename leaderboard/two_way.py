"""The two-way sum: every visit is once on each board, so each window's totals on two of them are equal.

Both are written in one transaction, so the equality holds at every instant, and a pass may be spread over many steps:
each continues it for 50 ms, through all lengths in turn, from their latest windows back to the first. The next
pass begins when a message has been counted, or after a minute.
"""

from collections import deque
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

from leaderboard.boards import Totals
from leaderboard.ranges import seconds_of
from leaderboard.top import datetime_of, sql
from leaderboard.wire import Difference, TwoWaySum
from process.deadline import Deadline

STEP_S = 0.05
QUERY_S = 0.01
REST_S = 60.0

_AFTER_ALL = datetime(2101, 1, 1)  # noqa: DTZ001 - MariaDB's DATETIME has no zone
_FIRST_WINDOWS = 32
_MOST_WINDOWS = 65_536


class TwoWayCheck:
    """Pass after pass; `found` is the last complete one's result, or the current one's if it found a difference."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Start over: this is not the database that was checked before."""
        self.found = TwoWaySum()
        self._pass: _Pass | None = None
        self._messages: int | None = None
        self._rest = Deadline(0)

    def step(self, cursor: Any, totals: Totals) -> None:
        """Check the next windows; while nothing is counted, a pass begins once a minute.

        :raises mariadb.Error: to be translated by the caller.
        """
        if self._pass is None:
            if totals.messages == self._messages and not self._rest.passed:
                return
            boards = tuple(board.name for board in totals.boards if board.complete_from is None)[:2]
            self._pass = _Pass(totals.lengths_s if len(boards) > 1 else (), boards)
            self._messages, self._rest = totals.messages, Deadline(REST_S)
        one = self._pass
        ended = one.step(cursor)
        if ended:
            self._pass = None
        if one.difference:
            self.found = one.verdict("different", totals.read_at if ended else self.found.checked_at)
        elif ended:  # without windows there is nothing to compare
            self.found = one.verdict("equal", totals.read_at) if one.windows else TwoWaySum()


class _Pass:
    """One pass: its progress, and the first difference."""

    def __init__(self, lengths_s: tuple[int, ...], boards: tuple[str, ...]) -> None:
        self._boards = boards
        self.windows = 0
        self.difference: Difference | None = None
        self._left = deque(_Descent(length_s, boards) for length_s in lengths_s)

    def step(self, cursor: Any) -> bool:
        """Check the next windows; return whether they were the last."""
        deadline = Deadline(STEP_S)
        while self._left and not deadline.passed:
            descent = self._left[0]
            checked = descent.step(cursor)  # a failed step is repeated
            self.windows += checked.windows
            self._left.popleft()
            if checked.windows:
                self._left.append(descent)
            if checked.different and not self.difference:
                self.difference = _difference(cursor, descent.length_s, checked.different, self._boards)
        return not self._left

    def verdict(self, state: Literal["equal", "different"], checked_at: datetime | None) -> TwoWaySum:
        """Return its result."""
        return TwoWaySum(
            state=state,
            boards=self._boards,
            windows=self.windows,
            checked_at=checked_at,
            difference=self.difference,
        )


class _Checked(NamedTuple):
    """How many windows were checked, and the latest one whose totals differ."""

    windows: int
    different: datetime | None


class _Descent:
    """The windows of one length, from the latest back to the first; as many at a time as take about 10 ms."""

    def __init__(self, length_s: int, boards: tuple[str, ...]) -> None:
        self.length_s, self._boards = length_s, boards
        self._before = _AFTER_ALL
        self._windows = _FIRST_WINDOWS

    def step(self, cursor: Any) -> _Checked:
        """Check the next windows; there are none when all have been checked."""
        budget = Deadline(QUERY_S)
        cursor.execute(sql("latest_window"), (self.length_s, self._before))
        (latest,) = cursor.fetchone()
        if latest is None:
            return _Checked(0, None)
        first_s = seconds_of(latest.replace(tzinfo=UTC)) - (self._windows - 1) * self.length_s
        first, tried = datetime_of(max(0, first_s)), self._windows
        self._windows = max(1, tried // 2)  # also if this fails: it may have taken too long
        cursor.execute(sql("two_way"), (*self._boards, *self._boards, self.length_s, first, latest))
        checked = _Checked(*cursor.fetchone())
        self._before = first
        if not budget.passed:
            self._windows = min(_MOST_WINDOWS, tried * 2)
        return checked


def _difference(cursor: Any, length_s: int, window_start: datetime, boards: tuple[str, ...]) -> Difference:
    found: Difference = {"length_s": length_s, "window_start": window_start.replace(tzinfo=UTC)}
    for board in boards:
        cursor.execute(sql("window_totals"), (length_s, window_start, board))
        found[f"visits_by_{board}"], found[f"duration_s_by_{board}"] = map(int, cursor.fetchone())
    return found
