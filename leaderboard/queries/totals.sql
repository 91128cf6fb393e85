-- All that has been counted, the window lengths and the boards. One row per partition is read.
SELECT
    UTC_TIMESTAMP(6),
    (SELECT window_lengths_s FROM pipeline),
    (SELECT boards FROM pipeline),
    COALESCE(SUM(messages), 0),
    COALESCE(SUM(visits), 0),
    COALESCE(SUM(rejected), 0),
    MAX(max_visit_date)
FROM progress
