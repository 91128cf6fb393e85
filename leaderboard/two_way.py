"""The two-way sum: every visit is in one action and in one country, so each window's two totals are equal.

Both are written in one transaction, so the equality holds at every instant, and a pass may take its time: it goes
through all windows of all lengths in steps of few rows, the longest lengths first. The next one begins when something
has been counted, or after a minute.
"""

import time
from datetime import UTC, datetime
from typing import Any, Literal

from leaderboard.boards import Position, sql
from leaderboard.wire import Difference, TwoWaySum

STEP_WINDOWS = 40
REST_S = 60.0

_BEFORE_ALL = datetime(1969, 12, 31)  # noqa: DTZ001 - MariaDB's DATETIME has no zone


class TwoWayCheck:
    """Pass after pass; `found` is what the last whole one says, or the present one if it is bad."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin anew: this is not the database that was checked before."""
        self.found = TwoWaySum()
        self._pass: _Pass | None = None
        self._messages: int | None = None
        self._began = 0.0

    def step(self, cursor: Any, position: Position) -> None:
        """Check the next windows; where nothing has been counted since, a pass begins once a minute.

        :raises mariadb.Error: to be translated by the caller.
        """
        if self._pass is None:
            if position.messages == self._messages and time.monotonic() - self._began < REST_S:
                return
            self._pass, self._messages, self._began = _Pass(), position.messages, time.monotonic()
        one = self._pass
        ended = one.step(cursor, list(reversed(position.lengths_s)))
        if ended:
            self._pass = None
        if one.difference:
            self.found = one.verdict("different", position.read_at if ended else self.found.checked_at)
        elif ended:  # without windows there is nothing to be right about
            self.found = one.verdict("equal", position.read_at) if one.windows else TwoWaySum()


class _Pass:
    """One pass: how far it is, and the first difference."""

    def __init__(self) -> None:
        self.windows = 0
        self.difference: Difference | None = None
        self._lengths_done = 0
        self._after = _BEFORE_ALL

    def step(self, cursor: Any, lengths_s: list[int]) -> bool:
        """Check the next windows; return whether they were the last."""
        budget = STEP_WINDOWS
        while budget > 0:
            if self._lengths_done == len(lengths_s):
                return True
            length_s = lengths_s[self._lengths_done]
            cursor.execute(sql("two_way"), (length_s, self._after, budget))
            rows = cursor.fetchall()
            for window_start, *sums in rows:
                self._check(length_s, window_start, *map(int, sums))
            if len(rows) < budget:
                self._lengths_done, self._after = self._lengths_done + 1, _BEFORE_ALL
            budget -= len(rows)
        return False

    def verdict(self, state: Literal["equal", "different"], checked_at: datetime | None) -> TwoWaySum:
        """Return what it has found."""
        return TwoWaySum(state=state, windows=self.windows, checked_at=checked_at, difference=self.difference)

    def _check(self, length_s: int, window_start: datetime, *sums: int) -> None:
        self.windows += 1
        self._after = window_start
        visits_by_action, visits_by_country, duration_s_by_action, duration_s_by_country = sums
        equal = visits_by_action == visits_by_country and duration_s_by_action == duration_s_by_country
        if equal or self.difference:
            return
        self.difference = Difference(
            length_s=length_s,
            window_start=window_start.replace(tzinfo=UTC),
            visits_by_action=visits_by_action,
            visits_by_country=visits_by_country,
            duration_s_by_action=duration_s_by_action,
            duration_s_by_country=duration_s_by_country,
        )
