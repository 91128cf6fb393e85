-- One window's totals on one board.
SELECT COALESCE(SUM(visits), 0), COALESCE(SUM(duration_s), 0)
FROM window_totals
WHERE length_s = ? AND window_start = ? AND board = ?
