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
    choice::{Choice, choices, chosen},
    download::download,
    frame::{Frame, page},
    period::Period,
    subject::says::Named,
    visit::{Fault, Visit},
    wrongs::Wrongs,
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
    wrongs: Wrongs,
    case_number: String,
    lists: Vec<Choice>,
    purposes: Vec<Choice>,
    rows: Vec<Row>,
    /// The address of the page that follows.
    after: Option<String>,
}

impl ChecksPage {
    fn is_set(&self) -> bool {
        let chosen = chosen(&self.lists).or(chosen(&self.purposes));
        self.period.is_set() || !self.case_number.is_empty() || chosen.is_some()
    }
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
    let named = |id: &String, title: &String| Named { id: id.clone(), title: title.clone() };
    let lists = choices(all.clone().map(|list| named(&list.list, &list.title)), &visit, "list");
    let purposes = all.flat_map(|list| &list.purposes).map(|it| named(&it.purpose, &it.title));
    let purposes = choices(purposes, &visit, "purpose");
    let search = Search {
        officer: &visit.login()?.account,
        case_number: &case_number,
        list: chosen(&lists).unwrap_or_default(),
        purpose: chosen(&purposes).unwrap_or_default(),
        from: from.unwrap_or_default(),
        until: until.unwrap_or_default(),
        newest_first: true,
        cursor: visit.query.get("after").map(id).transpose()?.unwrap_or_default(),
        limit: PAGE,
    };
    let Page { receipts, next_cursor } = app.of.api.post("/v1/receipts/search", &search, &visit.id).await?;
    let mut frame = Frame::new(&app.desk, &visit, visit.language.say("checks-title"), "checks");
    let wrongs = period.wrongs(visit.language);
    frame.wrong = !wrongs.is_empty();
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
        wrongs,
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
