-- The start of the first window of one length: the first key.
SELECT MIN(window_start) FROM window_totals WHERE length_s = ?
