-- One window's totals by last action and by country.
SELECT
    SUM(IF(board = 'action', visits, 0)),
    SUM(IF(board = 'country', visits, 0)),
    SUM(IF(board = 'action', duration_s, 0)),
    SUM(IF(board = 'country', duration_s, 0))
FROM window_totals
WHERE length_s = ? AND window_start = ?
