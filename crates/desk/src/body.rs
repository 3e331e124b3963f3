//! Around and inside a request: its content type and whole body, and the headers that every answer has.

use std::time::Duration;

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::Response,
};
use tacit_model::{Reason, RequestId};

use crate::problem::Problem;

const REQUEST_ID: HeaderName = HeaderName::from_static(tacit_wire::REQUEST_ID);

/// Writes the body of a problem and the headers that every answer has; the problem's reason, when there is one.
pub fn finish(response: &mut Response, id: &RequestId) -> Option<Reason> {
    let problem = response.extensions_mut().remove::<Problem>();
    if let Some(problem) = &problem {
        let allow = response.headers_mut().remove(header::ALLOW);
        *response = problem.response(id);
        if let Some(allow) = allow {
            response.headers_mut().insert(header::ALLOW, allow);
        }
    }
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        headers.insert(REQUEST_ID, value);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    problem.map(|problem| problem.reason())
}

/// Refuses a body of another kind, or one that is compressed.
///
/// # Errors
/// [`Problem`] that names the content type.
pub fn content_type(headers: &HeaderMap, wanted: &[&'static str]) -> Result<(), Problem> {
    let wrong = || {
        Problem::of_field(
            Reason::Malformed,
            "content-type",
            format!("The body must be {}.", wanted.join(" or ")),
        )
        .with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE)
    };
    if headers.contains_key(header::CONTENT_ENCODING) {
        return Err(wrong());
    }
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).ok_or_else(wrong)?;
    let mut parts = value.split(';').map(str::trim);
    let kind = parts.next().unwrap_or_default();
    let utf8 = parts.all(|part| part.eq_ignore_ascii_case("charset=utf-8") || part.is_empty());
    if utf8 && wanted.iter().any(|wanted| kind.eq_ignore_ascii_case(wanted)) { Ok(()) } else { Err(wrong()) }
}

/// A whole body of at most `limit` bytes, read within `patience`.
///
/// # Errors
/// [`Problem`]: too large, or too slow.
pub async fn whole_body(
    request: Request,
    limit: usize,
    patience: Duration,
) -> Result<axum::body::Bytes, Problem> {
    let too_large = || Problem::new(Reason::TooLarge, format!("The body has more than {limit} bytes."));
    let stated = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if stated.is_some_and(|stated| usize::try_from(stated).map_or(true, |stated| stated > limit)) {
        return Err(too_large());
    }
    let reading = axum::body::to_bytes(request.into_body(), limit);
    match tokio::time::timeout(patience, reading).await {
        Ok(Ok(bytes)) => Ok(bytes),
        // Either over the limit without a stated length, or broken off: then nobody reads this.
        Ok(Err(_)) => Err(too_large()),
        Err(_) => Err(Problem::slow()),
    }
}
