CREATE TEMPORARY SYSTEM FUNCTION RFC3339 AS 'peers.flink.Rfc3339';

-- No idle time-out: every partition has visits to its end, and one that is only waited for must not be left behind
-- by the others, whose watermark would make its visits late.
CREATE TABLE visits (
    visitDate STRING,
    country STRING,
    lastAction STRING,
    duration INT,
    moment AS RFC3339(visitDate),
    WATERMARK FOR moment AS moment - INTERVAL '5' SECOND
) WITH (
    'connector' = 'kafka',
    'topic' = '${PEER_VISITS_TOPIC}',
    'properties.bootstrap.servers' = '${PEER_BOOTSTRAP_SERVERS}',
    'properties.group.id' = '${PEER_VISITS_TOPIC}.flink',
    'properties.isolation.level' = 'read_committed',
    'properties.max.partition.fetch.bytes' = '4194304',
    'properties.max.poll.records' = '4000',
    'scan.startup.mode' = 'earliest-offset',
    'scan.bounded.mode' = 'latest-offset',
    'format' = 'json',
    'json.timestamp-format.standard' = 'ISO-8601',
    'json.ignore-parse-errors' = 'true'
);

CREATE TABLE carts (
    visitDate STRING,
    country STRING,
    lastAction STRING,
    duration INT
) WITH (
    'connector' = 'kafka',
    'topic' = '${PEER_CARTS_TOPIC}',
    'properties.bootstrap.servers' = '${PEER_BOOTSTRAP_SERVERS}',
    'properties.linger.ms' = '20',
    'properties.batch.size' = '262144',
    'properties.compression.type' = 'lz4',
    'properties.transaction.timeout.ms' = '600000',
    'sink.delivery-guarantee' = '${PEER_GUARANTEE}',
    'sink.transactional-id-prefix' = '${PEER_CARTS_TOPIC}',
    'format' = 'csv'
);

CREATE TABLE totals (
    window_start TIMESTAMP(3),
    board STRING,
    entry STRING,
    duration_s BIGINT,
    visits BIGINT,
    PRIMARY KEY (window_start, board, entry) NOT ENFORCED
) WITH (
    'connector' = 'jdbc',
    'url' = '${PEER_JDBC_URL}',
    'username' = '${PEER_JDBC_USER}',
    'password' = '${PEER_JDBC_PASSWORD}',
    'table-name' = 'peer_totals',
    'sink.buffer-flush.max-rows' = '1000',
    'sink.buffer-flush.interval' = '100ms',
    'sink.parallelism' = '1'
);

CREATE TEMPORARY VIEW windows AS
SELECT * FROM TABLE(TUMBLE(TABLE visits, DESCRIPTOR(moment), INTERVAL '5' SECOND));

EXECUTE STATEMENT SET
BEGIN
    INSERT INTO carts
    SELECT visitDate, country, lastAction, duration FROM visits WHERE lastAction = 'SHOPPING_CART';
    INSERT INTO totals
    SELECT window_start, 'action', lastAction, SUM(CAST(duration AS BIGINT)), COUNT(*)
    FROM windows GROUP BY window_start, window_end, lastAction;
    INSERT INTO totals
    SELECT window_start, 'country', country, SUM(CAST(duration AS BIGINT)), COUNT(*)
    FROM windows GROUP BY window_start, window_end, country;
END;
