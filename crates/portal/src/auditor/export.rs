//! Records taken away. Whoever takes some out says so first: the export is a record of the log before the file is handed
//! over.

use std::ops::Range;

use axum::{Extension, extract::State, response::Response};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde_json::{Map, Value, json};
use tacit_client::{ClientError, Entry};
use tacit_ledger::logged::LoggedRecord;

use super::{App, copy::fields, log::Asked, noted};
use crate::{
    download::{download, safe},
    visit::{Fault, Visit},
};

/// Most records of an export; who wants more exports the log with the command line.
pub(super) const EXPORT_MAX: usize = 10_000;
/// Records between two that are wanted which are read along, rather than asking once more.
const GAP: u64 = 64;

pub(super) async fn export(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Fault> {
    let asked = Asked::of(&app, &visit, &visit.form);
    if !asked.wrongs.is_empty() {
        return Err(Fault::Form);
    }
    let (kind, form) = match visit.form.get("form") {
        Some("csv") => ("text/csv; charset=utf-8", "csv"),
        Some("jsonl") => ("application/jsonl", "jsonl"),
        _ => return Err(Fault::Form),
    };
    let mut indexes: Vec<u64> = {
        let copied = app.of.copy.now();
        copied.rows().indexes(&asked.filter, copied.size()).take(EXPORT_MAX + 1).collect()
    };
    indexes.reverse();
    let (Some(first), Some(last)) = (indexes.first(), indexes.last()) else { return Err(Fault::NotFound) };
    if indexes.len() > EXPORT_MAX {
        return Err(Fault::Form);
    }
    let records = proven(&app, &indexes).await?;
    let end = app.of.end()?;
    let step = end.auditor.record_export(indexes.len() as u64, *first, last + 1, form).await;
    let step = step.map_err(|error| {
        tracing::warn!(%error, "an export is not on record, so nothing is handed over");
        Fault::unavailable()
    })?;
    noted(&visit, "an export", Some(step.record.index));
    let file = if form == "csv" { csv(&records)? } else { jsonl(&records)? };
    Ok(download(file, kind, &format!("records-{}.{form}", step.record.id)))
}

/// Reads records at indexes that ascend, each proven under one head.
pub(super) async fn proven(app: &App, indexes: &[u64]) -> Result<Vec<LoggedRecord>, Fault> {
    let end = app.of.end()?;
    let mut records = Vec::with_capacity(indexes.len());
    for range in ranges(indexes) {
        let mut entries: Vec<Entry> = Vec::new();
        let keep = |entry: Entry| {
            if indexes.binary_search(&entry.index).is_ok() {
                entries.push(entry);
            }
            Ok::<_, ClientError>(())
        };
        end.log.entries(range.start, range.end - range.start, keep).await.map_err(|error| {
            tracing::warn!(%error, "records cannot be read");
            Fault::unavailable()
        })?;
        let copied = app.of.copy.now();
        for entry in entries {
            let logged = copied.prove(entry.index, &entry.bytes).ok_or_else(|| {
                let index = entry.index;
                tracing::error!(
                    index,
                    "ALARM: the coordinator shows another record than the one that was verified"
                );
                Fault::Internal
            })?;
            records.push(logged);
        }
    }
    Ok(records)
}

/// Ranges that hold all of these, which ascend.
fn ranges(indexes: &[u64]) -> Vec<Range<u64>> {
    let mut ranges: Vec<Range<u64>> = Vec::new();
    for index in indexes {
        match ranges.last_mut() {
            Some(last) if index - last.end <= GAP => last.end = index + 1,
            _ => ranges.push(*index..index + 1),
        }
    }
    ranges
}

fn csv(records: &[LoggedRecord]) -> Result<Vec<u8>, Fault> {
    let mut table = csv::Writer::from_writer(Vec::new());
    let mut write = |cells: [&str; 5]| table.write_record(cells).map_err(|_| Fault::Internal);
    write(["index", "kind", "id", "time", "fields"])?;
    for logged in records {
        let of = |name| fields(&logged.record).find(|(field, _)| *field == name).map_or("", |(_, it)| it);
        let rest = fields(&logged.record).skip(3).map(|(name, text)| format!("{name} {text}"));
        let rest = rest.collect::<Vec<_>>().join("\n");
        write([&logged.index.to_string(), of("kind"), of("id"), of("time"), &safe(&rest)])?;
    }
    table.into_inner().map_err(|_| Fault::Internal)
}

/// One object a line, each with the record's text and the whole of what proves it.
fn jsonl(records: &[LoggedRecord]) -> Result<Vec<u8>, Fault> {
    let mut lines = Vec::new();
    for logged in records {
        let own = fields(&logged.record).map(|(name, text)| (name.to_owned(), json!(text)));
        let mut line: Map<String, Value> = own.collect();
        let inclusion: Vec<String> = logged.inclusion.iter().map(|hash| BASE64.encode(hash)).collect();
        line.insert("index".to_owned(), json!(logged.index));
        line.insert("text".to_owned(), json!(String::from_utf8_lossy(&logged.record)));
        line.insert("inclusion".to_owned(), json!(inclusion));
        line.insert("checkpoint".to_owned(), json!(String::from_utf8_lossy(&logged.checkpoint)));
        serde_json::to_writer(&mut lines, &line).map_err(|_| Fault::Internal)?;
        lines.push(b'\n');
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_near_each_other_are_read_together_and_none_is_left_out() {
        assert_eq!(ranges(&[]), []);
        assert_eq!(ranges(&[3, 4, 10, 1000]), [3..11, 1000..1001]);
        assert_eq!(ranges(&[0, 65, 1000]), [0..66, 1000..1001]);
        assert_eq!(ranges(&[0, 66]), [0..1, 66..67]);
    }
}
