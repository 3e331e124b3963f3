-- What auditors asked for. Whatever shows something is a record in the log before it is shown.

-- Audit boxes on their way to be opened. The steps are set once each, in their order; the rest never changes.
CREATE TABLE box_opening (
    id              TEXT   PRIMARY KEY,               -- ULID of the record of the request
    auditor         TEXT   NOT NULL,                  -- who asked: the holder of the first box key
    second          TEXT   NOT NULL CHECK (second <> auditor),
    requester       TEXT   NOT NULL,
    epoch           BIGINT NOT NULL,                  -- pseudonym epoch of the registration
    blinded_subject BYTEA  NOT NULL CHECK (octet_length(blinded_subject) = 32), -- Ph
    register_hash   BYTEA   NOT NULL CHECK (octet_length(register_hash) = 32),
    about           TEXT   NOT NULL,                  -- ULID of the record of the check
    about_index     BIGINT NOT NULL,
    ground          TEXT   NOT NULL,
    ground_salt     BYTEA   NOT NULL CHECK (octet_length(ground_salt) = 32),
    requested_ms    BIGINT NOT NULL,
    requested_index BIGINT NOT NULL,
    approved_index  BIGINT,                           -- log index of the approval
    inner_box       BYTEA,                             -- the box less its outer layer: opens for the first key alone
    approval        BYTEA,                             -- signature of the second auditor
    read_index      BIGINT,                           -- log index of the first reading
    CHECK ((approved_index IS NULL) = (inner_box IS NULL)),
    CHECK ((approved_index IS NULL) = (approval IS NULL)),
    CHECK (read_index IS NULL OR approved_index IS NOT NULL)
);
CREATE INDEX box_opening_by_auditor ON box_opening (auditor, about);

-- Case evidence that auditors demanded. The answer is set once; it opens for the auditor alone.
CREATE TABLE case_demand (
    id          TEXT   PRIMARY KEY,                   -- ULID of the record
    auditor     TEXT   NOT NULL,
    requester   TEXT   NOT NULL,
    about       TEXT   NOT NULL,                      -- ULID of the record of the check
    log_index   BIGINT NOT NULL,
    due_ms      BIGINT NOT NULL,
    answer      BYTEA,
    answered_ms BIGINT,
    CHECK ((answer IS NULL) = (answered_ms IS NULL))
);
CREATE INDEX case_demand_by_requester ON case_demand (requester, answered_ms);
CREATE INDEX case_demand_by_auditor ON case_demand (auditor, about);
