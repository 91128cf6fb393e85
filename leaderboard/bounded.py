"""A cursor whose statements, all together, have a limited time: MariaDB itself ends the one that exceeds it."""

from collections.abc import Sequence
from typing import Any

from process.deadline import Deadline

_SHORTEST_S = 0.001  # 0 would be no limit


class BoundedCursor:
    """Executes statements within `limit_s` of now, and each within `statement_s`; exceeded, error 1969 is raised.

    The transaction and its snapshot stay: the statements that follow, through another cursor, see the same instant.
    """

    def __init__(self, cursor: Any, limit_s: float, *, statement_s: float | None = None) -> None:
        self._cursor = cursor
        self._deadline = Deadline(limit_s)
        self._statement_s = statement_s or limit_s

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> None:
        """Execute a SELECT.

        :raises mariadb.Error: to be translated by the caller.
        """
        limit_s = max(_SHORTEST_S, min(self._deadline.left_s, self._statement_s))
        self._cursor.execute(f"SET STATEMENT max_statement_time = {limit_s:.3f} FOR {statement}", parameters)

    def fetchone(self) -> Any:
        """Return the next row."""
        return self._cursor.fetchone()

    def fetchall(self) -> Any:
        """Return all rows that are left."""
        return self._cursor.fetchall()
