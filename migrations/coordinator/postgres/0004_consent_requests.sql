-- Requests for consent as their requester signed them. Text and signature never change; the state goes once from
-- requested to given, refused or expired, and with it the authority's signature and the record that logged it. What
-- nobody decided until `until_ms` is over, whatever its state says. Never removed: an id is used once.
CREATE TABLE consent_request (
    id              TEXT   PRIMARY KEY,
    authority       TEXT   NOT NULL,
    requester       TEXT   NOT NULL,
    pseudonym       BYTEA  NOT NULL CHECK (octet_length(pseudonym) = 32),
    text            BYTEA  NOT NULL,                                 -- tacit-consent-request/v1
    signature       BYTEA  NOT NULL CHECK (octet_length(signature) = 64),  -- the requester's
    requested_ms    BIGINT NOT NULL,
    until_ms        BIGINT NOT NULL CHECK (until_ms > requested_ms), -- it stands until then
    log_index       BIGINT NOT NULL,                                 -- of the record `requested`
    state           TEXT   NOT NULL CHECK (state IN ('requested', 'given', 'refused', 'expired')),
    state_signature BYTEA  CHECK (octet_length(state_signature) = 64),     -- the authority's, over the decision
    decided_index   BIGINT,                                          -- of the record of the decision
    CHECK ((state = 'requested') = (state_signature IS NULL) AND (state = 'requested') = (decided_index IS NULL))
);
CREATE INDEX consent_request_by_pseudonym ON consent_request (pseudonym);
CREATE INDEX consent_request_by_authority ON consent_request (authority, id);
CREATE INDEX consent_request_by_requester ON consent_request (requester, requested_ms);

-- Texts of consents that a renewal replaced: what opens the records before it. Append-only.
CREATE TABLE consent_text (
    consent      TEXT   NOT NULL REFERENCES consent (id),
    until_number BIGINT NOT NULL CHECK (until_number >= 2),         -- number of the renewal that replaced it
    text         BYTEA  NOT NULL,                                   -- tacit-consent/v1
    signature    BYTEA  NOT NULL CHECK (octet_length(signature) = 64),    -- the authority's
    PRIMARY KEY (consent, until_number)
);
