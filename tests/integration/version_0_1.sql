-- Totals of every window, by last action and by country. Names compare by their bytes (utf8mb4_nopad_bin):
-- utf8mb4_bin would merge 'USA' and 'USA '. Times are UTC.
CREATE TABLE window_totals (
    length_s     INT         NOT NULL COMMENT 'length of the window, seconds',
    window_start DATETIME    NOT NULL COMMENT 'UTC; a whole multiple of length_s since 1970',
    board        VARCHAR(16) NOT NULL COMMENT 'action or country',
    entry        VARCHAR(64) NOT NULL COMMENT 'the last action or the country',
    duration_s   BIGINT      NOT NULL COMMENT 'sum of the visits'' durations, seconds',
    visits       BIGINT      NOT NULL COMMENT 'number of visits',
    PRIMARY KEY (length_s, window_start, board, entry)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;

-- Where every partition of the input stands: all visits before next_offset are in window_totals, once each.
CREATE TABLE progress (
    topic_id        VARCHAR(64)  NOT NULL COMMENT 'Kafka''s own id of the input topic',
    topic           VARCHAR(249) NOT NULL,
    kafka_partition INT          NOT NULL,
    first_offset    BIGINT       NOT NULL COMMENT 'where counting began',
    next_offset     BIGINT       NOT NULL COMMENT 'the one position: totals hold all that is before it',
    messages        BIGINT       NOT NULL DEFAULT 0 COMMENT 'visits + rejected',
    visits          BIGINT       NOT NULL DEFAULT 0,
    rejected        BIGINT       NOT NULL DEFAULT 0,
    max_visit_date  DATETIME(6)  NULL COMMENT 'the latest visitDate counted, UTC',
    updated_at      DATETIME(6)  NOT NULL DEFAULT UTC_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6) COMMENT 'UTC: the connections'' time_zone is +00:00',
    PRIMARY KEY (topic_id, kafka_partition)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;

-- What must not change under a database: one row, which the dataflow compares with its own settings.
CREATE TABLE pipeline (
    one_row          TINYINT      NOT NULL DEFAULT 1 PRIMARY KEY CHECK (one_row = 1),
    pipeline_id      CHAR(32)     NOT NULL COMMENT 'random; every output names it',
    topic            VARCHAR(249) NOT NULL,
    topic_id         VARCHAR(64)  NOT NULL,
    partitions       INT          NOT NULL COMMENT 'number of progress rows of topic_id',
    window_lengths_s VARCHAR(255) NOT NULL,
    naive_timezone   VARCHAR(64)  NOT NULL DEFAULT '' COMMENT 'empty: a visitDate without a zone is rejected',
    decode_version   INT          NOT NULL COMMENT 'version of the rules in operators/decode.py',
    provisioned_at   DATETIME(6)  NOT NULL DEFAULT UTC_TIMESTAMP(6)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;
-- The 5-second action windows in the shape that existing leader-board consumers read.
CREATE OR REPLACE VIEW visit_stats AS
SELECT
    ROW_NUMBER() OVER (ORDER BY window_start, entry) AS ID,
    window_start                                     AS INTERVAL_TIMESTAMP,
    entry                                            AS LAST_ACTION,
    duration_s                                       AS DURATION
FROM window_totals
WHERE length_s = 5 AND board = 'action';
