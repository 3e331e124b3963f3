-- The node's database (PostgreSQL), holder half. Times are milliseconds since 1970-01-01 UTC; days are days since
-- 1970-01-01 in the time zone of the list, and 0 means "not stated". This is the agency's own database: it holds
-- its own records in the clear, and nobody else's subjects.

-- The newest checkpoint of the coordinator's log that was verified. Only replaced by one that extends it.
CREATE TABLE witness_state (
    only_row BIGINT PRIMARY KEY CHECK (only_row = 1),
    size     BIGINT NOT NULL CHECK (size >= 0),
    root     BYTEA  NOT NULL CHECK (octet_length(root) = 32),
    note     BYTEA  NOT NULL                          -- the signed checkpoint of exactly this size and root
);

-- The lists held here, numbered. `scheme` never changes: the codes below are of this scheme.
CREATE TABLE held_list (
    no       BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    list     TEXT    NOT NULL UNIQUE,                 -- list id, '<holder>/<name>'
    scheme   TEXT    NOT NULL,
    seen_day BIGINT  NOT NULL DEFAULT 0               -- last day whose beginnings and ends of listings were noticed
);

-- Numbers the changes of records over all lists. Only rises.
CREATE TABLE change_counter (
    only_row BIGINT PRIMARY KEY CHECK (only_row = 1),
    seq      BIGINT NOT NULL CHECK (seq >= 0)
);
INSERT INTO change_counter (only_row, seq) VALUES (1, 0);

-- Imports: who brought which records. While one is under way (not finished, its beat recent), nothing of its list
-- is published. Counts and finished_ms are set once, at the end.
CREATE TABLE import_run (
    id          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    list_no     BIGINT  NOT NULL REFERENCES held_list (no),
    by_whom     TEXT    NOT NULL,
    source      TEXT    NOT NULL,                     -- name of the file, for people
    started_ms  BIGINT  NOT NULL,
    beat_ms     BIGINT  NOT NULL,
    finished_ms BIGINT,
    rows_read   BIGINT  NOT NULL DEFAULT 0,
    imported    BIGINT  NOT NULL DEFAULT 0,
    changed     BIGINT  NOT NULL DEFAULT 0,
    unchanged   BIGINT  NOT NULL DEFAULT 0,
    rejected    BIGINT  NOT NULL DEFAULT 0
);

-- Records of the lists, one per subject and list for ever: a removed record that comes back is the same row. List,
-- code and reference never change; what else changes leaves its former values in record_history. Rows stay.
CREATE TABLE record (
    id           BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    list_no      BIGINT  NOT NULL REFERENCES held_list (no),
    code         TEXT    NOT NULL,                    -- normalized by the list's scheme
    reference    BIGINT  NOT NULL,                    -- random; what the label shows of this record
    category     BIGINT  NOT NULL CHECK (category BETWEEN 0 AND 65535),
    decision_ref TEXT    NOT NULL,
    decided_on   BIGINT  NOT NULL CHECK (decided_on BETWEEN 1 AND 16777215),
    notified_on  BIGINT  NOT NULL CHECK (notified_on BETWEEN 0 AND 16777215),
    effective_on BIGINT  NOT NULL CHECK (effective_on BETWEEN 0 AND 16777215),
    expires_on   BIGINT  NOT NULL CHECK (expires_on BETWEEN 0 AND 16777215),
    state        TEXT    NOT NULL CHECK (state IN ('active', 'contested', 'removed')),
    change_seq   BIGINT  NOT NULL,                    -- of the last change, or of the day that began or ended it
    import_id    BIGINT  NOT NULL REFERENCES import_run (id), -- the last import that named it ...
    import_line  BIGINT  NOT NULL                     -- ... and the line there
);
CREATE UNIQUE INDEX record_code ON record (list_no, code);
CREATE INDEX record_change ON record (list_no, change_seq);

-- Former values of corrected, contested and removed records. Append-only.
CREATE TABLE record_history (
    id           BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    record_id    BIGINT  NOT NULL REFERENCES record (id),
    at_ms        BIGINT  NOT NULL,
    by_whom      TEXT    NOT NULL,
    action       TEXT    NOT NULL CHECK (action IN ('corrected', 'contested', 'settled', 'removed', 'restored')),
    reason       TEXT    NOT NULL,                    -- why: a word of the catalogue, or the import
    category     BIGINT  NOT NULL,                    -- the values before:
    decision_ref TEXT    NOT NULL,
    decided_on   BIGINT  NOT NULL,
    notified_on  BIGINT  NOT NULL,
    effective_on BIGINT  NOT NULL,
    expires_on   BIGINT  NOT NULL,
    state        TEXT    NOT NULL
);
CREATE INDEX record_history_record ON record_history (record_id);

-- Epochs of a list. The seed gives the list's key; it is overwritten and set to NULL when the overlap is over.
CREATE TABLE list_epoch (
    list_no   BIGINT NOT NULL REFERENCES held_list (no),
    epoch     BIGINT NOT NULL CHECK (epoch >= 0),
    seed      BYTEA  CHECK (octet_length(seed) = 32),
    from_ms   BIGINT NOT NULL,                        -- as the manifests say
    until_ms  BIGINT NOT NULL CHECK (until_ms > from_ms),
    rules     BYTEA  NOT NULL CHECK (octet_length(rules) = 32), -- hash of the list's rules it was sealed under
    logged_ms BIGINT,                                 -- when its first manifest was in the log
    erased_ms BIGINT,
    PRIMARY KEY (list_no, epoch),
    CHECK ((seed IS NULL) = (erased_ms IS NOT NULL))
);

