//! Around every handler: request id, token, slot, time limit, headers, and the body of a problem.

use std::{sync::Arc, time::Instant};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
pub(super) use tacit_desk::body::content_type;
use tacit_desk::routes::{Guard, found};
use tacit_model::{LogSafe, Reason, RequestId};

use super::{ROUTES, Shared};
use crate::gateway::{metrics, problem::Problem, request_id::request_id, tokens::Application};

const REQUEST_ID: &str = tacit_wire::REQUEST_ID;

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
    let (route, guard) = found(&ROUTES, request.uri().path());
    let application = application(&app, request.headers());
    let name = application.clone();
    let mut response = match admit(&app, guard, application.as_ref()) {
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

fn application(app: &Shared, headers: &HeaderMap) -> Option<Application> {
    let mut shown = headers.get_all(header::AUTHORIZATION).iter();
    match (shown.next(), shown.next()) {
        (Some(value), None) => app.tokens.bearer(value.as_bytes()).cloned(),
        _ => None,
    }
}

fn admit(app: &Shared, guard: Guard, application: Option<&Application>) -> Result<(), Problem> {
    if let Err(problem) = guard.admit(application) {
        if problem.reason() == Reason::Unauthenticated {
            metrics::stranger();
        }
        return Err(problem);
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
    let reason = tacit_desk::body::finish(response, id);
    reason.inspect(|reason| metrics::problem(*reason))
}

/// A whole body of bounded size, within the time limit of a request.
pub(super) async fn whole_body(app: &Shared, request: Request) -> Result<axum::body::Bytes, Problem> {
    tacit_desk::body::whole_body(request, app.limits.body_bytes, app.patience() / 2).await
}
