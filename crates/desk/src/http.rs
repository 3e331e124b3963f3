//! The listener of a local JSON API, or of web pages, with TLS or without: connections are counted, slow handshakes and
//! headers end, and it drains when the role stops.

use std::{io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use axum::{Extension, Router};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use tacit_identity::WebCertificate;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::JoinSet,
};
use tower::Layer as _;

/// Longest time for the handshake of a connection over TLS.
const HANDSHAKE_TIME: Duration = Duration::from_secs(5);
/// Pause after the operating system could not accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Most header fields of a request.
const HEADERS_MAX: usize = 64;
/// Largest header section, in bytes.
const HEADER_BYTES_MAX: usize = 32 << 10;

/// What connections may use up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpLimits {
    /// Longest time for the headers of a request, in milliseconds.
    pub header_ms: u64,
    /// Open connections; more wait to be accepted.
    pub connections: usize,
}

/// Who is on the other end of the connection, in the extensions of every request.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

/// Serves a JSON API until the role stops, then ends its connections as their requests end.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: HttpLimits,
    stopping: watch::Receiver<bool>,
) {
    serve_over(listener, None, router, limits, stopping).await;
}

/// Serves over TLS where there is a certificate, until the role stops, then ends the connections as their requests end.
pub async fn serve_over(
    listener: TcpListener,
    certificate: Option<WebCertificate>,
    router: Router,
    limits: HttpLimits,
    mut stopping: watch::Receiver<bool>,
) {
    let mut builder = Builder::new(TokioExecutor::new()).http1_only();
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(limits.header_ms))
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEADER_BYTES_MAX);
    let slots = Arc::new(Semaphore::new(limits.connections.min(Semaphore::MAX_PERMITS)));
    let mut connections = JoinSet::new();
    loop {
        // While all slots are taken, new connections wait in the system's queue.
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { break };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopped(&mut stopping) => break,
        };
        while connections.try_join_next().is_some() {}
        let peer = accepted.as_ref().ok().map(|(_, peer)| Peer(*peer));
        let tcp = usable(accepted.map(|(tcp, _)| tcp)).await;
        let Some((tcp, peer)) = tcp.zip(peer) else { continue };
        let service = TowerToHyperService::new(Extension(peer).layer(router.clone()));
        let (builder, certificate, mut stopping) = (builder.clone(), certificate.clone(), stopping.clone());
        connections.spawn(async move {
            let io = match spoken(tcp, certificate).await {
                Ok(io) => io,
                Err(error) => return said_early(&error),
            };
            let mut connection = pin!(builder.serve_connection(TokioIo::new(io), service));
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                () = stopped(&mut stopping) => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = ended {
                said_early(&*error);
            }
            drop(slot);
        });
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// A connection with TLS or without.
trait Io: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

/// The connection after its handshake, if it has one.
async fn spoken(tcp: TcpStream, certificate: Option<WebCertificate>) -> io::Result<Box<dyn Io>> {
    let Some(certificate) = certificate else { return Ok(Box::new(tcp)) };
    Ok(Box::new(tokio::time::timeout(HANDSHAKE_TIME, certificate.accept(tcp)).await??))
}

/// Strangers can cause this at will: a level that does not fill the log.
fn said_early(error: &dyn std::error::Error) {
    tracing::debug!(error = %tacit_model::LogText::new(&error.to_string()), "a connection ended early");
}

/// Ready once the role stops.
pub async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // A dropped sender means the same.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

/// A connection that was accepted; after a failure a pause, so that a lack of file handles does not spin a core.
pub async fn usable(accepted: io::Result<TcpStream>) -> Option<TcpStream> {
    match accepted.and_then(|tcp| tcp.set_nodelay(true).map(|()| tcp)) {
        Ok(tcp) => Some(tcp),
        Err(error) => {
            tracing::debug!(%error, "cannot accept a connection");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

/// Binds an address of this machine alone.
///
/// # Errors
/// [`BindError`].
pub async fn bind_loopback(key: &'static str, address: SocketAddr) -> Result<TcpListener, BindError> {
    if !address.ip().to_canonical().is_loopback() {
        return Err(BindError::NotLoopback { key, address });
    }
    bind(key, address).await
}

/// Binds any address, for a listener that speaks TLS.
///
/// # Errors
/// [`BindError::Bind`].
pub async fn bind(key: &'static str, address: SocketAddr) -> Result<TcpListener, BindError> {
    TcpListener::bind(address).await.map_err(|source| BindError::Bind { key, address, source })
}

/// Why a local interface cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The address is not of this machine alone.
    #[error("{key} = {address}: without TLS an interface listens on loopback only (127.0.0.1 or [::1])")]
    NotLoopback {
        /// Key of the configuration.
        key: &'static str,
        /// The address.
        address: SocketAddr,
    },
    /// The address cannot be listened on.
    #[error("{key} = {address}: {source}")]
    Bind {
        /// Key of the configuration.
        key: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
}
