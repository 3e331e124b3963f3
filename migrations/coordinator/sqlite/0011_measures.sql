-- Measures that requesters registered, by the record that did. One for each answer, list and place in the agreement;
-- only `lifted_index` changes, once. Who decided stands in the sealed openings alone.
CREATE TABLE measure (
    id           TEXT   PRIMARY KEY,                                 -- of the record that registered it, a ULID
    requester    TEXT   NOT NULL,
    answer       TEXT   NOT NULL,                                    -- access record that it rests on, a ULID
    list         TEXT   NOT NULL,
    agreement    TEXT   NOT NULL,
    number       BIGINT NOT NULL CHECK (number >= 1),                -- place in the agreement, from 1
    words        TEXT   NOT NULL,                                    -- as the agreement had them
    until_ms     BIGINT,                                             -- null: nobody said when it ends
    pseudonym    BLOB   NOT NULL CHECK (length(pseudonym) = 32),     -- T of the question
    details      BLOB   NOT NULL CHECK (length(details) = 32),       -- commitment of the record, under the salt of the requester
    log_index    BIGINT NOT NULL UNIQUE,
    lifted_index BIGINT                                              -- null: nobody lifted it
);
CREATE UNIQUE INDEX measure_by_answer ON measure (answer, list, number);
