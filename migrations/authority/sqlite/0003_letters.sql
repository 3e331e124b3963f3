-- A consent authority's database (SQLite): letters to members on behalf of users. A reading sends those that wait, all
-- together and shuffled.

-- `state` and `sealed` change: waiting -> logged.
CREATE TABLE authority_letter (
    letter_key BLOB   NOT NULL PRIMARY KEY CHECK (length(letter_key) = 32),
    user_key   BLOB   NOT NULL CHECK (length(user_key) = 32) REFERENCES authority_user (user_key),
    state      TEXT   NOT NULL CHECK (state IN ('waiting', 'logged')),
    at_ms      BIGINT NOT NULL CHECK (at_ms >= 0),           -- when it was written
    sealed     BLOB   NOT NULL                               -- to whom, content, as it goes, place in the log
) WITHOUT ROWID;
CREATE INDEX authority_letter_user ON authority_letter (user_key);
CREATE INDEX authority_letter_waiting ON authority_letter (letter_key) WHERE state = 'waiting';
