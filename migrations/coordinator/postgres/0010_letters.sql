-- Letters that were handed in (docs/PROTOCOL.md, P194). Sender, member, hash and time repeat what the record says, so that
-- a member finds those for it, that letters are counted, and that one handed in again is known; the sealed bytes are part of
-- what opens the record. Never removed; an erasure clears `subject` and `pseudonym`, once, with the opening.
CREATE TABLE letter (
    log_index BIGINT PRIMARY KEY CHECK (log_index >= 0),         -- of the record `notice`
    letter    BYTEA   NOT NULL UNIQUE CHECK (octet_length(letter) = 32), -- b3("tacit v1 letter", sealed bytes)
    sender    TEXT    NOT NULL,
    member    TEXT    NOT NULL,                                   -- whose pseudonym it is; the sender, when to the subject
    posted_ms BIGINT  NOT NULL CHECK (posted_ms >= 0),            -- time of the record, milliseconds since 1970
    subject   BIGINT  REFERENCES subject (number),
    pseudonym BYTEA   CHECK (octet_length(pseudonym) = 32),             -- T that it was sealed about
    CHECK ((subject IS NULL) = (pseudonym IS NULL))
);
CREATE INDEX letter_by_member ON letter (member, log_index);
CREATE INDEX letter_by_sender ON letter (sender, posted_ms);
CREATE INDEX letter_by_subject ON letter (subject, posted_ms);
