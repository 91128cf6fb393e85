-- A part of the partitions' lock names: who may only read the totals cannot guess a name, and so cannot hold its lock.
CREATE TABLE IF NOT EXISTS pipeline_secret (
    one_row     TINYINT  NOT NULL DEFAULT 1 PRIMARY KEY CHECK (one_row = 1),
    lock_secret CHAR(32) NOT NULL COMMENT 'random; the leaderboard''s user may not read it'
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;
