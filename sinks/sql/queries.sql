-- Named statements: "-- name -- what it is for", then the statement up to its semicolon.

-- lock_partition -- One dataflow owns a partition while this connection lives (1: ours, 0: somebody else's).
SELECT GET_LOCK(?, ?);

-- lock_holder -- Who holds the lock: connection id, user and host, if it may be seen.
SELECT p.ID, p.USER, p.HOST FROM information_schema.PROCESSLIST p WHERE p.ID = IS_USED_LOCK(?);

-- lock_holder_id -- The connection id of the lock's holder, for users who may not see others' connections.
SELECT IS_USED_LOCK(?);

-- read_pipeline -- What this database was provisioned for.
SELECT pipeline_id, topic, topic_id, partitions, window_lengths_s, naive_timezone, decode_version FROM pipeline;

-- read_progress -- Every partition's position, in order of the partitions.
SELECT topic_id, kafka_partition, first_offset, next_offset FROM progress WHERE topic = ? ORDER BY topic_id, kafka_partition;

-- claim_position -- The position of one partition; FOR UPDATE waits for a commit that is still under way.
SELECT next_offset FROM progress WHERE topic_id = ? AND kafka_partition = ? FOR UPDATE;

-- advance_progress -- Move one partition on from a to b: one row changes, or somebody else moved it.
UPDATE progress
SET next_offset = ?,
    messages = messages + ?,
    visits = visits + ?,
    rejected = rejected + ?,
    max_visit_date = GREATEST(COALESCE(max_visit_date, ?), COALESCE(?, max_visit_date))
WHERE topic_id = ? AND kafka_partition = ? AND next_offset = ?;

-- add_totals -- Add sums to windows; rows come in key order, so that connections never wait for one another in a circle.
INSERT INTO window_totals (length_s, window_start, board, entry, duration_s, visits)
VALUES (?, ?, ?, ?, ?, ?)
ON DUPLICATE KEY UPDATE duration_s = duration_s + VALUES(duration_s), visits = visits + VALUES(visits);

-- stay_connected -- Keeps wait_timeout from ending an idle connection.
DO 1;
