-- The first entries of one board over runs of neighbouring windows: ranges of the primary key. SQL_BIG_RESULT: a
-- million names are sorted in 3 s; in a temporary table, which MariaDB would choose, they take more than twice as long.
SELECT SQL_BIG_RESULT entry, SUM(duration_s) AS total_s, SUM(visits) AS counted
FROM window_totals FORCE INDEX (PRIMARY)
WHERE board = ? AND ({runs})
GROUP BY entry
ORDER BY total_s DESC, counted DESC, entry
LIMIT ?
