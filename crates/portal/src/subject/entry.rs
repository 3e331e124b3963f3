//! One entry, with the proof that it stands in the log.

use askama::Template;
use axum::{
    Extension,
    extract::{Path, State},
    response::Response,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    App,
    says::{About, Usage},
};
use crate::{
    download::download,
    frame::{Frame, page},
    person::Scope,
    visit::{Fault, Visit},
};

#[derive(Serialize)]
struct Prove<'w> {
    #[serde(flatten)]
    about: About<'w>,
    record_id: &'w str,
}

#[derive(Deserialize)]
struct Proven {
    usage: Usage,
    proof: Map<String, Value>,
}

#[derive(Template)]
#[template(path = "subject/entry.html")]
struct EntryPage {
    frame: Frame,
    usage: Usage,
    sentence: String,
    /// The signed checkpoint that the entry is proven under.
    checkpoint: String,
    proof_href: String,
}

async fn proven<A: serde::de::DeserializeOwned>(app: &App, visit: &Visit, record: &str) -> Result<A, Fault> {
    let who = visit.who(Scope::Read)?;
    let prove = Prove { about: who.into(), record_id: record };
    Ok(app.of.api.post("/v1/proofs", &prove, &visit.id).await?)
}

pub(super) async fn entry(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
    Path((_, record)): Path<(String, String)>,
) -> Result<Response, Fault> {
    let Proven { usage, proof } = proven(&app, &visit, &record).await?;
    let frame = Frame::new(&app.desk, &visit, visit.language.say("entry-title"), "asked");
    let checkpoint = proof.get("checkpoint").and_then(Value::as_str).unwrap_or_default().to_owned();
    let template = EntryPage {
        sentence: usage.sentence(visit.language),
        proof_href: visit.path(&format!("/asked/{}/proof", usage.record.id)),
        usage,
        checkpoint,
        frame,
    };
    page(&template)
}

/// The proof as a file, as the authority hands it out.
pub(super) async fn proof(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
    Path((_, record)): Path<(String, String)>,
) -> Result<Response, Fault> {
    let whole: Value = proven(&app, &visit, &record).await?;
    let text = serde_json::to_vec_pretty(&whole).map_err(|_| Fault::Internal)?;
    // The id is one that the authority found: letters and digits.
    Ok(download(text, "application/json", &format!("proof-{record}.json")))
}
