-- A consent authority's database (SQLite). Times are milliseconds since 1970-01-01 UTC. Every `sealed` is ciphertext
-- under the authority's store key, bound to its table and key; every key of a row is a keyed hash. Nothing here tells a
-- code, a pseudonym, or which record of the log is about whom, to who does not have that key.

-- Users, found again by a keyed hash of scheme and code. Only `covered` changes.
CREATE TABLE authority_user (
    user_key BLOB   NOT NULL PRIMARY KEY CHECK (length(user_key) = 32),
    since_ms BIGINT NOT NULL CHECK (since_ms >= 0),
    covered  BLOB   CHECK (length(covered) = 32),            -- of which requesters there are chains; null: of none yet
    sealed   BLOB   NOT NULL                                 -- scheme, code
) WITHOUT ROWID;
CREATE INDEX authority_user_covered ON authority_user (covered);

-- A user's pseudonym for one requester, and how far its chain was read. `run` and `sealed` change with each reading.
CREATE TABLE authority_chain (
    chain_key BLOB   NOT NULL PRIMARY KEY CHECK (length(chain_key) = 32),
    user_key  BLOB   NOT NULL CHECK (length(user_key) = 32) REFERENCES authority_user (user_key),
    run       BIGINT NOT NULL CHECK (run >= 0),              -- the reading that read it last; 0: none yet
    sealed    BLOB   NOT NULL                                -- requester, pseudonym, place, statement, finding
) WITHOUT ROWID;
CREATE INDEX authority_chain_user ON authority_chain (user_key);
CREATE INDEX authority_chain_run ON authority_chain (run);

-- Records of chains with what proves them. Only an erasure removes them.
CREATE TABLE authority_entry (
    entry_key BLOB NOT NULL PRIMARY KEY CHECK (length(entry_key) = 32),
    chain_key BLOB NOT NULL CHECK (length(chain_key) = 32) REFERENCES authority_chain (chain_key),
    sealed    BLOB NOT NULL                                  -- record, place, proof, opening
) WITHOUT ROWID;
CREATE INDEX authority_entry_chain ON authority_entry (chain_key);

-- Checkpoints of the log that entries were proven under, once each; they are public. Never changed.
CREATE TABLE authority_checkpoint (
    hash BLOB NOT NULL PRIMARY KEY CHECK (length(hash) = 32), -- not keyed: BLAKE3 of the note
    note BLOB NOT NULL                                       -- a signed note
);

-- Readings of all chains together. `ended_ms` and `chains` change while one is under way; at most one is.
CREATE TABLE authority_reading (
    run      BIGINT NOT NULL PRIMARY KEY CHECK (run >= 1),
    began_ms BIGINT NOT NULL CHECK (began_ms >= 0),
    ended_ms BIGINT CHECK (ended_ms >= 0),                   -- null: under way, or to be resumed
    chains   BIGINT NOT NULL CHECK (chains >= 0)             -- read so far
);

-- When the next reading begins.
CREATE TABLE authority_schedule (
    only_row BIGINT NOT NULL PRIMARY KEY CHECK (only_row = 1),
    next_ms  BIGINT NOT NULL CHECK (next_ms >= 0)
);

-- What follows is what a requester keeps (as in the node's database): the checks that users make of lists about themselves.

-- Subjects of this requester, found by a keyed hash of pseudonym epoch, scheme and code. A pending one is durable
-- before the custodian sees it; `state` and `sealed` change once, when it is enrolled.
CREATE TABLE requester_subject (
    subject BLOB NOT NULL PRIMARY KEY CHECK (length(subject) = 32),
    state   TEXT NOT NULL CHECK (state IN ('pending', 'enrolled')),
    sealed  BLOB NOT NULL                                    -- z, Ph, T
) WITHOUT ROWID;
CREATE INDEX requester_subject_pending ON requester_subject (subject) WHERE state = 'pending';

-- Requests to the coordinator, durable before they are sent. Only `state` changes, once.
CREATE TABLE requester_request (
    hash     BLOB   NOT NULL PRIMARY KEY CHECK (length(hash) = 32), -- not keyed: the coordinator finds it by it
    state    TEXT   NOT NULL CHECK (state IN ('sent', 'answered', 'not_answered')),
    asked_ms BIGINT NOT NULL,
    case_key BLOB   NOT NULL CHECK (length(case_key) = 32),
    sealed   BLOB   NOT NULL                                 -- the request's bytes, rows, salts of its matters
);
CREATE INDEX requester_request_sent ON requester_request (asked_ms) WHERE state = 'sent';
CREATE INDEX requester_request_lost ON requester_request (case_key, hash) WHERE state = 'not_answered';

-- What proves the answers of a settled request. Never changed.
CREATE TABLE requester_answer (
    request BLOB NOT NULL PRIMARY KEY CHECK (length(request) = 32) REFERENCES requester_request (hash),
    sealed  BLOB NOT NULL
);

-- Records of settled requests: which are ours, and what became of them. Never changed.
CREATE TABLE requester_record (
    id      BLOB   NOT NULL PRIMARY KEY CHECK (length(id) = 16), -- ULID of the record, big-endian
    request BLOB   NOT NULL CHECK (length(request) = 32) REFERENCES requester_request (hash),
    place   BIGINT NOT NULL CHECK (place >= 0),              -- in the sealed answer
    outcome TEXT   NOT NULL CHECK (outcome IN ('answered', 'refused', 'not_answered'))
) WITHOUT ROWID;
CREATE INDEX requester_record_lost ON requester_record (request, place) WHERE outcome = 'not_answered';

-- Buckets that receipts need, once by content. Never changed.
CREATE TABLE requester_bucket (
    bucket BLOB NOT NULL PRIMARY KEY CHECK (length(bucket) = 32),
    sealed BLOB NOT NULL
);

-- Consents under our own pseudonyms, as the coordinator tells them. `number` only rises.
CREATE TABLE requester_consent (
    pseudonym BLOB   NOT NULL CHECK (length(pseudonym) = 32),
    id        BLOB   NOT NULL CHECK (length(id) = 16),       -- ULID, big-endian
    number    BIGINT NOT NULL CHECK (number >= 0),           -- of the last change of state
    sealed    BLOB   NOT NULL,                               -- text, state
    PRIMARY KEY (pseudonym, id)
) WITHOUT ROWID;
CREATE INDEX requester_consent_by_id ON requester_consent (id);

CREATE INDEX requester_request_case ON requester_request (case_key, hash);
CREATE INDEX requester_record_answered ON requester_record (request, id) WHERE outcome = 'answered';
