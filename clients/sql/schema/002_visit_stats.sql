-- The 5-second action windows in the shape that existing leaderboard consumers read.
CREATE OR REPLACE VIEW visit_stats AS
SELECT
    ROW_NUMBER() OVER (ORDER BY window_start, entry) AS ID,
    window_start                                     AS INTERVAL_TIMESTAMP,
    entry                                            AS LAST_ACTION,
    duration_s                                       AS DURATION
FROM window_totals
WHERE length_s = 5 AND board = 'action';
