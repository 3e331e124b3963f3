//! Plain HTTP calls: to interfaces on this machine, and to an identity provider. Bounded in time and size; redirections
//! are not followed, so that nobody sends the portal elsewhere.

use std::{path::Path, time::Duration};

use axum::body::{Body, Bytes};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioTimer},
};
use tacit_identity::{WebConnector, WebRootsError, web_connector};

/// Longest time for a call.
const PATIENCE: Duration = Duration::from_secs(65);
/// Largest answer, in bytes.
const ANSWER_MAX: usize = 16 << 20;
/// Longest time between two lines of an answer: a batch waits for the checks of another minute.
const SILENCE: Duration = Duration::from_secs(180);
/// Most bytes of such an answer that are kept before they are taken.
const LINES_MAX: usize = 1 << 20;

/// Makes calls. Clones share their connections.
#[derive(Clone)]
pub(crate) struct Web(Client<WebConnector, Full<Bytes>>);

/// A call that came to nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WebError {
    /// Nobody answered.
    #[error("not reachable: {0}")]
    Unreachable(String),
    /// No answer in time.
    #[error("no answer in time")]
    Slow,
    /// The answer broke off, or is too large.
    #[error("the answer cannot be read: {0}")]
    Broken(String),
}

impl Web {
    pub(crate) fn new(roots: Option<&Path>) -> Result<Self, WebRootsError> {
        let connector = web_connector(roots)?;
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(20))
            .build(connector);
        Ok(Self(client))
    }

    /// One call, its answer as a whole.
    pub(crate) async fn call(&self, request: Request<Vec<u8>>) -> Result<Response<Bytes>, WebError> {
        let answered = async { whole(self.begin(request).await?).await };
        tokio::time::timeout(PATIENCE, answered).await.unwrap_or(Err(WebError::Slow))
    }

    /// One call whose answer comes in lines; as a whole when it is no success.
    pub(crate) async fn lines(
        &self,
        request: Request<Vec<u8>>,
    ) -> Result<Result<Lines, Response<Bytes>>, WebError> {
        let answered = async {
            let response = self.begin(request).await?;
            if response.status().is_success() {
                return Ok(Ok(Lines { body: response.into_body(), kept: Vec::new(), read: 0 }));
            }
            Ok(Err(whole(response).await?))
        };
        tokio::time::timeout(PATIENCE, answered).await.unwrap_or(Err(WebError::Slow))
    }

    async fn begin(&self, request: Request<Vec<u8>>) -> Result<Response<Body>, WebError> {
        let request = request.map(|body| Full::new(Bytes::from(body)));
        let answered = self.0.request(request).await;
        answered.map(|response| response.map(Body::new)).map_err(|error| WebError::Unreachable(chain(&error)))
    }
}

async fn whole(response: Response<Body>) -> Result<Response<Bytes>, WebError> {
    let (parts, body) = response.into_parts();
    let body = Limited::new(body, ANSWER_MAX).collect().await;
    let body = body.map_err(|error| WebError::Broken(error.to_string()))?.to_bytes();
    Ok(Response::from_parts(parts, body))
}

/// An answer that comes in lines, for as long as there are some. Whoever drops it has gone away.
pub(crate) struct Lines {
    body: Body,
    kept: Vec<u8>,
    /// So much of `kept` was given out.
    read: usize,
}

impl Lines {
    /// The next line; none at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<u8>>, WebError> {
        loop {
            if let Some(length) = self.kept[self.read..].iter().position(|byte| *byte == b'\n') {
                let line = self.kept[self.read..][..length].to_vec();
                self.read += length + 1;
                return Ok(Some(line));
            }
            self.kept.drain(..self.read);
            self.read = 0;
            let frame = tokio::time::timeout(SILENCE, self.body.frame()).await.map_err(|_| WebError::Slow)?;
            let Some(frame) = frame else {
                let whole = self.kept.is_empty();
                return if whole { Ok(None) } else { Err(WebError::Broken("it breaks off".to_owned())) };
            };
            let frame = frame.map_err(|error| WebError::Broken(error.to_string()))?;
            if let Some(data) = frame.data_ref() {
                self.kept.extend_from_slice(data);
            }
            if self.kept.len() > LINES_MAX {
                return Err(WebError::Broken("a line is too long".to_owned()));
            }
        }
    }
}

/// Whether a URL is of this machine by its address; a name may be resolved to anything.
pub(crate) fn is_loopback(url: &url::Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        Some(url::Host::Domain(_)) | None => false,
    }
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}
