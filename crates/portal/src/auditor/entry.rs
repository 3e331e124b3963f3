//! One entry of the log: every line of it, its proof, and who stands behind the tree.

use askama::Template;
use axum::{
    Extension,
    extract::{Path, State},
    response::Response,
};
use tacit_client::ClientError;
use tacit_ledger::{logged::LoggedRecord, proof::TlogProof};

use super::{
    App,
    copy::fields,
    log::{is_check, kind_words},
    standing::Standing,
};
use crate::{
    download::download,
    frame::{Frame, page},
    visit::{Fault, Visit},
};

/// A line of the record.
struct Field {
    /// In words, where there are some.
    words: Option<String>,
    name: String,
    value: String,
    /// What the value means, where it is a word of the protocol.
    meaning: Option<String>,
}

#[derive(Template)]
#[template(path = "auditor/entry.html")]
struct EntryPage {
    frame: Frame,
    standing: Standing,
    index: u64,
    when: String,
    event: String,
    fields: Vec<Field>,
    /// Whether it is about somebody, whose details are beside the log.
    is_check: bool,
    follow_href: String,
    opening_href: String,
    case_href: String,
    /// The hashes from the leaf to the root.
    path_length: usize,
    checkpoint: String,
    id: String,
    proof_href: String,
    record_href: String,
    key: String,
}

/// The record of this index, proven under the head.
async fn proven(app: &App, index: &str) -> Result<LoggedRecord, Fault> {
    let index: u64 = index.parse().map_err(|_| Fault::NotFound)?;
    if index >= app.of.copy.now().size() {
        return Err(Fault::NotFound);
    }
    let end = app.of.end()?;
    let mut bytes = None;
    let keep = |entry: tacit_client::Entry| {
        bytes = Some(entry.bytes);
        Ok::<_, ClientError>(())
    };
    end.log.entries(index, 1, keep).await.map_err(|error| {
        tracing::warn!(%error, index, "a record cannot be read");
        Fault::unavailable()
    })?;
    let bytes = bytes.ok_or_else(Fault::unavailable)?;
    let proven = app.of.copy.now().prove(index, &bytes);
    proven.ok_or_else(|| {
        tracing::error!(index, "ALARM: the coordinator shows another record than the one that was verified");
        Fault::Internal
    })
}

pub(super) async fn entry(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
    Path((_, index)): Path<(String, String)>,
) -> Result<Response, Fault> {
    let logged = proven(&app, &index).await?;
    let language = visit.language;
    let title = language.with("record-title", &[("index", logged.index.to_string().into())]);
    let frame = Frame::new(&app.desk, &visit, title, "log");
    let of = |name: &str| fields(&logged.record).find(|(field, _)| *field == name).map_or("", |(_, it)| it);
    let kind = of("kind");
    let told = |(name, value): (&str, &str)| Field {
        words: language.find(&format!("field-{name}")),
        name: name.to_owned(),
        value: value.to_owned(),
        meaning: (name == "reason").then(|| language.reason(value)).flatten(),
    };
    let template = EntryPage {
        standing: Standing::of(&app.of.copy.now(), &frame),
        index: logged.index,
        when: frame.exact(of("time")),
        event: kind_words(language, kind),
        fields: fields(&logged.record)
            .filter(|(name, _)| !["kind", "id", "time"].contains(name))
            .map(told)
            .collect(),
        is_check: is_check(kind),
        follow_href: visit.path(&format!("/log/{}/follow", logged.index)),
        opening_href: visit.path(&format!("/log/{}/opening", logged.index)),
        case_href: visit.path(&format!("/log/{}/case", logged.index)),
        path_length: logged.inclusion.len(),
        checkpoint: String::from_utf8_lossy(&logged.checkpoint).into_owned(),
        id: of("id").to_owned(),
        proof_href: visit.path(&format!("/log/{}/proof", logged.index)),
        record_href: visit.path(&format!("/log/{}/record", logged.index)),
        key: app.of.copy.key().map(|key| key.to_string()).unwrap_or_default(),
        frame,
    };
    page(&template)
}

/// The record's exact bytes.
pub(super) async fn record(
    State(app): State<App>,
    Path((_, index)): Path<(String, String)>,
) -> Result<Response, Fault> {
    let logged = proven(&app, &index).await?;
    let name = format!("record-{}.txt", logged.index);
    Ok(download(logged.record, "text/plain; charset=utf-8", &name))
}

/// Its proof (C2SP tlog-proof), with the cosignatures on the checkpoint.
pub(super) async fn proof(
    State(app): State<App>,
    Path((_, index)): Path<(String, String)>,
) -> Result<Response, Fault> {
    let logged = proven(&app, &index).await?;
    let name = format!("record-{}.tlog-proof", logged.index);
    Ok(download(TlogProof::from(&logged).to_bytes(), "text/plain; charset=utf-8", &name))
}
