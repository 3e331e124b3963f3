//! The accepting end: TCP, handshake within a time limit, then a stream of known peers for tonic.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::Stream;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{AbortHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use crate::credentials::Credentials;
use crate::stream::MtlsStream;
use crate::tls::{ALPN, IoReason, Reason};
use crate::wire::CountedTcp;

/// What strangers and members may use up of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenerLimits {
    /// Longest time from accepting a TCP connection to the end of its handshake.
    pub handshake_timeout: Duration,
    /// Most handshakes at one time. One more ends the oldest: a flood of slow handshakes then pushes out its own,
    /// while an honest one is done within milliseconds.
    pub max_handshakes: usize,
    /// Most open connections; one more is closed after its handshake.
    pub max_connections: usize,
}

impl Default for ListenerLimits {
    fn default() -> Self {
        Self { handshake_timeout: Duration::from_secs(10), max_handshakes: 512, max_connections: 4096 }
    }
}

/// Connections that were authenticated but not yet taken by the server.
const READY_MAX: usize = 128;
/// Pause after the operating system could not accept, so that a lack of file handles does not spin a core.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A socket that yields authenticated connections, for
/// [`serve_with_incoming_shutdown`](tonic::transport::server::Router::serve_with_incoming_shutdown). Failed
/// handshakes are logged and never yielded. Dropping it closes the socket; open connections live on.
#[derive(Debug)]
pub struct MtlsListener {
    ready: mpsc::Receiver<MtlsStream>,
    local_addr: SocketAddr,
    accepting: AbortHandle,
    credentials: Credentials,
}

impl MtlsListener {
    /// Binds and starts accepting, with [`ListenerLimits::default`]. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// What the operating system says: the address is taken, or not ours.
    pub async fn bind(addr: SocketAddr, credentials: Credentials) -> io::Result<Self> {
        Self::start(TcpListener::bind(addr).await?, credentials, ListenerLimits::default())
    }

    /// Starts accepting on a bound socket. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// When the socket cannot say its address.
    pub fn start(
        listener: TcpListener,
        credentials: Credentials,
        limits: ListenerLimits,
    ) -> io::Result<Self> {
        let local_addr = listener.local_addr()?;
        let (sender, ready) = mpsc::channel(READY_MAX);
        let accepting = tokio::spawn(accept(listener, credentials.clone(), limits, sender)).abort_handle();
        Ok(Self { ready, local_addr, accepting, credentials })
    }

    /// The address that clients connect to.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// The credentials that it accepts with.
    #[must_use]
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// The next authenticated connection.
    pub async fn accept(&mut self) -> Option<MtlsStream> {
        self.ready.recv().await
    }
}

impl Drop for MtlsListener {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Stream for MtlsListener {
    type Item = io::Result<MtlsStream>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.ready.poll_recv(cx).map(|stream| stream.map(Ok))
    }
}

/// Why a handshake led to no connection.
#[derive(Debug, thiserror::Error)]
enum HandshakeError {
    #[error("no handshake within the time limit")]
    Slow,
    #[error("{}", IoReason(.0))]
    Io(#[from] io::Error),
    #[error("{}", Reason(.0))]
    Tls(#[from] rustls::Error),
    #[error("the client does not speak HTTP/2")]
    Protocol,
    #[error("too many open connections")]
    Full,
}

async fn accept(
    listener: TcpListener,
    credentials: Credentials,
    limits: ListenerLimits,
    ready: mpsc::Sender<MtlsStream>,
) {
    let connections = Arc::new(Semaphore::new(limits.max_connections));
    // Dropped with this task, and all handshakes with it.
    let mut handshakes = JoinSet::new();
    let mut oldest_first: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((tcp, remote)) => {
                    if oldest_first.len() >= limits.max_handshakes {
                        oldest_first.retain(|handshake| !handshake.is_finished());
                    }
                    if oldest_first.len() >= limits.max_handshakes
                        && let Some(oldest) = oldest_first.pop_front()
                    {
                        tracing::warn!(limit = limits.max_handshakes, "handshakes at their limit, the oldest ended");
                        oldest.abort();
                    }
                    let serve =
                        serve(tcp, remote, credentials.clone(), limits, Arc::clone(&connections), ready.clone());
                    oldest_first.push_back(handshakes.spawn(serve));
                }
                Err(error) if is_of_one_connection(&error) => {
                    tracing::debug!(%error, "a connection ended before it was accepted");
                }
                Err(error) => {
                    tracing::error!(%error, "cannot accept connections");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_) = handshakes.join_next(), if !handshakes.is_empty() => {}
        }
    }
}

/// Errors of `accept` that concern the connection, not the socket (accept(2)).
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    )
}

async fn serve(
    tcp: TcpStream,
    remote: SocketAddr,
    credentials: Credentials,
    limits: ListenerLimits,
    connections: Arc<Semaphore>,
    ready: mpsc::Sender<MtlsStream>,
) {
    let handshake = handshake(tcp, &credentials, &connections);
    let outcome = match tokio::time::timeout(limits.handshake_timeout, handshake).await {
        Ok(outcome) => outcome,
        Err(_) => Err(HandshakeError::Slow),
    };
    match outcome {
        Ok(stream) => {
            tracing::debug!(%remote, peer = %stream.peer().spiffe, "connected");
            // The receiver is gone only when the server is shutting down.
            let _ = ready.send(stream).await;
        }
        Err(HandshakeError::Full) => {
            tracing::warn!(%remote, limit = limits.max_connections, "too many open connections, one refused");
        }
        // Strangers can cause this at will: the reason is in the log, at a level that does not fill it.
        Err(error) => tracing::debug!(%remote, %error, "handshake failed"),
    }
}

async fn handshake(
    tcp: TcpStream,
    credentials: &Credentials,
    connections: &Arc<Semaphore>,
) -> Result<MtlsStream, HandshakeError> {
    tcp.set_nodelay(true)?;
    let snapshot = credentials.snapshot();
    let tls = TlsAcceptor::from(Arc::clone(&snapshot.server)).accept(CountedTcp(tcp)).await?;
    if tls.get_ref().1.alpn_protocol() != Some(ALPN) {
        return Err(HandshakeError::Protocol);
    }
    let slot = Arc::clone(connections).try_acquire_owned().map_err(|_| HandshakeError::Full)?;
    Ok(MtlsStream::accepted(tls, &snapshot, credentials, slot)?)
}
