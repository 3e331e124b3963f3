//! One authenticated connection, either end.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::task::AtomicWaker;
use rustls_pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::OwnedSemaphorePermit;
use tokio_rustls::TlsStream;
use tonic::transport::server::Connected;

use crate::credentials::{Credentials, Snapshot};
use crate::peer::PeerIdentity;
use crate::spiffe::SpiffeId;
use crate::tls::Reason;
use crate::wire::CountedTcp;

/// Why an open connection was ended by us. It is the inner error of an [`io::Error`] of kind
/// [`io::ErrorKind::ConnectionAborted`].
#[derive(Clone, Debug, thiserror::Error)]
pub enum ConnectionEnded {
    /// The validity of the peer's certificate is over.
    #[error("the certificate of {0} has expired")]
    PeerExpired(SpiffeId),
    /// After a reload the peer would not be accepted any more: revoked, or its CA is no longer trusted.
    #[error("{peer} is no longer accepted: {}", Reason(source))]
    PeerRefused {
        /// Who it is.
        peer: SpiffeId,
        /// What rustls said.
        source: rustls::Error,
    },
    /// The peer is no member any more.
    #[error("{0} was removed from the registry")]
    PeerRemoved(SpiffeId),
    /// We opened the connection with a key that a reload has replaced.
    #[error("our own key was replaced")]
    OwnKeyReplaced,
}

/// Which end of the connection we are.
enum End {
    Accepting,
    Connecting { expected: SpiffeId, own_spki_sha256: [u8; 32] },
}

/// A TLS connection whose peer is known. It ends by itself when the peer's certificate expires, and after a
/// [`Credentials::reload`] that no longer accepts the peer.
pub struct MtlsStream {
    io: TlsStream<CountedTcp>,
    peer: PeerIdentity,
    chain: Vec<CertificateDer<'static>>,
    end: End,
    credentials: Credentials,
    generation: u64,
    removals: usize,
    reloaded: Arc<AtomicWaker>,
    /// Counts this connection against the listener's limit while it lives.
    _slot: Option<OwnedSemaphorePermit>,
}

impl fmt::Debug for MtlsStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MtlsStream").field("peer", &self.peer).finish_non_exhaustive()
    }
}

impl MtlsStream {
    /// Takes over a connection that a client opened, after its handshake under `snapshot`.
    pub(crate) fn accepted(
        io: tokio_rustls::server::TlsStream<CountedTcp>,
        snapshot: &Snapshot,
        credentials: &Credentials,
        slot: OwnedSemaphorePermit,
    ) -> Result<Self, rustls::Error> {
        let chain = chain_of(io.get_ref().1.peer_certificates());
        let peer = snapshot.clients.identify(&chain, credentials.clock().now())?;
        Ok(Self::new(io.into(), peer, chain, End::Accepting, snapshot, credentials, Some(slot)))
    }

    /// Takes over a connection that we opened to `expected`, after its handshake under `snapshot`.
    pub(crate) fn connected(
        io: tokio_rustls::client::TlsStream<CountedTcp>,
        expected: &SpiffeId,
        snapshot: &Snapshot,
        credentials: &Credentials,
    ) -> Result<Self, rustls::Error> {
        let chain = chain_of(io.get_ref().1.peer_certificates());
        let peer = snapshot.server_verifier(expected).identify(&chain, credentials.clock().now())?;
        let end =
            End::Connecting { expected: expected.clone(), own_spki_sha256: snapshot.status.own.spki_sha256 };
        Ok(Self::new(io.into(), peer, chain, end, snapshot, credentials, None))
    }

    fn new(
        io: TlsStream<CountedTcp>,
        peer: PeerIdentity,
        chain: Vec<CertificateDer<'static>>,
        end: End,
        snapshot: &Snapshot,
        credentials: &Credentials,
        slot: Option<OwnedSemaphorePermit>,
    ) -> Self {
        Self {
            io,
            peer,
            chain,
            end,
            credentials: credentials.clone(),
            generation: snapshot.status.generation,
            removals: credentials.removals(),
            reloaded: credentials.watcher(),
            _slot: slot,
        }
    }

    /// Who is on the other end.
    #[must_use]
    pub fn peer(&self) -> &PeerIdentity {
        &self.peer
    }

    /// Whether this connection may go on. Reading asks this each time, and a reload wakes the reader; writing
    /// need not, since HTTP/2 always has a read pending.
    fn may_go_on(&mut self, cx: &Context<'_>) -> Result<(), ConnectionEnded> {
        // Registered before the generation is read, or a reload in between would go unseen.
        self.reloaded.register(cx.waker());
        if self.credentials.clock().0.now() > self.peer.not_after {
            return Err(ConnectionEnded::PeerExpired(self.peer.spiffe.clone()));
        }
        let removals = self.credentials.removals();
        if removals != self.removals {
            if self.credentials.was_removed(self.removals, &self.peer.spiffe.member) {
                return Err(ConnectionEnded::PeerRemoved(self.peer.spiffe.clone()));
            }
            self.removals = removals;
        }
        if self.credentials.generation() == self.generation {
            return Ok(());
        }
        let snapshot = self.credentials.snapshot();
        let now = self.credentials.clock().now();
        let verified = match &self.end {
            End::Accepting => snapshot.clients.identify(&self.chain, now),
            End::Connecting { own_spki_sha256, .. }
                if *own_spki_sha256 != snapshot.status.own.spki_sha256 =>
            {
                return Err(ConnectionEnded::OwnKeyReplaced);
            }
            End::Connecting { expected, .. } => snapshot.server_verifier(expected).identify(&self.chain, now),
        };
        verified.map_err(|source| ConnectionEnded::PeerRefused { peer: self.peer.spiffe.clone(), source })?;
        self.generation = snapshot.status.generation;
        Ok(())
    }
}

fn chain_of(certificates: Option<&[CertificateDer<'static>]>) -> Vec<CertificateDer<'static>> {
    certificates.unwrap_or_default().to_vec()
}

impl Connected for MtlsStream {
    type ConnectInfo = PeerIdentity;

    fn connect_info(&self) -> Self::ConnectInfo {
        self.peer.clone()
    }
}

impl AsyncRead for MtlsStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Err(ended) = this.may_go_on(cx) {
            tracing::info!(peer = %this.peer.spiffe, reason = %ended, "connection ended");
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::ConnectionAborted, ended)));
        }
        Pin::new(&mut this.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for MtlsStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize, io::Error>> {
        Pin::new(&mut self.get_mut().io).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), io::Error>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), io::Error>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<Result<usize, io::Error>> {
        Pin::new(&mut self.get_mut().io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}
