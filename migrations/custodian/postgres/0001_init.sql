-- The custodian's database (PostgreSQL). Times are milliseconds since 1970-01-01 UTC, days are UTC days since
-- then. Nothing here holds a subject code, a pseudonym, an answer, or a bucket number beside a permit.

-- The newest checkpoint of the coordinator's log that was verified. Only replaced by one that extends it.
CREATE TABLE witness_state (
    only_row BIGINT PRIMARY KEY CHECK (only_row = 1),
    size     BIGINT NOT NULL CHECK (size >= 0),
    root     BYTEA  NOT NULL CHECK (octet_length(root) = 32),
    note     BYTEA  NOT NULL                          -- the signed checkpoint of exactly this size and root
);

-- The newest registry that was verified, to start with when the coordinator cannot be reached.
CREATE TABLE registry_seen (
    only_row BIGINT PRIMARY KEY CHECK (only_row = 1),
    number   BIGINT NOT NULL,
    bytes    BYTEA  NOT NULL
);

-- Blinded subjects that were evaluated (protocol section 3). A repeated one costs no quota, on any day.
-- Append-only; rows of a pseudonym epoch go when the epoch is retired.
CREATE TABLE evaluated_subject (
    asker     TEXT   NOT NULL,                                -- '<role>/<member>' of who asked
    requester TEXT   NOT NULL,                                -- whose key evaluated
    epoch     BIGINT NOT NULL CHECK (epoch >= 0),             -- pseudonym epoch of that key
    subject   BYTEA  NOT NULL CHECK (octet_length(subject) = 32),   -- hash of Ph
    day       BIGINT NOT NULL,
    PRIMARY KEY (asker, requester, epoch, subject)
);

-- New subjects per asker and day: what the daily quotas are decided on. Counts only rise.
CREATE TABLE new_subjects (
    asker     TEXT   NOT NULL,
    day       BIGINT NOT NULL,
    requester TEXT   NOT NULL,
    subjects  BIGINT NOT NULL CHECK (subjects > 0),
    PRIMARY KEY (asker, day, requester)
);

-- Subjects that each requester enrolled itself, and the count that is in the log. Counts only rise.
CREATE TABLE enrollment (
    requester TEXT   NOT NULL,
    epoch     BIGINT NOT NULL,
    subjects  BIGINT NOT NULL CHECK (subjects > 0),
    reported  BIGINT NOT NULL DEFAULT 0 CHECK (reported BETWEEN 0 AND subjects),
    PRIMARY KEY (requester, epoch)
);

-- Which permits were used for which list (protocol section 7). Never changed, removed after expiry. `batch`
-- is a keyed hash of all permits and buckets of the request, so that a row names no bucket; its key needs
-- the salt of `salt_window` and a secret that is not in this database.
CREATE TABLE permit_use (
    permit      TEXT   NOT NULL CHECK (octet_length(permit) = 26),  -- record id, a ULID
    list        TEXT   NOT NULL,
    batch       BYTEA  NOT NULL CHECK (octet_length(batch) = 32),
    salt_window BIGINT NOT NULL,
    expires_ms  BIGINT NOT NULL,
    PRIMARY KEY (permit, list)
);
CREATE INDEX permit_use_expires ON permit_use (expires_ms);

-- Salts of the hashes above, one per window of ten minutes, removed when all its permits have expired.
CREATE TABLE batch_salt (
    salt_window BIGINT PRIMARY KEY,
    salt        BYTEA  NOT NULL CHECK (octet_length(salt) = 32)
);

-- Sealed tables: one per upload. Never changed but for served_since_ms, which is set once.
CREATE TABLE sealed_table (
    id              BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    list            TEXT    NOT NULL,                         -- list id, '<holder>/<name>'
    epoch           BIGINT  NOT NULL CHECK (epoch >= 0),
    buckets         BIGINT  NOT NULL CHECK (buckets BETWEEN 1 AND 65536),
    capacity        BIGINT  NOT NULL CHECK (capacity BETWEEN 128 AND 65536),
    served_since_ms BIGINT                                    -- since when this epoch is served, NULL before
);
CREATE INDEX sealed_table_list ON sealed_table (list, epoch);

-- Versions of a table. receiving -> staged (complete, its root verified) -> active (manifest in the log);
-- the row of an older version goes when the next one is active; dropped: no longer served, to be removed.
CREATE TABLE table_version (
    table_id   BIGINT  NOT NULL REFERENCES sealed_table (id),
    version    BIGINT  NOT NULL CHECK (version >= 1),
    state      TEXT    NOT NULL CHECK (state IN ('receiving', 'staged', 'active', 'dropped')),
    note       BYTEA   NOT NULL,                              -- manifest, signed note
    note_hash  BYTEA   NOT NULL CHECK (octet_length(note_hash) = 32),
    changed_ms BIGINT  NOT NULL,                              -- when it came into this state
    PRIMARY KEY (table_id, version)
);

-- Buckets, immutable. A version of a table has of each bucket the newest row up to that version.
CREATE TABLE bucket (
    slot     BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- never used again
    table_id BIGINT  NOT NULL,
    version  BIGINT  NOT NULL,                                -- version that first has it
    number   BIGINT  NOT NULL CHECK (number BETWEEN 0 AND 65535),
    leaf     BYTEA   NOT NULL CHECK (octet_length(leaf) = 32),      -- RFC 6962 leaf hash of entries
    entries  BYTEA   NOT NULL                                 -- capacity * 64 bytes
);
-- Ciphertext: compressing it would only cost time.
ALTER TABLE bucket ALTER COLUMN entries SET STORAGE EXTERNAL;
CREATE UNIQUE INDEX bucket_number ON bucket (table_id, number, version);
CREATE INDEX bucket_version ON bucket (table_id, version);

-- Buckets that a newer version replaced; removed once no answer can be reading them.
CREATE TABLE superseded_bucket (
    slot     BIGINT PRIMARY KEY,
    since_ms BIGINT NOT NULL
);
