-- The last message that was counted of a partition, so that a log restored from an older copy is noticed.
ALTER TABLE progress
    ADD COLUMN IF NOT EXISTS last_offset       BIGINT   NULL COMMENT 'offset of the last message counted',
    ADD COLUMN IF NOT EXISTS last_timestamp_ms BIGINT   NULL COMMENT 'Kafka''s timestamp of it; -1: none',
    ADD COLUMN IF NOT EXISTS last_leader_epoch INT      NULL COMMENT 'leader epoch of it; -1: none',
    ADD COLUMN IF NOT EXISTS last_digest       CHAR(32) NULL COMMENT 'BLAKE2b of its key and value';
