-- The node's database (PostgreSQL): notices, objections, decisions and appeals. Times are milliseconds since 1970-01-01 UTC.
-- Every `sealed` is ciphertext under the agency's store key, bound to its row; every key is a keyed hash, so that nothing
-- here tells whom a letter is about to who does not have that key.

-- Objections to own listings (first) and appeals to this body (review): one row per case and level, never removed.
CREATE TABLE redress_case (
    case_key BYTEA  NOT NULL PRIMARY KEY CHECK (length(case_key) = 32),
    level    TEXT   NOT NULL CHECK (level IN ('first', 'review')),
    ended    BIGINT NOT NULL CHECK (ended IN (0, 1)),        -- 1: nothing is left to be done
    begun_ms BIGINT NOT NULL CHECK (begun_ms >= 0),
    sealed   BYTEA  NOT NULL                                 -- list, subject, days, decisions
);
CREATE INDEX redress_case_level ON redress_case (level, ended);

-- Letters that came and that were written here, in their order. Only `state` and `sealed` of one that is on its way
-- change: waiting -> logged.
CREATE TABLE redress_letter (
    no         BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    letter_key BYTEA   NOT NULL UNIQUE CHECK (length(letter_key) = 32),
    case_key   BYTEA   CHECK (length(case_key) = 32),        -- null: of no case here
    way        TEXT    NOT NULL CHECK (way IN ('in', 'out')),
    state      TEXT    NOT NULL CHECK (state IN ('waiting', 'logged', 'taken', 'refused', 'unreadable')),
    at_ms      BIGINT  NOT NULL CHECK (at_ms >= 0),          -- when it was written, or came
    sealed     BYTEA   NOT NULL,                             -- content, signature, pseudonym, place in the log
    CHECK ((way = 'out') = (state IN ('waiting', 'logged')))
);
CREATE INDEX redress_letter_waiting ON redress_letter (no) WHERE state = 'waiting';
CREATE INDEX redress_letter_case ON redress_letter (case_key, no);

-- From which log index on letters are asked for.
CREATE TABLE redress_cursor (
    only_row BIGINT PRIMARY KEY CHECK (only_row = 1),
    next     BIGINT NOT NULL CHECK (next >= 0)
);
INSERT INTO redress_cursor (only_row, next) VALUES (1, 0);

-- The notice that a record's subject was sent through the log: of one decision, so that another one needs another notice.
CREATE TABLE record_notice (
    record_id    BIGINT NOT NULL PRIMARY KEY REFERENCES record (id),
    letter_key   BYTEA  NOT NULL CHECK (length(letter_key) = 32),
    decision_ref TEXT   NOT NULL,
    decided_on   BIGINT NOT NULL CHECK (decided_on BETWEEN 1 AND 16777215),
    effective_on BIGINT NOT NULL CHECK (effective_on BETWEEN 1 AND 16777215), -- as the letter says
    notified_on  BIGINT NOT NULL CHECK (notified_on BETWEEN 0 AND 16777215)   -- 0: the letter is not in the log yet
);
CREATE INDEX record_notice_letter ON record_notice (letter_key);

-- Records that nobody was notified of.
CREATE INDEX record_not_notified ON record (list_no, id) WHERE notified_on = 0;
