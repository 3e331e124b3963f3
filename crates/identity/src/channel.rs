//! The connecting end: to one named party, or not at all.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint};

use crate::credentials::Credentials;
use crate::server::http2;
use crate::spiffe::SpiffeId;
use crate::stream::MtlsStream;
use crate::tls::{ALPN, IoReason, server_name};
use crate::wire::CountedTcp;

/// Longest time for TCP and the handshake together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Calls that may wait in the channel's queue before a caller has to wait itself.
const QUEUE_CALLS: usize = 4096;

/// The text is not the address of a party. The configuration is at fault.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// It is no URI.
    #[error("not a URI: https://HOST:PORT is wanted")]
    Uri(#[source] http::uri::InvalidUri),
    /// It is not `https://HOST:PORT`.
    #[error("https://HOST:PORT is wanted, without anything after it")]
    Form,
    /// The first connection failed.
    #[error("cannot connect: {0}")]
    Connect(#[source] tonic::transport::Error),
}

/// No connection to the party that was wanted.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Nobody listens there, or the name does not resolve.
    #[error("{address}: {source}")]
    Tcp {
        /// The address, `HOST:PORT`.
        address: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// The handshake failed. When somebody else than the wanted party answered, the source is an
    /// [`io::Error`] around a [`rustls::Error`] around an [`IdentityError`](crate::IdentityError).
    #[error("{address}, expecting {expected}: {}", IoReason(source))]
    Handshake {
        /// The address, `HOST:PORT`.
        address: String,
        /// Who should have answered.
        expected: SpiffeId,
        /// What rustls said.
        source: io::Error,
    },
    /// TLS could not be configured for this party.
    #[error("TLS configuration: {0}")]
    Configuration(#[from] rustls::Error),
    /// The server does not speak HTTP/2.
    #[error("{address} does not speak HTTP/2")]
    Protocol {
        /// The address, `HOST:PORT`.
        address: String,
    },
    /// No connection within 5 s.
    #[error("{address}: no connection within 5 s")]
    Timeout {
        /// The address, `HOST:PORT`.
        address: String,
    },
}

/// Opens one connection to `expected` at `address` (`HOST:PORT`), within 5 s. Without HTTP/2 on top: for
/// `doctor` and tests.
///
/// In TLS 1.3 the client is done first: `Ok` proves who the server is, and the first read shows whether the
/// server accepted *us* (RFC 8446, section 2).
///
/// # Errors
/// [`ConnectError`].
pub async fn dial(
    address: &str,
    expected: &SpiffeId,
    credentials: &Credentials,
) -> Result<MtlsStream, ConnectError> {
    match tokio::time::timeout(CONNECT_TIMEOUT, open(address, expected, credentials)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(ConnectError::Timeout { address: address.to_owned() }),
    }
}

async fn open(
    address: &str,
    expected: &SpiffeId,
    credentials: &Credentials,
) -> Result<MtlsStream, ConnectError> {
    let tcp_error = |source| ConnectError::Tcp { address: address.to_owned(), source };
    let tcp = TcpStream::connect(address).await.map_err(tcp_error)?;
    tcp.set_nodelay(true).map_err(tcp_error)?;
    let snapshot = credentials.snapshot();
    let config = Arc::new(credentials.client_config(&snapshot, expected)?);
    let tls = TlsConnector::from(config).connect(server_name(expected)?, CountedTcp(tcp)).await.map_err(
        |source| ConnectError::Handshake { address: address.to_owned(), expected: expected.clone(), source },
    )?;
    if tls.get_ref().1.alpn_protocol() != Some(ALPN) {
        return Err(ConnectError::Protocol { address: address.to_owned() });
    }
    Ok(MtlsStream::connected(tls, expected, &snapshot, credentials)?)
}

/// A channel to `expected` at `endpoint` (`https://HOST:PORT`). It connects at the first call and again whenever
/// the connection is lost, each time with the credentials that are then in use. Calls have no deadline of
/// their own: set one with [`tonic::Request::set_timeout`].
///
/// # Errors
/// [`EndpointError::Uri`] and [`EndpointError::Form`].
pub fn channel(
    endpoint: &str,
    expected: SpiffeId,
    credentials: Credentials,
) -> Result<Channel, EndpointError> {
    let (endpoint, address) = tuned(endpoint)?;
    Ok(endpoint.connect_with_connector_lazy(connector(address, expected, credentials)))
}

/// Like [`channel`], but connected when it returns.
///
/// # Errors
/// [`EndpointError`].
pub async fn connect(
    endpoint: &str,
    expected: SpiffeId,
    credentials: Credentials,
) -> Result<Channel, EndpointError> {
    let (endpoint, address) = tuned(endpoint)?;
    endpoint
        .connect_with_connector(connector(address, expected, credentials))
        .await
        .map_err(EndpointError::Connect)
}

fn connector(
    address: String,
    expected: SpiffeId,
    credentials: Credentials,
) -> impl tower::Service<
    Uri,
    Response = TokioIo<MtlsStream>,
    Error = ConnectError,
    Future = impl Future<Output = Result<TokioIo<MtlsStream>, ConnectError>> + Send,
> + Send
+ 'static {
    tower::service_fn(move |_: Uri| {
        let (address, expected, credentials) = (address.clone(), expected.clone(), credentials.clone());
        async move { dial(&address, &expected, &credentials).await.map(TokioIo::new) }
    })
}

/// The endpoint with all settings for throughput, and its `HOST:PORT`.
fn tuned(endpoint: &str) -> Result<(Endpoint, String), EndpointError> {
    let uri: Uri = endpoint.parse().map_err(EndpointError::Uri)?;
    let authority = uri.authority().ok_or(EndpointError::Form)?;
    let plain = uri.scheme_str() == Some("https")
        && uri.path_and_query().is_none_or(|path| path.as_str() == "/")
        && !authority.as_str().contains('@')
        && authority.port_u16().is_some();
    if !plain {
        return Err(EndpointError::Form);
    }
    let address = authority.as_str().to_owned();
    let endpoint = Endpoint::from(uri)
        .connect_timeout(CONNECT_TIMEOUT)
        .buffer_size(QUEUE_CALLS)
        .http2_adaptive_window(false)
        .initial_stream_window_size(http2::STREAM_WINDOW_BYTES)
        .initial_connection_window_size(http2::CONNECTION_WINDOW_BYTES)
        .max_frame_size(http2::FRAME_MAX_BYTES)
        .http2_max_header_list_size(http2::HEADER_LIST_MAX_BYTES)
        .http2_keep_alive_interval(http2::KEEPALIVE_INTERVAL)
        .keep_alive_timeout(http2::KEEPALIVE_TIMEOUT)
        .keep_alive_while_idle(true);
    Ok((endpoint, address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_https_host_and_port() {
        for (text, address) in [
            ("https://127.0.0.1:7401", "127.0.0.1:7401"),
            ("https://[::1]:7401/", "[::1]:7401"),
            ("https://court.example:1", "court.example:1"),
        ] {
            assert_eq!(tuned(text).unwrap().1, address);
        }
        for text in [
            "http://127.0.0.1:7401",
            "https://127.0.0.1",
            "https://127.0.0.1:7401/x",
            "https://127.0.0.1:7401/?x",
            "https://me@127.0.0.1:7401",
            "127.0.0.1:7401",
            "unix:/tmp/x",
            "",
        ] {
            assert!(tuned(text).is_err(), "{text}");
        }
    }
}
