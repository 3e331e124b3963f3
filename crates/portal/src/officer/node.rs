//! How the agency's node is, from what it knows itself.

use askama::Template;
use axum::{Extension, extract::State, response::Response};
use serde::Deserialize;

use super::App;
use crate::{
    frame::{Frame, page},
    visit::{Fault, Visit},
};

#[derive(Deserialize)]
struct Status {
    member_title: String,
    log_size: u64,
    #[serde(default)]
    as_of: Option<String>,
    registry_number: u64,
    #[serde(default)]
    quorum: Option<Quorum>,
    #[serde(default)]
    stopped: Option<String>,
    #[serde(default)]
    letters_waiting: Option<u64>,
    held: Vec<Held>,
    measures: Counts,
}

#[derive(Deserialize)]
struct Quorum {
    log_size: u64,
    at: String,
}

#[derive(Deserialize)]
struct Held {
    title: String,
    #[serde(default)]
    sealed_at: Option<String>,
    records: u64,
    pending: u64,
}

#[derive(Deserialize)]
struct Counts {
    standing: u64,
    unconfirmed: u64,
    due: u64,
    overdue: u64,
}

#[derive(Template)]
#[template(path = "officer/node.html")]
struct NodePage {
    frame: Frame,
    status: Status,
}

pub(super) async fn node(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Fault> {
    let status = app.of.api.get("/v1/status", &visit.id).await?;
    page(&NodePage { frame: Frame::new(&app.desk, &visit, visit.language.say("node-title"), "node"), status })
}
