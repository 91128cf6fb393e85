-- The duration per bucket of whole windows of one length, of some entries of one board: a range of the primary key.
SELECT entry, FLOOR(TIMESTAMPDIFF(SECOND, ?, window_start) / ?), SUM(duration_s)
FROM window_totals FORCE INDEX (PRIMARY)
WHERE length_s = ? AND window_start >= ? AND window_start < ? AND board = ? AND entry IN ({entries})
GROUP BY 1, 2
