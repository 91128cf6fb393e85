-- What the dataflow has counted, by name: messages, their parts, and the visits of every board and window length.
SELECT 'messages', SUM(messages) FROM progress
UNION ALL
SELECT 'visits', SUM(visits) FROM progress
UNION ALL
SELECT 'rejected', SUM(rejected) FROM progress
UNION ALL
SELECT 'carts', COALESCE(SUM(visits), 0) FROM window_totals
WHERE board = 'action' AND entry = 'SHOPPING_CART' AND length_s = (SELECT MIN(length_s) FROM window_totals)
UNION ALL
SELECT CONCAT(board, '_', length_s, '_s'), SUM(visits) FROM window_totals GROUP BY board, length_s;
