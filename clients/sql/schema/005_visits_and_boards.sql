-- Which messages are visits, what they are totalled by, and what goes out: the defaults are what was fixed before.
ALTER TABLE pipeline
    ADD COLUMN IF NOT EXISTS boards            VARCHAR(255)  NOT NULL DEFAULT 'action,country',
    ADD COLUMN IF NOT EXISTS outputs           VARCHAR(4096) NOT NULL DEFAULT '[["carts","csv",["SHOPPING_CART"]]]'
        COMMENT 'JSON: name, format and last actions of each',
    ADD COLUMN IF NOT EXISTS visit_fields      VARCHAR(4096) NOT NULL DEFAULT ''
        COMMENT 'where the fields of a visit are in a message; empty: under their usual names',
    ADD COLUMN IF NOT EXISTS visit_date_format VARCHAR(16)   NOT NULL DEFAULT 'rfc3339',
    ADD COLUMN IF NOT EXISTS duration_unit     VARCHAR(2)    NOT NULL DEFAULT 's',
    ADD COLUMN IF NOT EXISTS max_duration_s    INT           NOT NULL DEFAULT 2147483647,
    ADD COLUMN IF NOT EXISTS max_future        VARCHAR(16)   NOT NULL DEFAULT 'off'
        COMMENT 'how far after Kafka''s timestamp a visit may be dated';
-- From when on a board that was added later is complete; boards without a row are from the first visit on.
CREATE TABLE IF NOT EXISTS board_starts (
    board         VARCHAR(16) NOT NULL PRIMARY KEY,
    complete_from DATETIME    NULL COMMENT 'UTC; NULL: from the first visit on'
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;
-- An entry may be up to three texts of 64 characters, and each of these may be escaped as three.
ALTER TABLE window_totals MODIFY entry VARCHAR(600) NOT NULL COMMENT 'what the board totals by, such as the country';
