//! A client of a local JSON interface, an authority's or a node's gateway, on loopback: one request a connection.
//!
//! Plain HTTP/1.1 as our own server speaks it, and no more: it stays on this machine, and no library is needed for it.

use std::{io, net::SocketAddr, time::Duration};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use zeroize::Zeroizing;

/// Largest answer: a receipt of 64 MiB in base64.
const ANSWER_MAX: u64 = 96 << 20;
/// Longest time for a request.
const PATIENCE: Duration = Duration::from_secs(70);

/// Asks an authority or a node. `Debug` does not show the token.
#[derive(Clone)]
pub struct DeskClient {
    at: SocketAddr,
    token: Zeroizing<String>,
}

impl std::fmt::Debug for DeskClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DeskClient").field("at", &self.at).finish_non_exhaustive()
    }
}

/// What was answered.
#[derive(Debug, Clone, PartialEq)]
pub struct DeskAnswer {
    /// HTTP status.
    pub status: u16,
    /// The body; a problem unless the status is 200.
    pub body: Value,
}

impl DeskClient {
    /// A client with this token.
    #[must_use]
    pub fn new(at: SocketAddr, token: Zeroizing<String>) -> Self {
        Self { at, token }
    }

    /// GET.
    ///
    /// # Errors
    /// No answer, or none that is HTTP with JSON.
    pub async fn get(&self, path: &str) -> io::Result<DeskAnswer> {
        self.send("GET", path, &Zeroizing::new(Vec::new())).await
    }

    /// POST of a JSON body.
    ///
    /// # Errors
    /// As [`DeskClient::get`].
    pub async fn post(&self, path: &str, body: &Value) -> io::Result<DeskAnswer> {
        let body = Zeroizing::new(serde_json::to_vec(body).map_err(io::Error::other)?);
        self.send("POST", path, &body).await
    }

    async fn send(&self, method: &str, path: &str, body: &[u8]) -> io::Result<DeskAnswer> {
        let exchange = async {
            let mut stream = TcpStream::connect(self.at).await?;
            let head = Zeroizing::new(format!(
                "{method} {path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
                 content-length: {}\r\nconnection: close\r\n\r\n",
                self.at,
                *self.token,
                body.len()
            ));
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(body).await?;
            let mut answer = Vec::new();
            stream.take(ANSWER_MAX).read_to_end(&mut answer).await?;
            read(&answer)
        };
        match tokio::time::timeout(PATIENCE, exchange).await {
            Ok(answer) => answer,
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

/// Status and body of a whole answer. Our server states the length of every body.
fn read(answer: &[u8]) -> io::Result<DeskAnswer> {
    let wrong = || io::Error::new(io::ErrorKind::InvalidData, "this is no answer of a local interface");
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").ok_or_else(wrong)?;
    let (head, body) = answer.split_at(end + 4);
    let head = std::str::from_utf8(head).map_err(|_| wrong())?;
    let status = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).ok_or_else(wrong)?;
    let status = status.parse().map_err(|_| wrong())?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok()).flatten()
    });
    if length != Some(body.len()) {
        return Err(wrong());
    }
    Ok(DeskAnswer { status, body: serde_json::from_slice(body).map_err(|_| wrong())? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_whole_or_not_at_all() {
        let whole = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n{\"a\":1}";
        assert_eq!(read(whole).unwrap(), DeskAnswer { status: 200, body: serde_json::json!({ "a": 1 }) });
        for part in 0..whole.len() {
            assert!(read(&whole[..part]).is_err(), "{part}");
        }
        assert!(read(b"HTTP/1.1 200 OK\r\n\r\n{}").is_err());
        assert!(read(b"SSH-2.0\r\nContent-Length: 2\r\n\r\n{}").is_err());
    }
}
