-- The table that a peer adds to: one row for each window of 5 s, board and entry.
CREATE TABLE peer_totals (
    window_start DATETIME(3) NOT NULL,
    board VARCHAR(16) NOT NULL,
    entry VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    duration_s BIGINT NOT NULL,
    visits BIGINT NOT NULL,
    PRIMARY KEY (window_start, board, entry)
)
