//! The answers of a batch as files to take away.

use std::sync::Arc;

use axum::{Extension, extract::State, response::Response};
use serde_json::{Value, json};

use super::{
    job::{Job, Phase},
    words::{InWords, in_words},
};
use crate::{
    download::{download, safe},
    frame::Frame,
    officer::App,
    visit::{Fault, Visit},
};

const HEADER: [&str; 18] = [
    "row",
    "code",
    "case_number",
    "list",
    "purpose",
    "answer",
    "in_words",
    "as_of",
    "category",
    "status",
    "listed_on",
    "expires_on",
    "contested",
    "reference",
    "reason",
    "record_id",
    "log_index",
    "notice",
];

/// A batch that has ended, with the frame that has its words.
fn ended(app: &App, visit: &Visit) -> Result<(Arc<Job>, Frame), Fault> {
    let job = app.of.batches.of(&visit.place()?).ok_or(Fault::NotFound)?;
    if matches!(job.inside().phase, Phase::Planned | Phase::Running) {
        return Err(Fault::NotFound);
    }
    Ok((job, Frame::new(&app.desk, visit, String::new(), "batch")))
}

/// What an answer is not.
fn notice(frame: &Frame) -> String {
    [frame.say("result-no-decision"), frame.say("result-other-lists")].join(frame.language.gap())
}

pub(in crate::officer) async fn csv(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Fault> {
    let (job, frame) = ended(&app, &visit)?;
    // Spreadsheets take a file for UTF-8 by its mark alone.
    let mut out = csv::Writer::from_writer("\u{feff}".as_bytes().to_vec());
    out.write_record(HEADER).map_err(|_| Fault::Internal)?;
    let notice = notice(&frame);
    for row in &job.inside().rows {
        let InWords { words, as_of, listing, reason, record } = in_words(row, &job.titles.list, &frame);
        let (record_id, log_index) = record.map(|(id, index)| (id, index.to_string())).unwrap_or_default();
        let stated = |of: fn(&crate::officer::says::Listing) -> Option<String>| {
            listing.as_ref().and_then(of).unwrap_or_default()
        };
        let fields: [&str; HEADER.len()] = [
            &row.number.to_string(),
            &row.code,
            row.case_number.as_deref().unwrap_or(&job.question.case_number),
            &job.question.lists.concat(),
            &job.question.purpose,
            row.kind.as_str(),
            &words,
            &as_of,
            &stated(|listing| listing.category_title.clone()),
            &stated(|listing| listing.status_text.clone()),
            &stated(|listing| listing.listed_on.clone()),
            &stated(|listing| listing.expires_on.clone()),
            &stated(|listing| Some(listing.contested.to_string())),
            &stated(|listing| Some(listing.reference.clone())),
            &reason,
            &record_id,
            &log_index,
            &notice,
        ];
        out.write_record(fields.map(safe)).map_err(|_| Fault::Internal)?;
    }
    let text = out.into_inner().map_err(|_| Fault::Internal)?;
    Ok(download(text, "text/csv; charset=utf-8", "batch.csv"))
}

pub(in crate::officer) async fn json(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Fault> {
    let (job, frame) = ended(&app, &visit)?;
    let rows: Vec<Value> = {
        let inside = job.inside();
        let rows = inside.rows.iter().map(|row| {
            let InWords { words, as_of, listing, reason, record } = in_words(row, &job.titles.list, &frame);
            let listing = listing.map(|listing| {
                json!({
                    "category": listing.category_title, "status": listing.status_text,
                    "listed_on": listing.listed_on, "expires_on": listing.expires_on,
                    "contested": listing.contested, "reference": listing.reference,
                })
            });
            json!({
                "row": row.number, "code": *row.code,
                "case_number": *row.case_number.as_deref().unwrap_or(&job.question.case_number),
                "answer": row.kind.as_str(), "in_words": words,
                "as_of": (!as_of.is_empty()).then_some(as_of),
                "listing": listing,
                "reason": (!reason.is_empty()).then_some(reason),
                "record": record.map(|(id, index)| json!({ "id": id, "index": index })),
            })
        });
        rows.collect()
    };
    let whole = json!({
        "list": job.question.lists[0], "list_title": job.titles.list,
        "purpose": job.question.purpose, "purpose_title": job.titles.purpose,
        "notice": notice(&frame), "rows": rows,
    });
    let text = serde_json::to_vec_pretty(&whole).map_err(|_| Fault::Internal)?;
    Ok(download(text, "application/json", "batch.json"))
}
