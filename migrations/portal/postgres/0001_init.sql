-- The portal's database (PostgreSQL). Times are milliseconds since 1970-01-01 UTC.

-- Sessions of browsers. The key is a hash of the token in the cookie and `sealed` is ciphertext under a key made of that
-- token, so that this table alone neither lets anybody in nor says who is. A row is deleted when its session ends.
CREATE TABLE portal_session (
    session_key BYTEA  NOT NULL PRIMARY KEY CHECK (octet_length(session_key) = 32),
    desk        TEXT   NOT NULL CHECK (desk IN ('subject', 'auditor', 'officer')),
    until_ms    BIGINT NOT NULL CHECK (until_ms >= 0),       -- it ends by itself then
    sealed      BYTEA  NOT NULL                              -- who logged in, and what the session needs
);
CREATE INDEX portal_session_until ON portal_session (until_ms);
