-- How many windows of one length a range of the primary key has, and the latest of them whose totals on two boards
-- differ.
SELECT COUNT(*), MAX(IF(visits_surplus = 0 AND duration_s_surplus = 0, NULL, window_start))
FROM (
    SELECT
        window_start,
        SUM(CASE board WHEN ? THEN visits WHEN ? THEN -visits END) AS visits_surplus,
        SUM(CASE board WHEN ? THEN duration_s WHEN ? THEN -duration_s END) AS duration_s_surplus
    FROM window_totals
    WHERE length_s = ? AND window_start >= ? AND window_start <= ?
    GROUP BY window_start
) AS windows
