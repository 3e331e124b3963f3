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
    idx    INTEGER PRIMARY KEY CHECK (idx >= 0),      -- leaf index
    id     TEXT    NOT NULL UNIQUE,                   -- the record's ULID
    record BLOB    NOT NULL                           -- exact bytes
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

-- Registrations (protocol section 3), as they were proven. Append-only: a check's evidence names the
-- registration behind it, and one evaluation must not give many pseudonyms, so a blinded subject or evaluation
-- once registered stays with its pseudonym, also after the pseudonym moved on to a new pair.
CREATE TABLE registration (
    requester       TEXT   NOT NULL,
    epoch           BIGINT NOT NULL,
    blinded_subject BLOB   NOT NULL CHECK (length(blinded_subject) = 32), -- Ph
    evaluated       BLOB   NOT NULL CHECK (length(evaluated) = 32),       -- Th
    pseudonym       BLOB   NOT NULL CHECK (length(pseudonym) = 32),       -- T
    proof           BLOB   NOT NULL CHECK (length(proof) = 64),           -- R1 || s1
    register_hash   BLOB   NOT NULL CHECK (length(register_hash) = 32),
    audit_box       BLOB   NOT NULL,                                      -- sealed to two auditors
    registered_ms   BIGINT NOT NULL,
    PRIMARY KEY (requester, epoch, blinded_subject)
);
CREATE UNIQUE INDEX registration_by_evaluated ON registration (requester, epoch, evaluated);

-- Every pseudonym that a registration or a consent named, by number. Numbers follow the order of arrival, so
-- what is kept by number lies together for subjects that came together, and a batch about them touches few pages.
-- Never changed.
CREATE TABLE subject (
    number    INTEGER PRIMARY KEY,
    pseudonym BLOB    NOT NULL UNIQUE CHECK (length(pseudonym) = 32) -- T
);

-- Each registered pseudonym with the registration that checks are verified against: the newest one.
CREATE TABLE pseudonym (
    requester       TEXT   NOT NULL,
    epoch           BIGINT NOT NULL,
    pseudonym       BLOB   NOT NULL CHECK (length(pseudonym) = 32),       -- T
    subject         BIGINT NOT NULL REFERENCES subject (number),
    blinded_subject BLOB   NOT NULL CHECK (length(blinded_subject) = 32), -- Ph
    register_hash   BLOB   NOT NULL CHECK (length(register_hash) = 32),
    PRIMARY KEY (requester, epoch, pseudonym)
) WITHOUT ROWID;

-- The head of each pseudonym's hidden chain of records, and the key of its openings since the newest
-- erasure, which destroyed the one before; the log stays verifiable. Changes with every record about the pseudonym.
CREATE TABLE chain (
    subject     INTEGER PRIMARY KEY REFERENCES subject (number),
    sequence    BIGINT  NOT NULL CHECK (sequence >= 1),            -- of the next record
    leaf        BLOB    NOT NULL CHECK (length(leaf) = 32),        -- leaf hash of the last record
    last_index  BIGINT  NOT NULL CHECK (last_index >= 0),          -- its log index; each opening has the one before
    opening_key BLOB    NOT NULL CHECK (length(opening_key) = 32)   -- replaced by each erasure
);

-- What opens a record's commitments, sealed under its pseudonym's opening_key (nonce || ciphertext). Never
-- changed; an erasure removes those before it.
CREATE TABLE opening (
    log_index INTEGER PRIMARY KEY,
    subject   BIGINT  NOT NULL,
    sealed    BLOB    NOT NULL
);

-- Names of the rules that decided, which openings refer to by hash. Append-only.
CREATE TABLE rule_set (
    hash  BLOB PRIMARY KEY CHECK (length(hash) = 32), -- SHA-256 of the names
    rules TEXT NOT NULL                               -- names separated by spaces
);

-- Authorize requests: what makes a byte-identical repetition get the same answer. Never changed.
CREATE TABLE request (
    request_hash BLOB   PRIMARY KEY CHECK (length(request_hash) = 32),
    requester    TEXT   NOT NULL,
    answered_ms  BIGINT NOT NULL,
    check_hashes BLOB   NOT NULL, -- b3 "tacit v1 authorized check" of each check, concatenated
    signature    BLOB   NOT NULL CHECK (length(signature) = 64),
    outcome      BLOB   NOT NULL  -- the answer with records by index only
);

-- Nonces and blinded queries of the freshness window, one row per commit that used some. Rows are removed
-- after `until_ms`.
CREATE TABLE used_once (
    log_size INTEGER PRIMARY KEY, -- size of the log before the commit
    until_ms BIGINT  NOT NULL,
    digests  BLOB    NOT NULL CHECK (length(digests) % 16 = 0) -- 16 bytes of a hash each, concatenated
);

-- Permitted checks per pseudonym, agreement and UTC day: the quota per subject. Past days are removed.
CREATE TABLE subject_use (
    day       BIGINT NOT NULL,  -- days since 1970-01-01
    subject   BIGINT NOT NULL REFERENCES subject (number),
    agreement TEXT   NOT NULL,
    uses      BIGINT NOT NULL CHECK (uses > 0),
    PRIMARY KEY (day, subject, agreement)
) WITHOUT ROWID;

-- Permitted checks per agreement and UTC day. A check that asks several holders counts under each one's
-- agreement. Past days are removed.
CREATE TABLE agreement_use (
    day       BIGINT NOT NULL,  -- days since 1970-01-01
    agreement TEXT   NOT NULL,
    uses      BIGINT NOT NULL CHECK (uses > 0),
    PRIMARY KEY (day, agreement)
) WITHOUT ROWID;

-- Consents as their authority signed them. Text and signature never change; state and number only rise, and
-- with them the signature over the state and the record that logged it.
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
    log_index       BIGINT NOT NULL
);
CREATE INDEX consent_by_pseudonym ON consent (pseudonym);
CREATE INDEX consent_by_authority ON consent (authority, id);

-- When a consent was used, for its frequency cap: one use a check, whatever it asks. Append-only.
CREATE TABLE consent_use (
    consent TEXT   NOT NULL REFERENCES consent (id),
    at_ms   BIGINT NOT NULL,
    uses    BIGINT NOT NULL CHECK (uses > 0),
    PRIMARY KEY (consent, at_ms)
) WITHOUT ROWID;

-- Logged manifests (protocol section 7): one note per version. Append-only.
CREATE TABLE manifest (
    list      TEXT   NOT NULL,
    epoch     BIGINT NOT NULL CHECK (epoch >= 1),
    version   BIGINT NOT NULL CHECK (version >= 1),
    note      BLOB   NOT NULL,
    log_index BIGINT NOT NULL,
    PRIMARY KEY (list, epoch, version)
);

-- Where each epoch of a list stands. Its start never changes; the version only rises.
CREATE TABLE list_epoch (
    list            TEXT   NOT NULL,
    epoch           BIGINT NOT NULL,
    first_logged_ms BIGINT NOT NULL,
    version         BIGINT NOT NULL CHECK (version >= 1), -- the newest logged one
    PRIMARY KEY (list, epoch)
) WITHOUT ROWID;

-- Evidence against holders: validly signed manifests that contradict a logged one. Append-only, the first of
-- each version.
CREATE TABLE manifest_conflict (
    list        TEXT   NOT NULL,
    epoch       BIGINT NOT NULL,
    version     BIGINT NOT NULL,
    note        BLOB   NOT NULL,
    received_ms BIGINT NOT NULL,
    PRIMARY KEY (list, epoch, version)
);
