//! The authority's part of its configuration file.

use std::{net::SocketAddr, path::PathBuf};

use serde::Deserialize;

/// Where the portal and the command line ask, on this machine alone.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiConfig {
    /// Address of the JSON API; loopback only.
    pub http: SocketAddr,
    /// File of access tokens, one `name:token` a line, mode 0600.
    pub tokens: PathBuf,
    /// What callers may use up.
    #[serde(default)]
    pub limits: ApiLimits,
}

/// What callers may use up.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ApiLimits {
    /// Requests at one time; more are refused as `overloaded`.
    pub requests: usize,
    /// Open connections; more wait to be accepted.
    pub connections: usize,
    /// Longest body, in bytes.
    pub body_bytes: usize,
    /// Longest time for the headers of a request, in milliseconds.
    pub header_ms: u64,
    /// Longest time for a request, in milliseconds.
    pub request_ms: u64,
    /// Checks of one user about themselves in a minute: against abuse, not a quota.
    pub checks_per_minute: u32,
    /// Changes of one user's consents in a minute: each is a record of the log.
    pub consent_changes_per_minute: u32,
}

impl Default for ApiLimits {
    fn default() -> Self {
        Self {
            requests: 128,
            connections: 256,
            body_bytes: 64 << 10,
            header_ms: 10_000,
            request_ms: 60_000,
            checks_per_minute: 20,
            consent_changes_per_minute: 20,
        }
    }
}

impl ApiLimits {
    /// The first limit that lets nobody in.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        let bounds = [
            ("requests", self.requests),
            ("connections", self.connections),
            ("body_bytes", self.body_bytes),
            ("checks_per_minute", usize::try_from(self.checks_per_minute).unwrap_or(usize::MAX)),
            (
                "consent_changes_per_minute",
                usize::try_from(self.consent_changes_per_minute).unwrap_or(usize::MAX),
            ),
        ];
        bounds.into_iter().find(|(_, value)| *value == 0).map_or(Ok(()), |(key, _)| Err(key))
    }
}
