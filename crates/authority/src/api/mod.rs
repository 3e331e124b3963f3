//! The JSON API on loopback, for the portal and the command line.
//!
//! ```text
//! request ─▶ request id ─▶ token ─▶ slot ─▶ time limit ─▶ handler ─▶ answer or problem, never cached
//! ```
//!
//! One table, [`ROUTES`], is what the router is made of and what the OpenAPI document is compared with. A code stands in
//! a body and never in an address, because addresses end up in other people's logs.

mod consents;
mod handlers;
mod joins;
mod letters;
mod lists;
pub(crate) mod openapi;
mod redress;
mod types;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderMap, header},
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
    routing,
};
use tacit_desk::{
    body::finish,
    problem::Problem,
    request_id::request_id,
    routes::{self, Guard, Route, found},
    tokens::Application,
};
use tacit_model::{LogSafe, Reason, RequestId};

use self::consents::{change, give};
use crate::App;

type Shared = Arc<App>;

static ROUTES: [Route<Shared>; 24] = [
    Route::post("/v1/users", Guard::Token, || routing::post(handlers::enroll)),
    Route::post("/v1/findUsage", Guard::Token, || routing::post(handlers::find_usage)),
    Route::post("/v1/usagePeriod", Guard::Token, || routing::post(handlers::usage_period)),
    Route::post("/v1/letters", Guard::Token, || routing::post(letters::letters)),
    Route::post("/v1/matters", Guard::Token, || routing::post(redress::matters)),
    Route::post("/v1/objections", Guard::Token, || routing::post(redress::object)),
    Route::post("/v1/appeals", Guard::Token, || routing::post(redress::appeal)),
    Route::post("/v1/listing-consents", Guard::Token, || routing::post(joins::join)),
    Route::get("/v1/lists", Guard::Token, || routing::get(lists::lists)),
    Route::post("/v1/consents/search", Guard::Token, || routing::post(consents::search)),
    Route::post("/v1/consents", Guard::Token, || routing::post(give::grant)),
    Route::post("/v1/consents/{id}/withdraw", Guard::Token, || routing::post(change::withdraw)),
    Route::post("/v1/consents/{id}/pause", Guard::Token, || routing::post(change::pause)),
    Route::post("/v1/consents/{id}/resume", Guard::Token, || routing::post(change::resume)),
    Route::post("/v1/consents/{id}/renew", Guard::Token, || routing::post(give::renew)),
    Route::post("/v1/consents/{id}/receipt", Guard::Token, || routing::post(consents::receipt::receipt)),
    Route::post("/v1/requests/{id}/allow", Guard::Token, || routing::post(give::allow)),
    Route::post("/v1/requests/{id}/refuse", Guard::Token, || routing::post(change::refuse)),
    Route::post("/v1/proofs", Guard::Token, || routing::post(handlers::proof)),
    Route::post("/v1/checks", Guard::Token, || routing::post(handlers::check)),
    Route::get("/v1/receipts/{record_id}", Guard::Token, || routing::get(handlers::receipt)),
    Route::get("/v1/heartbeat", Guard::Token, || routing::get(handlers::heartbeat)),
    Route::get("/v1/openapi.json", Guard::Open, || routing::get(handlers::openapi)),
    Route::get("/healthz", Guard::Open, || routing::get(handlers::health)),
];

/// Who calls, under which id. In the extensions of every request that reaches a handler.
#[derive(Debug, Clone)]
struct Call {
    id: RequestId,
    /// The application whose token was shown; none on open routes.
    application: Option<Application>,
}

/// The router with everything around it.
pub(crate) fn router(app: Shared) -> Router {
    routes::router(&ROUTES).layer(middleware::from_fn_with_state(Arc::clone(&app), envelope)).with_state(app)
}

/// The outermost layer.
async fn envelope(State(app): State<Shared>, mut request: Request, next: Next) -> Response {
    let foreign = request.headers().get(tacit_wire::REQUEST_ID).and_then(|value| value.to_str().ok());
    let id = request_id(app.registry().schemes(), app.clock.now(), foreign);
    let application = application(&app, request.headers());
    let name = application.clone();
    let (_, guard) = found(&ROUTES, request.uri().path());
    let mut response = match guard.admit(application.as_ref()) {
        Ok(()) => {
            request.extensions_mut().insert(Call { id: id.clone(), application });
            run(&app, request, next).await
        }
        // An unknown address looks the same, so that strangers learn nothing.
        Err(problem) => {
            if problem.reason() == Reason::Unauthenticated {
                metrics::counter!("tacit_authority_unauthenticated_total").increment(1);
            }
            problem.into_response()
        }
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
