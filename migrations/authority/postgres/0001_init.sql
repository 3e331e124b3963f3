-- A consent authority's database (PostgreSQL). Times are milliseconds since 1970-01-01 UTC. Every `sealed` is ciphertext
-- under the authority's store key, bound to its table and key; every key of a row is a keyed hash. Nothing here tells a
-- code, a pseudonym, or which record of the log is about whom, to who does not have that key.

-- Users, found again by a keyed hash of scheme and code. Only `covered` changes.
CREATE TABLE authority_user (
    user_key BYTEA  NOT NULL PRIMARY KEY CHECK (octet_length(user_key) = 32),
    since_ms BIGINT NOT NULL CHECK (since_ms >= 0),
    covered  BYTEA  CHECK (octet_length(covered) = 32),            -- of which requesters there are chains; null: of none yet
    sealed   BYTEA  NOT NULL                                 -- scheme, code
);
CREATE INDEX authority_user_covered ON authority_user (covered);

-- A user's pseudonym for one requester, and how far its chain was read. `run` and `sealed` change with each reading.
CREATE TABLE authority_chain (
    chain_key BYTEA  NOT NULL PRIMARY KEY CHECK (octet_length(chain_key) = 32),
    user_key  BYTEA  NOT NULL CHECK (octet_length(user_key) = 32) REFERENCES authority_user (user_key),
    run       BIGINT NOT NULL CHECK (run >= 0),              -- the reading that read it last; 0: none yet
    sealed    BYTEA  NOT NULL                                -- requester, pseudonym, place, statement, finding
);
CREATE INDEX authority_chain_user ON authority_chain (user_key);
CREATE INDEX authority_chain_run ON authority_chain (run);

-- Records of chains with what proves them. Only an erasure removes them.
CREATE TABLE authority_entry (
    entry_key BYTEA NOT NULL PRIMARY KEY CHECK (octet_length(entry_key) = 32),
    chain_key BYTEA NOT NULL CHECK (octet_length(chain_key) = 32) REFERENCES authority_chain (chain_key),
    sealed    BYTEA NOT NULL                                  -- record, place, proof, opening
);
CREATE INDEX authority_entry_chain ON authority_entry (chain_key);

-- Checkpoints of the log that entries were proven under, once each; they are public. Never changed.
CREATE TABLE authority_checkpoint (
    hash BYTEA NOT NULL PRIMARY KEY CHECK (octet_length(hash) = 32), -- not keyed: BLAKE3 of the note
    note BYTEA NOT NULL                                       -- a signed note
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
    subject BYTEA NOT NULL PRIMARY KEY CHECK (octet_length(subject) = 32),
    state   TEXT NOT NULL CHECK (state IN ('pending', 'enrolled')),
    sealed  BYTEA NOT NULL                                    -- z, Ph, T
);
CREATE INDEX requester_subject_pending ON requester_subject (subject) WHERE state = 'pending';

-- Requests to the coordinator, durable before they are sent. Only `state` changes, once.
CREATE TABLE requester_request (
    hash     BYTEA  NOT NULL PRIMARY KEY CHECK (octet_length(hash) = 32), -- not keyed: the coordinator finds it by it
    state    TEXT   NOT NULL CHECK (state IN ('sent', 'answered', 'not_answered')),
    asked_ms BIGINT NOT NULL,
    case_key BYTEA  NOT NULL CHECK (octet_length(case_key) = 32),
    sealed   BYTEA  NOT NULL                                 -- the request's bytes, rows, salts of its matters
);
CREATE INDEX requester_request_sent ON requester_request (asked_ms) WHERE state = 'sent';
CREATE INDEX requester_request_lost ON requester_request (case_key, hash) WHERE state = 'not_answered';

-- What proves the answers of a settled request. Never changed.
CREATE TABLE requester_answer (
    request BYTEA NOT NULL PRIMARY KEY CHECK (octet_length(request) = 32) REFERENCES requester_request (hash),
    sealed  BYTEA NOT NULL
);

-- Records of settled requests: which are ours, and what became of them. Never changed.
CREATE TABLE requester_record (
    id      BYTEA  NOT NULL PRIMARY KEY CHECK (octet_length(id) = 16), -- ULID of the record, big-endian
    request BYTEA  NOT NULL CHECK (octet_length(request) = 32) REFERENCES requester_request (hash),
    place   BIGINT NOT NULL CHECK (place >= 0),              -- in the sealed answer
    outcome TEXT   NOT NULL CHECK (outcome IN ('answered', 'refused', 'not_answered'))
);
CREATE INDEX requester_record_lost ON requester_record (request, place) WHERE outcome = 'not_answered';

-- Buckets that receipts need, once by content. Never changed.
CREATE TABLE requester_bucket (
    bucket BYTEA NOT NULL PRIMARY KEY CHECK (octet_length(bucket) = 32),
    sealed BYTEA NOT NULL
);
-- Ciphertext: compressing it would only cost time.
ALTER TABLE requester_bucket ALTER COLUMN sealed SET STORAGE EXTERNAL;

-- Consents under our own pseudonyms, as the coordinator tells them. `number` only rises.
CREATE TABLE requester_consent (
    pseudonym BYTEA  NOT NULL CHECK (octet_length(pseudonym) = 32),
    id        BYTEA  NOT NULL CHECK (octet_length(id) = 16),       -- ULID, big-endian
    number    BIGINT NOT NULL CHECK (number >= 0),           -- of the last change of state
    sealed    BYTEA  NOT NULL,                               -- text, state
    PRIMARY KEY (pseudonym, id)
);
CREATE INDEX requester_consent_by_id ON requester_consent (id);

CREATE INDEX requester_request_case ON requester_request (case_key, hash);
CREATE INDEX requester_record_answered ON requester_record (request, id) WHERE outcome = 'answered';
