-- Named statements: "-- name -- what it is for", then the statement up to its semicolon.

-- lock_partition -- One dataflow owns a partition while this connection lives (1: ours, 0: held by another).
SELECT GET_LOCK(?, ?);

-- lock_holder -- Who holds the lock: connection id, user and host, if this user may see it.
SELECT p.ID, p.USER, p.HOST FROM information_schema.PROCESSLIST p WHERE p.ID = IS_USED_LOCK(?);

-- read_pipeline -- What this database was provisioned for; an older schema has fewer columns.
SELECT * FROM pipeline;

-- read_progress -- Every partition's position, in order of the partitions.
SELECT topic_id, kafka_partition, first_offset, next_offset FROM progress WHERE topic = ? ORDER BY topic_id, kafka_partition;

-- lock_position -- The position of one partition; FOR UPDATE waits for a commit in progress.
SELECT next_offset FROM progress WHERE topic_id = ? AND kafka_partition = ? FOR UPDATE;

-- last_read -- The last message that was counted of one partition; NULLs before the first.
SELECT last_offset, last_timestamp_ms, last_leader_epoch, last_digest
FROM progress WHERE topic_id = ? AND kafka_partition = ?;

-- advance_progress -- Move one partition on from a to b: one row changes, or another dataflow has moved it.
UPDATE progress
SET next_offset = ?,
    messages = messages + ?,
    visits = visits + ?,
    rejected = rejected + ?,
    max_visit_date = GREATEST(COALESCE(max_visit_date, ?), COALESCE(?, max_visit_date)),
    last_offset = COALESCE(?, last_offset),
    last_timestamp_ms = COALESCE(?, last_timestamp_ms),
    last_leader_epoch = COALESCE(?, last_leader_epoch),
    last_digest = COALESCE(?, last_digest)
WHERE topic_id = ? AND kafka_partition = ? AND next_offset = ?;

-- add_totals -- Add sums to windows. They come as one JSON document, which costs a third less than row by row, in
-- key order, so that connections cannot deadlock:
-- [{"l": length_s, "w": window_start, "b": board, "e": [[entry, duration_s, visits], ...]}, ...]
INSERT INTO window_totals (length_s, window_start, board, entry, duration_s, visits)
SELECT added.length_s, added.window_start, added.board, added.entry, added.duration_s, added.visits
FROM JSON_TABLE(?, '$[*]' COLUMNS (
    length_s     INT         PATH '$.l' ERROR ON EMPTY ERROR ON ERROR,
    window_start DATETIME    PATH '$.w' ERROR ON EMPTY ERROR ON ERROR,
    board        VARCHAR(16) PATH '$.b' ERROR ON EMPTY ERROR ON ERROR,
    NESTED PATH '$.e[*]' COLUMNS (
        entry      VARCHAR(600) PATH '$[0]' ERROR ON EMPTY ERROR ON ERROR,
        duration_s BIGINT      PATH '$[1]' ERROR ON EMPTY ERROR ON ERROR,
        visits     BIGINT      PATH '$[2]' ERROR ON EMPTY ERROR ON ERROR
    )
)) AS added
ON DUPLICATE KEY UPDATE
    duration_s = window_totals.duration_s + added.duration_s,
    visits     = window_totals.visits + added.visits;

-- most_packet_bytes -- The longest statement that the server takes on this connection.
SELECT @@max_allowed_packet;

-- connection_limits -- How many connections the server takes, and how many of this user (0: as many).
SELECT @@max_connections, @@max_user_connections;

-- keep_alive -- Keeps wait_timeout from closing an idle connection.
DO 1;

