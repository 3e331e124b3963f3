//! The JSON API on loopback, for the portal and the command line.
//!
//! ```text
//! request ─▶ request id ─▶ token ─▶ slot ─▶ time limit ─▶ handler ─▶ answer or problem, never cached
//! ```
//!
//! A code stands in a body and never in an address, because addresses end up in other people's logs.

mod handlers;
mod types;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use tacit_desk::{body::finish, problem::Problem, request_id::request_id, tokens::Application};
use tacit_model::{LogSafe, Reason, RequestId};

use crate::App;

type Shared = Arc<App>;

/// Whoever is alive says so to anybody on this machine.
const OPEN: &str = "/healthz";

/// Who calls, under which id. In the extensions of every request that reaches a handler.
#[derive(Debug, Clone)]
struct Call {
    id: RequestId,
    /// The application whose token was shown; none on the open route.
    application: Option<Application>,
}

/// The router with everything around it.
pub(crate) fn router(app: Shared) -> Router {
    Router::new()
        .route("/v1/users", post(handlers::enroll))
        .route("/v1/findUsage", post(handlers::find_usage))
        .route("/v1/usagePeriod", post(handlers::usage_period))
        .route("/v1/heartbeat", get(handlers::heartbeat))
        .route("/v1/proofs", post(handlers::proof))
        .route("/v1/checks", post(handlers::check))
        .route("/v1/receipts/{record_id}", get(handlers::receipt))
        .route(OPEN, get(handlers::health))
        .fallback(|| async { Problem::new(Reason::NotFound, "There is no such address here.") })
        .method_not_allowed_fallback(|| async {
            Problem::new(Reason::Malformed, "This address takes another method.")
                .with_status(StatusCode::METHOD_NOT_ALLOWED)
        })
        .layer(middleware::from_fn_with_state(Arc::clone(&app), envelope))
        .with_state(app)
}

/// The outermost layer.
async fn envelope(State(app): State<Shared>, mut request: Request, next: Next) -> Response {
    let foreign = request.headers().get(tacit_wire::REQUEST_ID).and_then(|value| value.to_str().ok());
    let id = request_id(app.registry().schemes(), app.clock.now(), foreign);
    let application = application(&app, request.headers());
    let name = application.clone();
    let open = request.uri().path() == OPEN;
    let mut response = if open || application.is_some() {
        request.extensions_mut().insert(Call { id: id.clone(), application });
        run(&app, request, next).await
    } else {
        metrics::counter!("tacit_authority_unauthenticated_total").increment(1);
        // An unknown address looks the same, so that strangers learn nothing.
        Problem::new(Reason::Unauthenticated, "The access token is missing or not known here.")
            .into_response()
    };
    let reason = finish(&mut response, &id);
    let status = response.status().as_u16();
    metrics::counter!("tacit_authority_calls_total", "status" => status.to_string()).increment(1);
    tracing::info!(
        request_id = %LogSafe::new(&id),
        application = name.map(|name| tracing::field::display(LogSafe::new(name))),
        status,
        reason = reason.map(|reason| tracing::field::display(LogSafe::new(reason))),
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

async fn run(app: &Shared, request: Request, next: Next) -> Response {
    if *app.stopping.borrow() {
        return Problem::new(Reason::Unavailable, "The authority is stopping.").into_response();
    }
    let Ok(_slot) = app.requests.try_acquire() else {
        return Problem::from(Reason::Overloaded).into_response();
    };
    match tokio::time::timeout(Duration::from_millis(app.limits.request_ms), next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::from(Reason::Deadline).into_response(),
    }
}
