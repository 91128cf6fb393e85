-- Windows of one length from a start on, each with its totals by last action and by country; the limit ends the read.
SELECT
    window_start,
    SUM(IF(board = 'action', visits, 0)),
    SUM(IF(board = 'country', visits, 0)),
    SUM(IF(board = 'action', duration_s, 0)),
    SUM(IF(board = 'country', duration_s, 0))
FROM window_totals
WHERE length_s = ? AND window_start > ?
GROUP BY window_start
ORDER BY window_start
LIMIT ?
