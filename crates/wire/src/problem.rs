//! Trouble over plain HTTPS, beside gRPC: a small JSON object with the reason and the request id.

use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use serde::Serialize;
use tacit_model::Reason;
use tonic::{body::Body, metadata::MetadataMap};

use crate::RequestIds;

#[derive(Serialize)]
struct Problem<'a> {
    reason: &'static str,
    message: &'a str,
    advice: &'static str,
    request_id: &'a str,
}

/// The answer for `reason`, with the request id of the request (`asked`) and a sentence of its own, which must hold
/// nothing the caller may not know. Nobody may store it.
pub fn problem(status: StatusCode, reason: Reason, message: &str, asked: &MetadataMap) -> Response<Body> {
    let request_id = RequestIds::of(asked).unwrap_or("none");
    let body = Problem { reason: reason.as_str(), message, advice: reason.advice(), request_id };
    // Plain text in four fields always has a JSON form.
    let bytes = serde_json::to_vec(&body).unwrap_or_default();
    let length = bytes.len();
    let mut response = Response::new(Body::new(Full::new(bytes::Bytes::from(bytes))));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CONTENT_LENGTH, length.into());
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
