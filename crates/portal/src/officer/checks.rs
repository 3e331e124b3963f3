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

/// Receipts of one call to the node.
const CALL: usize = 500;
/// Most calls for one page: of a colleague's checks as many are passed over.
const CALLS: usize = 10;

#[derive(Serialize)]
struct Search<'q> {
    case_number: &'q str,
    from: String,
    until: String,
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
    case_number: String,
    rows: Vec<Row>,
    /// The address of the page that follows.
    after: Option<String>,
}

impl ChecksPage {
    fn is_set(&self) -> bool {
        self.period.is_set() || !self.case_number.is_empty()
    }
}

pub(super) async fn checks(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Fault> {
    let officer = &visit.login()?.account;
    let period = Period::of(&visit.query);
    let (from, until) = period.bounds(&app.desk.zone);
    let case_number = visit.query.get("case").unwrap_or_default().to_owned();
    let mut search = Search {
        case_number: &case_number,
        from: from.unwrap_or_default(),
        until: until.unwrap_or_default(),
        cursor: visit.query.get("after").map(id).transpose()?.unwrap_or_default(),
        limit: CALL,
    };
    let (mut found, mut more) = (Vec::new(), true);
    for _ in 0..CALLS {
        let Page { receipts, next_cursor } =
            app.of.api.post("/v1/receipts/search", &search, &visit.id).await?;
        more = next_cursor.is_some();
        for summary in receipts {
            if found.len() == PAGE {
                more = true;
                break;
            }
            search.cursor = summary.record.id.clone();
            if summary.officer == *officer {
                found.push(summary);
            }
        }
        if !more || found.len() == PAGE {
            break;
        }
    }
    let frame = Frame::new(&app.desk, &visit, visit.language.say("checks-title"), "checks");
    let known: Lists = app.of.api.get("/v1/lists", &visit.id).await?;
    let rows = found.into_iter().map(|summary| Row {
        lists: known.titles(&summary.lists, visit.language),
        purpose: known.purposes(std::slice::from_ref(&summary.purpose), visit.language),
        when: frame.minute(&summary.recorded),
        receipt: visit.path(&format!("/checks/{}/receipt", summary.record.id)),
        summary,
    });
    page(&ChecksPage {
        rows: rows.collect(),
        after: more
            .then(|| format!("{}?{}", visit.path("/checks"), visit.query.with(&[("after", &search.cursor)]))),
        frame,
        period,
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
