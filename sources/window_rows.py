"""Ends the dataflow before dates strewn over centuries have filled the database with windows."""

import logging
import time

from clients import mariadb
from clients.mariadb import ConnectionLost, Login, Transient, translated
from clients.sql import queries
from process import metrics
from process.errors import ExitCode, Fatal
from settings import Settings

logger = logging.getLogger(__name__)

INTERVAL_S = 60.0


class WindowRows:
    """Looks at the number of rows of window_totals, once a minute: a visit can add several, whatever its date is."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._login = Login.dataflow(settings)
        self._looked_at = float("-inf")

    def too_many(self) -> Fatal | None:
        """Return what ends the run at MAX_WINDOW_ROWS, with a warning from half of it on; None without a server."""
        if time.monotonic() - self._looked_at < INTERVAL_S:
            return None
        self._looked_at = time.monotonic()
        try:
            rows = self._rows()
        except (ConnectionLost, Transient, Fatal) as error:  # the committers decide how long to wait
            logger.warning("the size of window_totals is unknown: %s", error, extra={"action": "watch"})
            return None
        limit = self._settings.max_window_rows
        metrics.WINDOW_ROWS.set(rows)
        metrics.WINDOW_ROWS_LIMIT.set(limit)
        database = self._settings.mariadb_database
        if rows >= limit:
            message = (
                f"window_totals of database {database!r} has about {rows} rows, but MAX_WINDOW_ROWS is {limit}: look "
                "for visits with wrong dates, and at the space left, then raise it"
            )
            return Fatal(message, ExitCode.CONFIG)
        if rows >= limit / 2:
            text = "window_totals of database %r has about %d rows; the dataflow ends at MAX_WINDOW_ROWS, which is %d"
            logger.warning(text, database, rows, limit, extra={"action": "window_rows"})
        return None

    def _rows(self) -> int:
        connection = mariadb.connect(self._login)
        try:
            with translated(str(self._login)):
                cursor = connection.cursor()
                cursor.execute(queries()["window_rows"], (self._settings.mariadb_database,))
                row = cursor.fetchone()
                return int(row[0] or 0) if row else 0
        finally:
            connection.close()
