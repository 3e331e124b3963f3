//! Limits of the HTTP/2 server. tonic leaves most of them open.

use std::time::Duration;

use tonic::transport::Server;
use tower::layer::util::Stack;

use crate::request_id::RequestIdLayer;

/// HTTP/2 settings that both ends share (RFC 9113, section 6.5.2).
pub(crate) mod http2 {
    use std::time::Duration;

    /// Unread bytes that one stream may hold.
    pub(crate) const STREAM_WINDOW_BYTES: u32 = 4 * 1024 * 1024;
    /// Unread bytes that one connection may hold.
    pub(crate) const CONNECTION_WINDOW_BYTES: u32 = 16 * 1024 * 1024;
    /// Largest frame: four TLS records.
    pub(crate) const FRAME_MAX_BYTES: u32 = 64 * 1024;
    /// Largest header list, including error details in trailers.
    pub(crate) const HEADER_LIST_MAX_BYTES: u32 = 16 * 1024;
    /// Time between two pings on a quiet connection.
    pub(crate) const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(20);
    /// Longest wait for the answer to a ping.
    pub(crate) const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);
}

/// What one peer may use up of a gRPC server. Message sizes are set per service, where the messages are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerLimits {
    /// Calls at one time on one connection.
    pub max_concurrent_streams: u32,
    /// Streams that we reset because of the peer's errors before the connection ends. tonic hands its `None` on,
    /// which switches this guard off.
    pub max_local_error_reset_streams: usize,
    /// Streams that the peer opened and reset before we saw them, before the connection ends (rapid reset,
    /// CVE-2023-44487).
    pub max_pending_accept_reset_streams: usize,
    /// Longest time from a call's headers to the headers of its answer. A streaming call's body is not counted.
    /// The caller sees CANCELLED.
    pub request_timeout: Duration,
    /// Age at which a connection is drained, and how long its calls may then go on. `None`: no limit; a
    /// connection still ends when the peer's certificate does.
    pub max_connection_age: Option<(Duration, Duration)>,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            max_concurrent_streams: 1024,
            max_local_error_reset_streams: 256,
            max_pending_accept_reset_streams: 64,
            request_timeout: Duration::from_secs(120),
            max_connection_age: None,
        }
    }
}

/// The server with [`ServerLimits::default`] and the windows, frame and header sizes and keepalive that suit
/// [`channel`](crate::channel), and with request ids ([`RequestIdLayer`]).
#[must_use]
pub fn tune_server<L>(server: Server<L>) -> Server<Stack<RequestIdLayer, L>> {
    tune_server_with(server, &ServerLimits::default())
}

/// [`tune_server`] with other limits.
#[must_use]
pub fn tune_server_with<L>(server: Server<L>, limits: &ServerLimits) -> Server<Stack<RequestIdLayer, L>> {
    let server = server
        .layer(RequestIdLayer)
        .accept_http1(false)
        .max_concurrent_streams(limits.max_concurrent_streams)
        .http2_max_local_error_reset_streams(Some(limits.max_local_error_reset_streams))
        .http2_max_pending_accept_reset_streams(Some(limits.max_pending_accept_reset_streams))
        .timeout(limits.request_timeout)
        .http2_adaptive_window(Some(false))
        .initial_stream_window_size(http2::STREAM_WINDOW_BYTES)
        .initial_connection_window_size(http2::CONNECTION_WINDOW_BYTES)
        .max_frame_size(http2::FRAME_MAX_BYTES)
        .http2_max_header_list_size(http2::HEADER_LIST_MAX_BYTES)
        .http2_keepalive_interval(Some(http2::KEEPALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(http2::KEEPALIVE_TIMEOUT));
    match limits.max_connection_age {
        Some((age, grace)) => server.max_connection_age(age).max_connection_age_grace(grace),
        None => server,
    }
}
