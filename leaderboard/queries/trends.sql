-- Every entry's duration per bucket of whole windows of one length: a range of the primary key.
SELECT board, entry, FLOOR(TIMESTAMPDIFF(SECOND, ?, window_start) / ?), SUM(duration_s)
FROM window_totals
WHERE length_s = ? AND window_start >= ? AND window_start < ?
GROUP BY 1, 2, 3
