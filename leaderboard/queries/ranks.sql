-- The ranks that some entries of one board have over runs of neighbouring windows, in the order of top.sql.
SELECT entry, place
FROM (
    SELECT SQL_BIG_RESULT
        entry, ROW_NUMBER() OVER (ORDER BY SUM(duration_s) DESC, SUM(visits) DESC, entry) AS place
    FROM window_totals FORCE INDEX (PRIMARY)
    WHERE board = ? AND ({runs})
    GROUP BY entry
) AS ranked
WHERE entry IN ({entries})
