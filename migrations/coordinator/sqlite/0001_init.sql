-- The coordinator's database (SQLite). Times are milliseconds since 1970-01-01 UTC. Points are 32-byte
-- RFC 9496 encodings. Nothing here holds a subject code, a bucket number or an answer.

-- The transparency log. log_head is the only contended row. Append-only: rows of log_entry are never
-- changed; a partial tile of log_tile only grows, and its first hashes never change.
CREATE TABLE log_head (
    only_row BIGINT PRIMARY KEY CHECK (only_row = 1),
    size     BIGINT NOT NULL CHECK (size >= 0),       -- number of records
    root     BLOB   NOT NULL CHECK (length(root) = 32),
    note     BLOB   NOT NULL                          -- the signed checkpoint of exactly this size and root
);

CREATE TABLE log_entry (
    idx    BIGINT PRIMARY KEY CHECK (idx >= 0),       -- leaf index
    id     TEXT   NOT NULL UNIQUE,                    -- the record's ULID
    record BLOB   NOT NULL                            -- exact bytes
);

CREATE TABLE log_tile (
    level  BIGINT NOT NULL CHECK (level BETWEEN 0 AND 7),
    idx    BIGINT NOT NULL CHECK (idx >= 0),
    hashes BLOB   NOT NULL CHECK (length(hashes) BETWEEN 32 AND 8192 AND length(hashes) % 32 = 0),
    PRIMARY KEY (level, idx)
);

-- Registry versions that were in force here. Never changed.
CREATE TABLE registry_version (
    hash      BLOB   PRIMARY KEY CHECK (length(hash) = 32), -- b3("tacit v1 registry", bytes)
    number    BIGINT NOT NULL,
    bytes     BLOB   NOT NULL,
    log_index BIGINT NOT NULL
);

-- Registered pseudonyms (protocol section 3). One evaluation gives one pseudonym: blinded_subject and
-- evaluated are unique within a requester's epoch; a pseudonym may be registered again with a new pair.
CREATE TABLE pseudonym (
    pseudonym       BLOB   NOT NULL CHECK (length(pseudonym) = 32),       -- T
    requester       TEXT   NOT NULL,
    epoch           BIGINT NOT NULL,
    blinded_subject BLOB   NOT NULL CHECK (length(blinded_subject) = 32), -- Ph
    evaluated       BLOB   NOT NULL CHECK (length(evaluated) = 32),       -- Th
    proof           BLOB   NOT NULL CHECK (length(proof) = 64),           -- R1 || s1
    register_hash   BLOB   NOT NULL CHECK (length(register_hash) = 32),
    audit_box       BLOB   NOT NULL,                                      -- sealed to two auditors
    registered_ms   BIGINT NOT NULL,
    PRIMARY KEY (requester, epoch, pseudonym)
);
CREATE UNIQUE INDEX pseudonym_by_blinded ON pseudonym (requester, epoch, blinded_subject);
CREATE UNIQUE INDEX pseudonym_by_evaluated ON pseudonym (requester, epoch, evaluated);

-- The head of each pseudonym's hidden chain of records, and the key of its openings. Destroying the
-- key erases the openings; the log stays verifiable.
CREATE TABLE chain (
    pseudonym   BLOB   PRIMARY KEY CHECK (length(pseudonym) = 32),
    sequence    BIGINT NOT NULL CHECK (sequence >= 0),            -- of the next record
    leaf        BLOB   NOT NULL CHECK (length(leaf) = 32),        -- leaf hash of the last record, zeros at first
    opening_key BLOB   CHECK (length(opening_key) = 32)           -- NULL once erased
);

-- What opens a record's commitments, sealed under its pseudonym's opening_key (nonce || ciphertext).
CREATE TABLE opening (
    log_index BIGINT PRIMARY KEY,
    pseudonym BLOB   NOT NULL,
    sealed    BLOB   NOT NULL
);
CREATE INDEX opening_by_pseudonym ON opening (pseudonym, log_index);

-- Authorize requests: what makes a byte-identical repetition get the same answer and no second record.
CREATE TABLE request (
    request_hash BLOB   PRIMARY KEY CHECK (length(request_hash) = 32),
    requester    TEXT   NOT NULL,
    answered_ms  BIGINT NOT NULL,
    check_hashes BLOB   NOT NULL, -- b3 "tacit v1 authorized check" of each check, concatenated
    signature    BLOB   NOT NULL CHECK (length(signature) = 64),
    outcome      BLOB   NOT NULL  -- the answer with records by index only
);

-- Nonces and blinded queries of the freshness window. Rows are removed after `until_ms`.
CREATE TABLE used_nonce (
    requester TEXT   NOT NULL,
    nonce     BLOB   NOT NULL CHECK (length(nonce) = 16),
    until_ms  BIGINT NOT NULL,
    PRIMARY KEY (requester, nonce)
);
CREATE TABLE used_query (
    query    BLOB   PRIMARY KEY CHECK (length(query) = 32), -- b3("tacit v1 blinded query", M)
    until_ms BIGINT NOT NULL
);
CREATE INDEX used_nonce_until ON used_nonce (until_ms);
CREATE INDEX used_query_until ON used_query (until_ms);

-- Permitted checks per pseudonym, agreement and UTC day: the quota per subject.
CREATE TABLE subject_use (
    pseudonym BLOB   NOT NULL CHECK (length(pseudonym) = 32),
    agreement TEXT   NOT NULL,
    day       BIGINT NOT NULL,  -- days since 1970-01-01
    uses      BIGINT NOT NULL CHECK (uses > 0),
    PRIMARY KEY (pseudonym, agreement, day)
);

-- Permitted checks per agreement and UTC day. One check may count once per holder it asks.
CREATE TABLE agreement_use (
    agreement TEXT   NOT NULL,
    day       BIGINT NOT NULL,  -- days since 1970-01-01
    uses      BIGINT NOT NULL CHECK (uses > 0),
    PRIMARY KEY (agreement, day)
);

-- Consents as their authority signed them. Text and signature never change; state and number only rise.
CREATE TABLE consent (
    id              TEXT   PRIMARY KEY,
    authority       TEXT   NOT NULL,
    requester       TEXT   NOT NULL,
    pseudonym       BLOB   NOT NULL CHECK (length(pseudonym) = 32),
    text            BLOB   NOT NULL, -- tacit-consent/v1
    signature       BLOB   NOT NULL CHECK (length(signature) = 64),
    state           TEXT   NOT NULL,
    number          BIGINT NOT NULL CHECK (number >= 1),
    state_signature BLOB   NOT NULL CHECK (length(state_signature) = 64),
    uses            BIGINT NOT NULL DEFAULT 0 CHECK (uses >= 0)
);
CREATE INDEX consent_by_pseudonym ON consent (pseudonym);
CREATE INDEX consent_by_authority ON consent (authority, id);

-- When a consent was used, for its frequency cap.
CREATE TABLE consent_use (
    consent TEXT   NOT NULL REFERENCES consent (id),
    at_ms   BIGINT NOT NULL,
    uses    BIGINT NOT NULL CHECK (uses > 0)
);
CREATE INDEX consent_use_by_time ON consent_use (consent, at_ms);

-- Logged manifests (protocol section 7). The key is fixed within an epoch; one note per version.
CREATE TABLE manifest (
    list      TEXT   NOT NULL,
    epoch     BIGINT NOT NULL,
    version   BIGINT NOT NULL CHECK (version >= 1),
    note      BLOB   NOT NULL,
    log_index BIGINT NOT NULL,
    logged_ms BIGINT NOT NULL,
    PRIMARY KEY (list, epoch, version)
);
