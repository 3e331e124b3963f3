//! The coordinator's limits, as its configuration file may set them.

use serde::Deserialize;

/// Why limits cannot be used; the key is named as in the configuration file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{key} is {found}, allowed are {least} to {most}")]
pub struct LimitError {
    /// The key.
    pub key: &'static str,
    /// Its value.
    pub found: u64,
    /// The least value allowed.
    pub least: u64,
    /// The largest value allowed.
    pub most: u64,
}

/// Limits of a coordinator. All have defaults; the defaults are those of docs/PROTOCOL.md.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// How old a check may be when it is decided, in milliseconds.
    pub freshness_ms: u64,
    /// How far a requester's clock may be ahead, in milliseconds.
    pub ahead_ms: u64,
    /// Life of a permit, in milliseconds; at most 60,000.
    pub permit_ms: u64,
    /// How long the epoch before the newest is still authorized after the newest began, in milliseconds.
    pub epoch_grace_ms: u64,
    /// Checks refused before a record, per requester and minute, before nothing more is looked at.
    pub bad_checks_per_minute: u64,
    /// Records of kind refused, per requester and minute, before its requests are refused without a record.
    pub refused_records_per_minute: u64,
    /// Requests for consent that may stand under one pseudonym, undecided.
    pub open_consent_requests: u64,
    /// Requests for consent of one requester in a UTC day.
    pub consent_requests_per_day: u64,
    /// Pseudonyms that one consent authority may read in a day (UTC), each time it reads one counted.
    pub reads_per_day: u64,
    /// Letters that one member may hand in on a UTC day.
    pub letters_per_day: u64,
    /// Of these, letters about one subject.
    pub letters_per_subject_per_day: u64,
    /// Pseudonyms that one auditor may follow or watch in a day (UTC), each time counted.
    pub audits_per_day: u64,
    /// Writes that may wait for a commit.
    pub waiting: usize,
    /// Writes of one commit.
    pub group: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            freshness_ms: 30_000,
            ahead_ms: 5_000,
            permit_ms: 60_000,
            // Holders answer the old epoch for 70 s, and a permit lives 60.
            epoch_grace_ms: 10_000,
            bad_checks_per_minute: 10_000,
            refused_records_per_minute: 10_000,
            open_consent_requests: 8,
            consent_requests_per_day: 10_000,
            reads_per_day: 10_000_000,
            letters_per_day: 100_000,
            letters_per_subject_per_day: 24,
            audits_per_day: 1_000,
            waiting: 4096,
            group: 256,
        }
    }
}

impl Limits {
    /// Checks the bounds that the protocol sets.
    ///
    /// # Errors
    /// [`LimitError`] for the first key out of its bounds.
    pub fn check(&self) -> Result<(), LimitError> {
        let count = |value: usize| u64::try_from(value).unwrap_or(u64::MAX);
        for (key, found, least, most) in [
            // Longer, and a check could be decided after its subject took the consent back elsewhere.
            ("freshness_ms", self.freshness_ms, 1_000, 60_000),
            ("ahead_ms", self.ahead_ms, 0, 30_000),
            ("permit_ms", self.permit_ms, 1_000, tacit_ledger::record::MAX_PERMIT_MS),
            // A permit of the old epoch must end before holders stop answering it, 70 s after the new one began.
            ("epoch_grace_ms", self.epoch_grace_ms, 0, 70_000u64.saturating_sub(self.permit_ms)),
            ("bad_checks_per_minute", self.bad_checks_per_minute, 1, u64::MAX),
            ("refused_records_per_minute", self.refused_records_per_minute, 1, u64::MAX),
            ("open_consent_requests", self.open_consent_requests, 0, 1_000),
            ("consent_requests_per_day", self.consent_requests_per_day, 0, 1_000_000),
            ("reads_per_day", self.reads_per_day, 1, i64::MAX.unsigned_abs()),
            ("letters_per_day", self.letters_per_day, 0, 10_000_000),
            ("letters_per_subject_per_day", self.letters_per_subject_per_day, 0, 1_000),
            ("audits_per_day", self.audits_per_day, 1, i64::MAX.unsigned_abs()),
            ("waiting", count(self.waiting), 1, 1 << 20),
            ("group", count(self.group), 1, 1 << 16),
        ] {
            if !(least..=most).contains(&found) {
                return Err(LimitError { key, found, least, most });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_beyond_the_protocol_are_refused_by_key() {
        assert_eq!(Limits::default().check(), Ok(()));
        let key = |limits: Limits| limits.check().map_err(|error| error.key);
        assert_eq!(key(Limits { permit_ms: 60_001, ..Limits::default() }), Err("permit_ms"));
        assert_eq!(key(Limits { permit_ms: 0, ..Limits::default() }), Err("permit_ms"));
        assert_eq!(key(Limits { epoch_grace_ms: 10_001, ..Limits::default() }), Err("epoch_grace_ms"));
        assert_eq!(key(Limits { freshness_ms: 60_001, ..Limits::default() }), Err("freshness_ms"));
        assert_eq!(key(Limits { waiting: 0, ..Limits::default() }), Err("waiting"));
        assert_eq!(key(Limits { group: 0, ..Limits::default() }), Err("group"));
    }
}
