//! The JSON API on loopback.
//!
//! ```text
//! request ─▶ request id ─▶ token ─▶ slot ─▶ time limit ─▶ handler ─▶ answer or problem, never cached
//! ```
//!
//! One table, [`ROUTES`], is what the router is made of and what the OpenAPI document is compared with.

mod answer;
mod cases;
mod consents;
mod envelope;
mod handlers;
mod lines;
mod lists;
mod measures;
pub(super) mod openapi;
#[cfg(test)]
mod parse_tests;
mod receipts;
mod terms;
mod types;

use std::{sync::Arc, time::Duration};

use axum::{Router, middleware, routing};
use tacit_desk::{
    parse,
    routes::{self, Guard, Route},
};
use tacit_model::Clock;
use tokio::sync::{Semaphore, watch};

use crate::redress::Redress;

use super::{asker::Asker, batch::Bounds, config::GatewayLimits, question::RawQuestion, tokens::Tokens};

/// What every handler needs.
pub(super) struct App {
    pub(super) asker: Arc<dyn Asker>,
    /// Objections and appeals, of a node that carries letters.
    pub(super) redress: Option<Redress>,
    pub(super) tokens: Tokens,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) limits: GatewayLimits,
    /// One permit per request that is not a batch.
    pub(super) requests: Arc<Semaphore>,
    /// One permit per batch or plan.
    pub(super) batches: Arc<Semaphore>,
    /// True once the node stops: nothing new is begun.
    pub(super) stopping: watch::Receiver<bool>,
}

impl App {
    pub(super) fn patience(&self) -> Duration {
        Duration::from_millis(self.limits.request_ms)
    }

    pub(super) fn idle(&self) -> Duration {
        Duration::from_millis(self.limits.idle_ms)
    }

    pub(super) fn bounds(&self) -> Bounds {
        Bounds { rows: self.limits.rows, idle: self.idle(), stopping: self.stopping.clone() }
    }
}

type Shared = Arc<App>;

static ROUTES: [Route<Shared>; 17] = [
    Route::post("/v1/checks", Guard::Token, || routing::post(handlers::check)),
    Route::post("/v1/checks/batch", Guard::Batch, || routing::post(handlers::batch)),
    Route::post("/v1/checks/plan", Guard::Batch, || routing::post(handlers::plan)),
    Route::get("/v1/lists", Guard::Token, || routing::get(handlers::lists)),
    Route::post("/v1/consents", Guard::Token, || routing::post(consents::ask)),
    Route::post("/v1/consents/search", Guard::Token, || routing::post(consents::search)),
    Route::post("/v1/receipts/search", Guard::Token, || routing::post(receipts::search)),
    Route::get("/v1/receipts/{record_id}", Guard::Token, || routing::get(receipts::receipt)),
    Route::post("/v1/measures", Guard::Token, || routing::post(measures::register)),
    Route::post("/v1/measures/search", Guard::Token, || routing::post(measures::search)),
    Route::post("/v1/measures/{measure_id}/lift", Guard::Token, || routing::post(measures::lift)),
    Route::post("/v1/cases/search", Guard::Redress, || routing::post(cases::search)),
    Route::get("/v1/cases/{level}/{case_id}", Guard::Redress, || routing::get(cases::show)),
    Route::post("/v1/cases/{level}/{case_id}/decide", Guard::Redress, || routing::post(cases::decide)),
    Route::get("/v1/status", Guard::Token, || routing::get(handlers::status)),
    Route::get("/v1/openapi.json", Guard::Open, || routing::get(handlers::openapi)),
    Route::get("/healthz", Guard::Open, || routing::get(handlers::health)),
];

/// The router with everything around it.
pub(super) fn router(app: Shared) -> Router {
    routes::router(&ROUTES)
        .layer(middleware::from_fn_with_state(Arc::clone(&app), envelope::envelope))
        .with_state(app)
}
