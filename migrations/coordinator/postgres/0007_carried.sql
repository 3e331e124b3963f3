-- Pseudonyms of a later pseudonym epoch that stand for a subject of an earlier one, as it was proven. Such a pseudonym
-- has no number of its own in `subject`: chain, openings and counts are of the number that the subject has had since its
-- first epoch. A pseudonym is carried from one and to one. Append-only.
CREATE TABLE carried (
    pseudonym       BYTEA  PRIMARY KEY CHECK (octet_length(pseudonym) = 32), -- T' of the later epoch
    earlier         BYTEA  NOT NULL UNIQUE CHECK (octet_length(earlier) = 32), -- T of the earlier one
    subject         BIGINT NOT NULL REFERENCES subject (number),
    requester       TEXT   NOT NULL,
    epoch           BIGINT NOT NULL CHECK (epoch > earlier_epoch),
    earlier_epoch   BIGINT NOT NULL CHECK (earlier_epoch >= 0),
    blinded_subject BYTEA  NOT NULL CHECK (octet_length(blinded_subject) = 32), -- Ph, registered in both
    proof           BYTEA  NOT NULL CHECK (octet_length(proof) = 96),           -- R || R' || s
    carried_ms      BIGINT NOT NULL
);
CREATE INDEX carried_by_subject ON carried (subject);
