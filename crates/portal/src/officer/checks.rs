//! My checks: the questions of the person who is logged in, found by what was asked and when, never by whom.

use askama::Template;
use axum::{
    Extension,
    extract::{Path, State},
    response::Response,
};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde::{Deserialize, Serialize};

use super::{
    App, PAGE, id,
    says::{Lists, RecordAt},
};
use crate::{
    download::download,
    frame::{Frame, page},
    period::Period,
    visit::{Fault, Visit},
};

#[derive(Serialize)]
struct Search<'q> {
    officer: &'q str,
    case_number: &'q str,
    list: &'q str,
    purpose: &'q str,
    from: String,
    until: String,
    newest_first: bool,
    cursor: String,
    limit: usize,
}

#[derive(Deserialize)]
struct Page {
    receipts: Vec<Summary>,
    #[serde(default)]
    next_cursor: Option<String>,
}

/// What is told of a receipt.
#[derive(Deserialize)]
struct Summary {
    record: RecordAt,
    recorded: String,
    lists: Vec<String>,
    purpose: String,
    case_number: String,
    officer: String,
}

/// What one can choose among.
struct Choice {
    id: String,
    title: String,
    chosen: bool,
}

struct Row {
    summary: Summary,
    lists: String,
    purpose: String,
    when: String,
    receipt: String,
}

#[derive(Template)]
#[template(path = "officer/checks.html")]
struct ChecksPage {
    frame: Frame,
    period: Period,
    case_number: String,
    lists: Vec<Choice>,
    purposes: Vec<Choice>,
    rows: Vec<Row>,
    /// The address of the page that follows.
    after: Option<String>,
}

impl ChecksPage {
    fn is_set(&self) -> bool {
        let narrowed = self.lists.iter().chain(&self.purposes).any(|choice| choice.chosen);
        self.period.is_set() || !self.case_number.is_empty() || narrowed
    }
}

/// Things with their titles, and which of them the address names; what is none of them narrows nothing.
fn choices<'k>(
    known: impl Iterator<Item = (&'k str, &'k str)>,
    visit: &Visit,
    filter: &str,
) -> (Vec<Choice>, String) {
    let named = visit.query.get(filter);
    let mut choices: Vec<Choice> = Vec::new();
    for (id, title) in known {
        if choices.iter().all(|choice| choice.id != id) {
            choices.push(Choice { id: id.to_owned(), title: title.to_owned(), chosen: named == Some(id) });
        }
    }
    let chosen = choices.iter().find(|choice| choice.chosen).map(|choice| choice.id.clone());
    (choices, chosen.unwrap_or_default())
}

pub(super) async fn checks(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Fault> {
    let period = Period::of(&visit.query);
    let (from, until) = period.bounds(&app.desk.zone);
    let case_number = visit.query.get("case").unwrap_or_default().to_owned();
    let known: Lists = app.of.api.get("/v1/lists", &visit.id).await?;
    let all = known.lists.iter();
    let (lists, list) = choices(all.clone().map(|list| (&*list.list, &*list.title)), &visit, "list");
    let purposes = all.flat_map(|list| &list.purposes).map(|it| (&*it.purpose, &*it.title));
    let (purposes, purpose) = choices(purposes, &visit, "purpose");
    let search = Search {
        officer: &visit.login()?.account,
        case_number: &case_number,
        list: &list,
        purpose: &purpose,
        from: from.unwrap_or_default(),
        until: until.unwrap_or_default(),
        newest_first: true,
        cursor: visit.query.get("after").map(id).transpose()?.unwrap_or_default(),
        limit: PAGE,
    };
    let Page { receipts, next_cursor } = app.of.api.post("/v1/receipts/search", &search, &visit.id).await?;
    let frame = Frame::new(&app.desk, &visit, visit.language.say("checks-title"), "checks");
    let rows = receipts.into_iter().map(|summary| Row {
        lists: known.titles(&summary.lists, visit.language),
        purpose: known.purposes(std::slice::from_ref(&summary.purpose), visit.language),
        when: frame.minute(&summary.recorded),
        receipt: visit.path(&format!("/checks/{}/receipt", summary.record.id)),
        summary,
    });
    page(&ChecksPage {
        rows: rows.collect(),
        after: next_cursor
            .map(|next| format!("{}?{}", visit.path("/checks"), visit.query.with(&[("after", &next)]))),
        frame,
        period,
        lists,
        purposes,
        case_number,
    })
}

#[derive(Deserialize)]
struct Receipt {
    summary: Summary,
    file: String,
}

/// The receipt as a file. It shows whom the question was about: only who asked takes it out.
pub(super) async fn receipt(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
    Path((_, record)): Path<(String, String)>,
) -> Result<Response, Fault> {
    let record = id(&record)?;
    let receipt: Receipt = app.of.api.get(&format!("/v1/receipts/{record}"), &visit.id).await?;
    if receipt.summary.officer != visit.login()?.account {
        return Err(Fault::NotFound);
    }
    let file = BASE64.decode(receipt.file).map_err(|_| Fault::Internal)?;
    Ok(download(file, "application/octet-stream", &format!("receipt-{record}.bin")))
}
