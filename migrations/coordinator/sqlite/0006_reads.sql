-- How many pseudonyms each consent authority read on a day, for its limit. Counts only rise.
CREATE TABLE subject_read (
    reader     TEXT   NOT NULL,
    day        BIGINT NOT NULL CHECK (day >= 0),       -- UTC, in days since 1970-01-01
    pseudonyms BIGINT NOT NULL CHECK (pseudonyms >= 0),
    PRIMARY KEY (reader, day)
) WITHOUT ROWID;
