//! The gateway's part of the node's configuration.

use std::{net::SocketAddr, path::PathBuf};

use serde::Deserialize;

/// Where the agency's own applications ask. Without an address of a kind, that kind is not served.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatewayConfig {
    /// Address of the JSON API; loopback only.
    #[serde(default)]
    pub http: Option<SocketAddr>,
    /// Address of the gRPC service; loopback only.
    #[serde(default)]
    pub grpc: Option<SocketAddr>,
    /// File of access tokens, one `name:token` a line, mode 0600.
    pub tokens: PathBuf,
    /// What callers may use up.
    #[serde(default)]
    pub limits: GatewayLimits,
}

/// What callers of the gateway may use up.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GatewayLimits {
    /// Requests at one time, batches and plans not counted; more are refused as `overloaded`.
    pub requests: usize,
    /// Batches and plans at one time; more are refused as `overloaded`.
    pub batches: usize,
    /// Open connections of each kind; more wait to be accepted.
    pub connections: usize,
    /// Longest body of a request that is not a batch, in bytes.
    pub body_bytes: usize,
    /// Longest line of a batch, in bytes.
    pub line_bytes: usize,
    /// Most subjects of one batch or plan.
    pub rows: u64,
    /// Longest time for the headers of a request, in milliseconds.
    pub header_ms: u64,
    /// Longest time for a request that is not a batch, in milliseconds.
    pub request_ms: u64,
    /// Longest silence of a caller that sends a batch or reads its answers, in milliseconds.
    pub idle_ms: u64,
}

impl Default for GatewayLimits {
    fn default() -> Self {
        Self {
            requests: 512,
            batches: 8,
            connections: 1024,
            body_bytes: 128 << 10,
            line_bytes: 128 << 10,
            rows: 10_000_000,
            header_ms: 10_000,
            request_ms: 60_000,
            idle_ms: 120_000,
        }
    }
}
