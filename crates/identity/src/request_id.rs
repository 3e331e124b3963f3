//! Request ids at the accepting end: every call has one, in its metadata, its log lines and its answer.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{HeaderName, HeaderValue, Request, Response};
use tacit_model::{Clock as _, RequestId, SystemClock, entropy};
use tower::{Layer, Service};
use tracing::Instrument as _;

use crate::peer::peer_in;

/// The metadata key, the same in gRPC and in plain HTTP.
static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longest path in a log line; ours are shorter.
const PATH_MAX: usize = 128;

/// Gives every call a request id: the caller's when it is safe to log, else a new one. Handlers find it in the
/// metadata under `x-request-id`, callers in the answer, readers of the log in the span around every line.
///
/// Part of [`tune_server`](crate::tune_server); also fit for plain HTTP servers.
#[derive(Clone, Copy, Debug, Default)]
pub struct RequestIdLayer;

impl<S> Layer<S> for RequestIdLayer {
    type Service = RequestIdService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RequestIdService { inner }
    }
}

/// What [`RequestIdLayer`] puts around a service.
#[derive(Clone, Debug)]
pub struct RequestIdService<S> {
    inner: S,
}

impl<S, B, R> Service<Request<B>> for RequestIdService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Future: Send + 'static,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<R>, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let foreign = request.headers().get(&REQUEST_ID).and_then(|value| value.to_str().ok());
        // The edge: nothing inside depends on this time or this randomness.
        let fresh = || RequestId::generate(SystemClock.now(), &mut entropy::os_rng());
        let id = foreign.and_then(|text| RequestId::from_foreign(text).ok()).unwrap_or_else(fresh);
        let value = HeaderValue::from_str(id.as_str()).ok();
        match &value {
            Some(value) => request.headers_mut().insert(&REQUEST_ID, value.clone()),
            None => request.headers_mut().remove(&REQUEST_ID),
        };
        let path = request.uri().path();
        let path = path.get(..PATH_MAX).unwrap_or(path);
        let peer = peer_in(request.extensions()).ok().map(|peer| tracing::field::display(&peer.spiffe));
        let span = tracing::info_span!("call", request_id = %id, path, peer);
        let answer = self.inner.call(request);
        Box::pin(
            async move {
                let mut response = answer.await?;
                if let Some(value) = value {
                    response.headers_mut().insert(&REQUEST_ID, value);
                }
                Ok(response)
            }
            .instrument(span),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn ask(sent: Option<&str>) -> (String, String) {
        let seen = |request: Request<()>| async move {
            let id = request.headers()[&REQUEST_ID].to_str().unwrap().to_owned();
            Ok::<_, std::convert::Infallible>(Response::new(id))
        };
        let mut request = Request::new(());
        if let Some(sent) = sent {
            request.headers_mut().insert(&REQUEST_ID, sent.parse().unwrap());
        }
        let response = RequestIdLayer.layer(tower::service_fn(seen)).call(request).await.unwrap();
        let echoed = response.headers()[&REQUEST_ID].to_str().unwrap().to_owned();
        (response.into_body(), echoed)
    }

    #[tokio::test]
    async fn the_callers_id_goes_to_the_handler_and_back() {
        let id = "batch_7.row-12".to_owned();
        assert_eq!(ask(Some(&id)).await, (id.clone(), id));
    }

    #[tokio::test]
    async fn a_missing_or_unsafe_id_is_replaced() {
        for sent in [None, Some("x"), Some("91350100M000100Y43"), Some("a b c d e f g h")] {
            let (seen, echoed) = ask(sent).await;
            assert_eq!(seen, echoed);
            assert_eq!(seen.len(), 26, "{seen}");
            assert_ne!(Some(seen.as_str()), sent);
        }
    }
}
