//! Plain HTTP calls: to interfaces on this machine, and to an identity provider. Bounded in time and size; redirections
//! are not followed, so that nobody sends the portal elsewhere.

use std::{path::Path, time::Duration};

use axum::body::Bytes;
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
    #[error("no answer within {} s", PATIENCE.as_secs())]
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
        let request = request.map(|body| Full::new(Bytes::from(body)));
        let answered = async {
            let response =
                self.0.request(request).await.map_err(|error| WebError::Unreachable(chain(&error)))?;
            let (parts, body) = response.into_parts();
            let body = Limited::new(body, ANSWER_MAX).collect().await;
            let body = body.map_err(|error| WebError::Broken(error.to_string()))?.to_bytes();
            Ok(Response::from_parts(parts, body))
        };
        tokio::time::timeout(PATIENCE, answered).await.unwrap_or(Err(WebError::Slow))
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
