-- Visits of every window of one length from a start: one look-up by key per window, instead of a scan of all
-- entries of all of them. seq_0_to_65535 is a table of the SEQUENCE engine, which every MariaDB has.
SELECT window_totals.window_start, SUM(window_totals.visits)
FROM (SELECT ? + INTERVAL seq * ? SECOND AS window_start FROM seq_0_to_65535 WHERE seq < ?) AS windows
STRAIGHT_JOIN window_totals
    ON window_totals.length_s = ? AND window_totals.window_start = windows.window_start AND window_totals.board = ?
GROUP BY window_totals.window_start