-- create_schema_versions -- Which of the numbered schema files have been applied.
CREATE TABLE IF NOT EXISTS schema_versions (
    version    INT          NOT NULL PRIMARY KEY COMMENT 'number of the file',
    name       VARCHAR(100) NOT NULL COMMENT 'name of the file',
    checksum   CHAR(64)     NOT NULL COMMENT 'SHA-256 of the file',
    applied_at DATETIME(6)  NOT NULL DEFAULT UTC_TIMESTAMP(6)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;

-- schema_versions -- The schema files that have been applied.
SELECT version, name, checksum FROM schema_versions ORDER BY version;

-- insert_schema_version -- A schema file has been applied.
INSERT INTO schema_versions (version, name, checksum) VALUES (?, ?, ?);

-- lock_provisioning -- One provision or reset of a database at a time; waits 1 s.
SELECT GET_LOCK(CONCAT('provision/', ?), 1);

-- tables -- Those of our tables that a database has; none if there is no such database.
SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_TYPE = 'BASE TABLE';

-- create_database -- Takes a quoted name. Names compare by their bytes in every table of it.
EXECUTE IMMEDIATE CONCAT('CREATE DATABASE IF NOT EXISTS ', ?, ' CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin');

-- hosts_of_user -- The hosts from which a user has an account.
SELECT Host FROM mysql.user WHERE User = ?;

-- create_user -- Changes nothing about a user that exists.
EXECUTE IMMEDIATE CONCAT('CREATE USER IF NOT EXISTS ', QUOTE(?), '@', QUOTE(?), ' IDENTIFIED BY ', QUOTE(?));

-- grant -- Privileges on a quoted table, to a user at a host.
EXECUTE IMMEDIATE CONCAT('GRANT ', ?, ' ON ', ?, ' TO ', QUOTE(?), '@', QUOTE(?));

-- granted_on_database -- Whether a user at a host has privileges on all tables of a database, whose name is a pattern.
SELECT EXISTS (SELECT 1 FROM mysql.db WHERE User = ? AND Host = ? AND Db = ?);

-- revoke_on_database -- Those privileges; takes the quoted pattern. Those on single tables stay.
EXECUTE IMMEDIATE CONCAT('REVOKE ALL PRIVILEGES ON ', ?, '.* FROM ', QUOTE(?), '@', QUOTE(?));

-- any_totals -- Whether anything has been counted.
SELECT EXISTS (SELECT 1 FROM window_totals);

-- window_rows -- About how many rows window_totals has: InnoDB's own estimate, which costs nothing.
SELECT TABLE_ROWS FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_NAME = 'window_totals';

-- insert_pipeline -- What must not change under this database.
INSERT INTO pipeline (pipeline_id, topic, topic_id, partitions, window_lengths_s, naive_timezone, decode_version, boards,
    outputs, visit_fields, visit_date_format, duration_unit, max_duration_s, max_future)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- lock_secret -- The part of the locks' names that only the dataflow and an administrator may read.
SELECT lock_secret FROM pipeline_secret;

-- insert_lock_secret -- Once; a running dataflow's locks have it in their names.
INSERT INTO pipeline_secret (lock_secret) VALUES (?);

-- insert_position -- A partition that nothing has been counted of.
INSERT INTO progress (topic_id, topic, kafka_partition, first_offset, next_offset) VALUES (?, ?, ?, ?, ?);

-- note_partitions -- The number of progress rows, changed in the transaction that adds rows.
UPDATE pipeline SET partitions = ?;

-- forget_pipeline -- From here on the dataflow finds nothing provisioned.
DELETE FROM pipeline;

-- forget_progress -- Forgets every position, those of topics of other ids too.
DELETE FROM progress;

-- forget_totals -- Commits by itself.
TRUNCATE TABLE window_totals;

-- partition_states -- Where every partition stands, for people; a row that never moved has had no commit.
SELECT kafka_partition, next_offset, messages, visits, rejected, IF(next_offset > first_offset, updated_at, NULL)
FROM progress
WHERE topic_id = ?
ORDER BY kafka_partition;

-- sum_windows -- Windows of a new length from those of a shorter one that divides it.
INSERT INTO window_totals (length_s, window_start, board, entry, duration_s, visits)
SELECT ?, '1970-01-01' + INTERVAL FLOOR(TIMESTAMPDIFF(SECOND, '1970-01-01', window_start) / ?) * ? SECOND AS start,
    board, entry, SUM(duration_s), SUM(visits)
FROM window_totals
WHERE length_s = ?
GROUP BY start, board, entry;

-- note_window_lengths -- In the transaction that adds the windows.
UPDATE pipeline SET window_lengths_s = ?;

-- note_boards -- In the transaction that fills the board.
UPDATE pipeline SET boards = ?;

-- note_board_start -- From when on a board that was added is complete.
REPLACE INTO board_starts (board, complete_from) VALUES (?, ?);

-- last_incomplete_window -- The last window in which a board has not the visits of another one.
SELECT MAX(window_start)
FROM (
    SELECT window_start
    FROM window_totals
    WHERE board IN (?, ?) AND length_s = ?
    GROUP BY window_start
    HAVING SUM(IF(board = ?, visits, -visits)) <> 0
) AS incomplete;

-- forget_starts -- Boards of a database that has been reset are complete.
DELETE FROM board_starts;
