-- The node's database (PostgreSQL): consents to stand on favorable lists, and letters about removals. Days
-- count from 1970-01-01 in the list's time zone.

-- 0 when the subject has not consented, or withdrew; of adverse lists always.
ALTER TABLE record ADD COLUMN consented_on BIGINT NOT NULL DEFAULT 0 CHECK (consented_on BETWEEN 0 AND 16777215);
ALTER TABLE record_history ADD COLUMN consented_on BIGINT NOT NULL DEFAULT 0;

-- The last word of a subject about standing on a favorable list, through its authority; kept when it has no record there.
CREATE TABLE list_join (
    list_no BIGINT NOT NULL REFERENCES held_list (no),
    code    TEXT   NOT NULL,
    given   BIGINT NOT NULL CHECK (given IN (0, 1)),
    said_on BIGINT NOT NULL CHECK (said_on BETWEEN 1 AND 16777215),
    PRIMARY KEY (list_no, code)
);

-- Removals whose subjects have no letter about it yet. A row goes when its letter is written.
CREATE TABLE removal_untold (
    record_id  BIGINT NOT NULL PRIMARY KEY REFERENCES record (id),
    reason     TEXT   NOT NULL,                              -- a word of the catalogue
    removed_ms BIGINT NOT NULL CHECK (removed_ms >= 0)
);
