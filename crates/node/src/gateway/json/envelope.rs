//! Around every handler: request id, token, slot, time limit, headers, and the body of a problem.

use std::{sync::Arc, time::Instant};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use tacit_model::{LogSafe, Reason, RequestId};

use super::{Guard, ROUTES, Shared};
use crate::gateway::{metrics, problem::Problem, request_id::request_id, tokens::Application};

const REQUEST_ID: HeaderName = HeaderName::from_static(tacit_wire::REQUEST_ID);

/// Who calls, under which id. In the extensions of every request that reaches a handler.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) id: RequestId,
    /// The application whose token was shown; `None` on open routes.
    pub(super) application: Option<Application>,
}

/// The outermost layer.
pub(super) async fn envelope(State(app): State<Shared>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let foreign = request.headers().get(REQUEST_ID).and_then(|value| value.to_str().ok());
    let id = request_id(&app, foreign);
    let (route, guard) = found(request.uri().path());
    let application = application(&app, request.headers());
    let name = application.clone();
    let mut response = match admit(&app, guard, application.is_some()) {
        Err(problem) => problem.into_response(),
        Ok(()) => {
            request.extensions_mut().insert(Call { id: id.clone(), application });
            run(&app, guard, request, next).await
        }
    };
    let reason = finish(&mut response, &id);
    let (status, took) = (response.status().as_u16(), started.elapsed());
    metrics::call("http", route, status, took);
    tracing::info!(
        request_id = %LogSafe::new(&id),
        application = name.map(|name| tracing::field::display(LogSafe::new(name))),
        route,
        status,
        reason = reason.map(|reason| tracing::field::display(LogSafe::new(reason))),
        took_ms = took.as_secs_f64() * 1000.0,
        "request"
    );
    response
}

/// The route of a path. A path that is not ours needs a token like any other, so that strangers learn nothing.
fn found(path: &str) -> (&'static str, Guard) {
    let known = ROUTES.iter().find(|route| route.is_at(path));
    known.map_or(("other", Guard::Token), |route| (route.path, route.guard))
}

fn application(app: &Shared, headers: &HeaderMap) -> Option<Application> {
    let mut shown = headers.get_all(header::AUTHORIZATION).iter();
    match (shown.next(), shown.next()) {
        (Some(value), None) => app.tokens.bearer(value.as_bytes()).cloned(),
        _ => None,
    }
}

fn admit(app: &Shared, guard: Guard, known: bool) -> Result<(), Problem> {
    if guard != Guard::Open && !known {
        metrics::stranger();
        return Err(Problem::new(Reason::Unauthenticated, "The access token is missing or not known here."));
    }
    if *app.stopping.borrow() {
        return Err(Problem::new(Reason::Unavailable, "The node is stopping."));
    }
    Ok(())
}

async fn run(app: &Shared, guard: Guard, request: Request, next: Next) -> Response {
    if guard == Guard::Batch {
        // Its own slot, silence limits and end are in the handler.
        return next.run(request).await;
    }
    let Ok(_slot) = Arc::clone(&app.requests).try_acquire_owned() else {
        return Problem::from(Reason::Overloaded).into_response();
    };
    match tokio::time::timeout(app.patience(), next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::from(Reason::Deadline).into_response(),
    }
}

/// Writes the body of a problem and the headers that every answer has.
fn finish(response: &mut Response, id: &RequestId) -> Option<Reason> {
    let problem = response.extensions_mut().remove::<Problem>();
    if let Some(problem) = &problem {
        metrics::problem(problem.reason());
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
pub(super) fn content_type(headers: &HeaderMap, wanted: &[&'static str]) -> Result<(), Problem> {
    let wrong = || {
        Problem::of_field(
            Reason::Malformed,
            "content-type",
            format!("The body must be {}.", wanted.join(" or ")),
        )
        .with_status(axum::http::StatusCode::UNSUPPORTED_MEDIA_TYPE)
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

/// A whole body of bounded size, within the time limit of a request.
pub(super) async fn whole_body(app: &Shared, request: Request) -> Result<axum::body::Bytes, Problem> {
    let limit = app.limits.body_bytes;
    let too_large = || Problem::new(Reason::TooLarge, format!("The body has more than {limit} bytes."));
    let stated = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if stated.is_some_and(|stated| usize::try_from(stated).map_or(true, |stated| stated > limit)) {
        return Err(too_large());
    }
    let reading = axum::body::to_bytes(request.into_body(), limit);
    match tokio::time::timeout(app.patience() / 2, reading).await {
        Ok(Ok(bytes)) => Ok(bytes),
        // Either over the limit without a stated length, or broken off: then nobody reads this.
        Ok(Err(_)) => Err(too_large()),
        Err(_) => Err(Problem::slow()),
    }
}
