//! Listening sockets, opened when a role starts or beforehand.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::net::TcpListener;

/// How long an address that is still in use is waited for: a role that was just stopped gives it free soon.
const PATIENCE: Duration = Duration::from_secs(3);
/// Pause between attempts.
const RETRY: Duration = Duration::from_millis(50);

/// Sockets that were opened beforehand on free ports, to be taken by the roles whose configuration names them.
/// Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Sockets(Arc<Mutex<HashMap<SocketAddr, std::net::TcpListener>>>);

impl Sockets {
    /// Opens a socket on a free port of 127.0.0.1 and keeps it.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn reserve(&self) -> io::Result<SocketAddr> {
        let socket = std::net::TcpListener::bind((IpAddr::V4(Ipv4Addr::LOCALHOST), 0))?;
        socket.set_nonblocking(true)?;
        let at = socket.local_addr()?;
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(at, socket);
        Ok(at)
    }

    /// The socket kept for this address, or a new one. An address in use is waited for up to 3 s.
    ///
    /// # Errors
    /// What the operating system says.
    pub async fn bind(&self, at: SocketAddr) -> io::Result<TcpListener> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&at);
        if let Some(socket) = kept {
            return TcpListener::from_std(socket);
        }
        let until = tokio::time::Instant::now() + PATIENCE;
        loop {
            match TcpListener::bind(at).await {
                Err(error)
                    if error.kind() == io::ErrorKind::AddrInUse && tokio::time::Instant::now() < until =>
                {
                    tokio::time::sleep(RETRY).await;
                }
                outcome => return outcome,
            }
        }
    }
}
