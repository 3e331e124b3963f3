//! Trouble that arises before any handler of ours is asked: it gets a reason and the request id like all other trouble.
//!
//! tonic itself answers a message that cannot be read (INTERNAL), one beyond the limit (OUT_OF_RANGE), and a method
//! that does not exist (UNIMPLEMENTED), with a bare status.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use http::{HeaderMap, HeaderValue, Request, Response};
use tacit_model::Reason;
use tonic::{Code, Status, metadata::MetadataMap};
use tower::{Layer, Service};

use crate::{REQUEST_ID, status::trouble_as};

/// The header in which a call that ends without a message has its status.
const STATUS: &str = "grpc-status";
/// The header in which statuses of ours have their reason.
const DETAILS: &str = "grpc-status-details-bin";

/// Gives every bare status of a gRPC server its reason code and the request id of the call. Belongs on every server,
/// inside of what gives calls their request id.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReasonLayer;

impl<S> Layer<S> for ReasonLayer {
    type Service = ReasonService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ReasonService { inner }
    }
}

/// What [`ReasonLayer`] puts around a service.
#[derive(Clone, Debug)]
pub struct ReasonService<S> {
    inner: S,
}

impl<S, B, R> Service<Request<B>> for ReasonService<S>
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

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let id = request.headers().get(REQUEST_ID).cloned();
        let answer = self.inner.call(request);
        Box::pin(async move {
            let mut response = answer.await?;
            explain(response.headers_mut(), id);
            Ok(response)
        })
    }
}

/// Writes the reason of a bare status into the headers that hold it.
fn explain(headers: &mut HeaderMap, id: Option<HeaderValue>) {
    if !headers.contains_key(STATUS) || headers.contains_key(DETAILS) {
        return;
    }
    let Some(status) = Status::from_header_map(headers) else { return };
    // Every handler's own trouble has a reason already, so what is bare is about the call, never about us.
    let (code, reason, message) = match status.code() {
        Code::OutOfRange => (Code::OutOfRange, Reason::TooLarge, status.message()),
        Code::Internal => (
            Code::InvalidArgument,
            Reason::Malformed,
            "the bytes are not a message of this method, or the message is not whole",
        ),
        Code::Unimplemented if status.message().is_empty() => {
            (Code::Unimplemented, Reason::NotFound, "there is no such method here")
        }
        Code::Unimplemented => {
            (Code::Unimplemented, Reason::Malformed, "the message is compressed in a way not taken here")
        }
        _ => return,
    };
    let mut metadata = HeaderMap::new();
    if let Some(id) = id {
        metadata.insert(REQUEST_ID, id);
    }
    let explained = trouble_as(code, reason, message, &MetadataMap::from_headers(metadata));
    // It fails only for a text that is no header; ours are plain, and then the bare status stays.
    let _ = explained.add_header(headers);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{reason_of, status::request_id_of, trouble};

    fn explained(status: Status) -> Status {
        let mut response = status.into_http::<()>();
        explain(response.headers_mut(), Some(HeaderValue::from_static("batch_7.row-12")));
        Status::from_header_map(response.headers()).unwrap()
    }

    #[test]
    fn a_bare_status_gets_its_reason_and_the_request_id() {
        for (bare, code, reason) in [
            (Status::internal("Unexpected EOF"), Code::InvalidArgument, Reason::Malformed),
            (Status::out_of_range("9 bytes, the limit is 8"), Code::OutOfRange, Reason::TooLarge),
            (Status::unimplemented(""), Code::Unimplemented, Reason::NotFound),
            (Status::unimplemented("compressed with `gzip`"), Code::Unimplemented, Reason::Malformed),
        ] {
            let status = explained(bare);
            assert_eq!((status.code(), reason_of(&status)), (code, Some(reason)));
            assert_eq!(request_id_of(&status).as_deref(), Some("batch_7.row-12"));
        }
    }

    #[test]
    fn a_status_of_ours_and_one_of_the_health_service_stay_as_they_are() {
        for own in [trouble(Reason::Internal, &MetadataMap::new()), Status::not_found("unknown service")] {
            let status = explained(own.clone());
            assert_eq!((status.code(), status.message()), (own.code(), own.message()));
            assert_eq!(reason_of(&status), reason_of(&own));
        }
        let mut fine = HeaderMap::new();
        explain(&mut fine, None);
        assert!(fine.is_empty());
    }
}
