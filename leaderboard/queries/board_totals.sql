-- Each board's number of entries, duration and visits over runs of neighbouring windows.
SELECT board, COUNT(DISTINCT entry), SUM(duration_s), SUM(visits)
FROM window_totals FORCE INDEX (PRIMARY)
WHERE {runs}
GROUP BY board
