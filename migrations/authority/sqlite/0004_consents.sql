-- A consent authority's database (SQLite): what the authority itself did to consents of its users, so that it shows before
-- the next reading.

-- One row for each change, durable before the coordinator sees it. `state` changes once, sent -> logged. A change that was
-- refused is removed; an erasure takes all that is dead along.
CREATE TABLE authority_consent_change (
    change_key BLOB   NOT NULL PRIMARY KEY CHECK (length(change_key) = 32),
    user_key   BLOB   NOT NULL CHECK (length(user_key) = 32) REFERENCES authority_user (user_key),
    state      TEXT   NOT NULL CHECK (state IN ('sent', 'logged')),
    at_ms      BIGINT NOT NULL CHECK (at_ms >= 0),           -- when it was sent
    sealed     BLOB   NOT NULL                               -- consent, number, state, text, notice, place in the log
) WITHOUT ROWID;
CREATE INDEX authority_consent_change_user ON authority_consent_change (user_key);
