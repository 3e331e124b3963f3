//! The coordinator's limits, as its configuration file may set them.

use serde::Deserialize;

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
            waiting: 4096,
            group: 256,
        }
    }
}