-- Sealed tables of an epoch: building -> live (its buckets are complete) -> dropped (removed soon). Shape and epoch
-- never change: growing makes another table of the same epoch.
CREATE TABLE sealed_table (
    id          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    list_no     BIGINT  NOT NULL,
    epoch       BIGINT  NOT NULL,
    buckets     BIGINT  NOT NULL CHECK (buckets BETWEEN 1 AND 65536),
    capacity    BIGINT  NOT NULL CHECK (capacity BETWEEN 128 AND 65536),
    state       TEXT    NOT NULL CHECK (state IN ('building', 'live', 'dropped')),
    applied_seq BIGINT  NOT NULL,                     -- changes of records up to here are in it, or deferred
    records     BIGINT  NOT NULL CHECK (records >= 0) -- real entries
);
CREATE INDEX sealed_table_epoch ON sealed_table (list_no, epoch);

-- Buckets as last written. `version` is the version that wrote it.
CREATE TABLE table_bucket (
    table_id BIGINT NOT NULL REFERENCES sealed_table (id),
    number   BIGINT NOT NULL CHECK (number BETWEEN 0 AND 65535),
    version  BIGINT NOT NULL,
    fillers  BIGINT NOT NULL CHECK (fillers >= 0),
    leaf     BYTEA  NOT NULL CHECK (octet_length(leaf) = 32), -- RFC 6962 leaf hash of entries
    refs     BYTEA  NOT NULL,                         -- per entry the record id, 8 bytes big-endian, 0 for a filler
    entries  BYTEA  NOT NULL,                         -- capacity * 64 bytes
    PRIMARY KEY (table_id, number)
);
-- Ciphertext: compressing it would only cost time.
ALTER TABLE table_bucket ALTER COLUMN entries SET STORAGE EXTERNAL;

-- Versions of an epoch's table: sealed -> uploaded (the custodian has it) -> logged -> active (the custodian serves
-- it). Only state and logged_ms change.
CREATE TABLE table_version (
    list_no   BIGINT NOT NULL,
    epoch     BIGINT NOT NULL,
    version   BIGINT NOT NULL CHECK (version >= 1),
    table_id  BIGINT NOT NULL REFERENCES sealed_table (id),
    whole     BIGINT NOT NULL CHECK (whole IN (0, 1)), -- 1: all buckets go to the custodian, 0: those of this version
    note      BYTEA  NOT NULL,                        -- manifest, signed note
    state     TEXT   NOT NULL CHECK (state IN ('sealed', 'uploaded', 'logged', 'active')),
    logged_ms BIGINT,
    PRIMARY KEY (list_no, epoch, version)
);

-- Changes that wait for the next tick of a table, because their bucket took another one.
CREATE TABLE deferred_change (
    table_id  BIGINT NOT NULL REFERENCES sealed_table (id),
    record_id BIGINT NOT NULL,
    PRIMARY KEY (table_id, record_id)
);

-- Permits that were answered: the same record id is answered again for the same query only. Rows go once no
-- permit that old can be accepted any more.
CREATE TABLE used_permit (
    id         TEXT   NOT NULL PRIMARY KEY CHECK (octet_length(id) = 26), -- record id, a ULID
    query      BYTEA  NOT NULL CHECK (octet_length(query) = 32),          -- b3("tacit v1 blinded query", M)
    expires_ms BIGINT NOT NULL
);
CREATE INDEX used_permit_expires ON used_permit (expires_ms);

-- The newest record time that was accepted: a permit that ended before it is refused, whatever the clock says.
CREATE TABLE accepted_time (
    only_row  BIGINT PRIMARY KEY CHECK (only_row = 1),
    newest_ms BIGINT NOT NULL
);
INSERT INTO accepted_time (only_row, newest_ms) VALUES (1, 0);

-- Answers given per requester, list, purpose and UTC day: what this holder's own quota is decided on.
CREATE TABLE answer_count (
    day       BIGINT NOT NULL,                        -- days since 1970-01-01 UTC
    requester TEXT   NOT NULL,
    list      TEXT   NOT NULL,
    purpose   TEXT   NOT NULL,
    answers   BIGINT NOT NULL CHECK (answers > 0),
    PRIMARY KEY (day, requester, list, purpose)
);

-- Requests to publish a list now, made by the command line while the node runs.
CREATE TABLE seal_request (
    id       BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    list_no  BIGINT  NOT NULL REFERENCES held_list (no),
    by_whom  TEXT    NOT NULL,
    asked_ms BIGINT  NOT NULL,
    state    TEXT    NOT NULL CHECK (state IN ('waiting', 'done', 'failed')),
    reason   TEXT    NOT NULL DEFAULT '',             -- reason code when failed
    epoch    BIGINT  NOT NULL DEFAULT 0,              -- what is published, when done
    version  BIGINT  NOT NULL DEFAULT 0,
    done_ms  BIGINT
);
CREATE INDEX seal_request_waiting ON seal_request (state, id);
