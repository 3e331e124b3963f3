-- A registry version is logged first, and counts once a quorum of the witnesses of the version before it cosigned a
-- checkpoint that includes its record. The newest that counts is in force. Both columns are written once.
ALTER TABLE registry_version ADD COLUMN counted_ms BIGINT; -- since when it counts, milliseconds since 1970; NULL while it waits
ALTER TABLE registry_version ADD COLUMN cosigned BYTEA;       -- that checkpoint with the cosignatures, a signed note; NULL for the first

-- Until now every version counted from its start on.
UPDATE registry_version SET counted_ms = 0;

-- Versions that the operator handed over and that are not logged. What is logged leaves this table with its record.
CREATE TABLE registry_offer (
    hash       BYTEA PRIMARY KEY CHECK (octet_length(hash) = 32), -- b3("tacit v1 registry", bytes)
    bytes      BYTEA NOT NULL,
    offered_ms BIGINT NOT NULL,                          -- milliseconds since 1970
    refused    TEXT                                      -- why it is not logged; NULL while it waits
);
