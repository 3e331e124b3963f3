-- The node's database (PostgreSQL), requester half. Times are milliseconds since 1970-01-01 UTC. Every `sealed` is
-- ciphertext under the agency's store key, bound to its table and key; every other BYTEA is a keyed hash unless said.
-- Nothing here tells a code, a pseudonym, a case number or an answer to who does not have that key.

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
