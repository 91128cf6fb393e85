-- Both boards over neighbouring windows of one length: a range of the primary key.
SELECT board, entry, SUM(duration_s), SUM(visits)
FROM window_totals
WHERE length_s = ? AND window_start >= ? AND window_start < ?
GROUP BY board, entry
