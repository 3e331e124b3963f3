-- Why this member stopped: evidence that the coordinator forked its log. While the row is there, nothing is answered
-- and nothing is cosigned; only an operator removes it.
CREATE TABLE witness_freeze (
    only_row  BIGINT PRIMARY KEY CHECK (only_row = 1),
    first     BYTEA  NOT NULL, -- a checkpoint that the log signed, as signed note
    second    BYTEA  NOT NULL, -- another one that cannot be of the same log
    proof     BYTEA,           -- the false consistency proof that the coordinator served; NULL for two roots of one size
    frozen_ms BIGINT NOT NULL
);

-- Set when the database was restored from a backup: what was witnessed since is not in it. Removed once the member has
-- caught up with the others.
CREATE TABLE witness_restored (
    only_row    BIGINT PRIMARY KEY CHECK (only_row = 1),
    restored_ms BIGINT NOT NULL
);
