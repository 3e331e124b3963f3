-- The newest checkpoint that a quorum of the witnesses cosigned. The log never stands behind it or beside it: where it
-- does, the database was rolled back, and the log is sealed.
CREATE TABLE log_cosigned (
    only_row BIGINT PRIMARY KEY CHECK (only_row = 1),
    size     BIGINT NOT NULL CHECK (size >= 0),
    time_s   BIGINT NOT NULL,                         -- when the quorum stood behind it, seconds since 1970
    note     BYTEA  NOT NULL                          -- with the cosignatures
);

-- Why the log stopped itself. While the row is there, nothing is appended.
CREATE TABLE log_seal (
    only_row  BIGINT PRIMARY KEY CHECK (only_row = 1),
    note      BYTEA  NOT NULL,                         -- the checkpoint of its own that the log does not continue
    head      BYTEA  NOT NULL,                         -- the head that it had then
    sealed_ms BIGINT NOT NULL
);
