//! The listener of a local JSON API: connections are counted, slow headers end, and it drains when the role stops.

use std::{io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use axum::Router;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::JoinSet,
};

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

/// Serves a JSON API until the role stops, then ends its connections as their requests end.
pub async fn serve(
    listener: TcpListener,
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
        let Some(tcp) = usable(accepted.map(|(tcp, _)| tcp)).await else { continue };
        let (service, builder) = (TowerToHyperService::new(router.clone()), builder.clone());
        let mut stopping = stopping.clone();
        connections.spawn(async move {
            let mut connection = pin!(builder.serve_connection(TokioIo::new(tcp), service));
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                () = stopped(&mut stopping) => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = ended {
                tracing::debug!(error = %tacit_model::LogText::new(&error.to_string()), "a connection ended early");
            }
            drop(slot);
        });
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
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
    TcpListener::bind(address).await.map_err(|source| BindError::Bind { key, address, source })
}

/// Why a local interface cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The address is not of this machine alone.
    #[error("{key} = {address}: a local interface listens on loopback only (127.0.0.1 or [::1])")]
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
