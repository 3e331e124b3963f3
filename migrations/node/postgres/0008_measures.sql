-- The node's database (PostgreSQL): measures that this requester takes on answers. `sealed` is ciphertext under the agency's
-- store key, bound to its table and key: code, case, officer and who decided are in there alone. How many measures are
-- how far, and when something is due, stands in the clear.
CREATE TABLE requester_measure (
    key        BYTEA  NOT NULL PRIMARY KEY CHECK (octet_length(key) = 32), -- keyed hash of answer, list and measure
    version    BIGINT NOT NULL CHECK (version >= 1),                   -- rises by one with each change
    made       BYTEA  NOT NULL UNIQUE CHECK (octet_length(made) = 16), -- ULID of this row, big-endian
    id         BYTEA  UNIQUE CHECK (octet_length(id) = 16),            -- ULID of the record that registered it; null: not known
    state      TEXT   NOT NULL CHECK (state IN ('sent', 'refused', 'standing', 'unconfirmed', 'due', 'lifting',
                                    'lifted', 'ended')),
    next_ms    BIGINT,                                                 -- when something is to be done about it; null: nothing
    lift_by_ms BIGINT,                                                 -- by when it has to be lifted; null: it need not be
    sealed     BYTEA  NOT NULL                                         -- everything else
);
CREATE INDEX requester_measure_next ON requester_measure (next_ms) WHERE next_ms IS NOT NULL;
CREATE INDEX requester_measure_open ON requester_measure (state) WHERE state NOT IN ('refused', 'lifted', 'ended');
