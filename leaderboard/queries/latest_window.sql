-- The start of the latest window of one length before a moment: one look-up by key.
SELECT MAX(window_start) FROM window_totals WHERE length_s = ? AND window_start < ?
