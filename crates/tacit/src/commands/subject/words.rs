//! A subject's records in words, JSON and CSV.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use tacit_client::{ChainEntry, Details, SubjectLog};
use tacit_ledger::record::Record;
use tacit_model::{MemberId, Millis};

use super::Of;
use crate::{cli::Context, exit::Failure, output::columns};

/// "1 record", "7 records".
pub(super) fn records(count: u64) -> String {
    if count == 1 { "1 record".to_owned() } else { format!("{count} records") }
}

/// The log of one pseudonym, with what was proven.
pub(super) fn text(name: &str, log: &SubjectLog) -> String {
    let statement = &log.statement;
    let count = match statement.records {
        0 => "no records".to_owned(),
        all => format!("{}, none missing", records(all)),
    };
    let mut text = format!(
        "{name}: {count}, as of tree size {}; statement signed by {} at {}",
        statement.size,
        statement.coordinator,
        Millis(statement.time_ms).to_rfc3339()
    );
    if log.erased > 0 {
        text.push_str(&format!("\n  what opens the first {} was erased", log.erased));
    }
    let mut rows =
        vec![["NO.", "INDEX", "TIME", "KIND", "WHAT", "ON WHAT GROUNDS"].map(str::to_owned).to_vec()];
    for entry in &log.entries {
        rows.push(vec![
            entry.sequence.to_string(),
            entry.index.to_string(),
            Millis(entry.record.time_ms()).to_rfc3339(),
            entry.record.kind().to_owned(),
            what(&entry.record),
            grounds(&entry.details),
        ]);
    }
    if rows.len() > 1 {
        text.push('\n');
        text.push_str(&columns(&rows));
    }
    text
}

/// What a record says.
fn what(record: &Record) -> String {
    match record {
        Record::Access(it) => format!("{} may ask {} for {}", it.requester, lists(record), it.purpose),
        Record::Refused(it) => {
            format!("{} was refused {} for {}: {}", it.requester, lists(record), it.purpose, it.reason)
        }
        Record::Consent(it) => format!("consent for {} is {}", it.requester, it.state),
        Record::Erasure(it) => {
            format!("{} were erased by {}: {}", records(it.openings), it.authority, it.ground)
        }
        // None of these is in a subject's chain.
        Record::Manifest(_) | Record::Registry(_) | Record::Enrollment(_) => record.kind().to_owned(),
    }
}

fn lists(record: &Record) -> String {
    match record {
        Record::Access(it) => it.lists.iter().map(|at| at.list.as_str()).collect::<Vec<_>>().join(" "),
        Record::Refused(it) => it.lists.join(" "),
        _ => String::new(),
    }
}

/// On what a decision rested, in the coordinator's words.
fn grounds(details: &Details) -> String {
    match details {
        Details::Check { exact, basis, .. } if exact.is_empty() => basis.to_string(),
        Details::Check { exact, basis, .. } => format!("{basis}: {exact}"),
        Details::Consent { consent, number } => format!("{} change {number}", consent.id),
        Details::Request { request, number } => format!("{} change {number}", request.id),
        Details::Erasure => String::new(),
    }
}

/// One record.
pub(super) fn entry(requester: Option<&MemberId>, entry: &ChainEntry) -> Value {
    let mut value = json!({
        "requester": requester,
        "sequence": entry.sequence,
        "index": entry.index,
        "kind": entry.record.kind(),
        "id": entry.record.id(),
        "time": Millis(entry.record.time_ms()).to_rfc3339(),
        "what": what(&entry.record),
    });
    let details = match (&entry.details, &entry.record) {
        (Details::Check { exact, rules, agreement, basis }, Record::Access(it)) => json!({
            "holder": it.holder, "lists": lists(&entry.record), "purpose": it.purpose, "exact": exact, "rules": rules,
            "agreement": agreement, "basis": basis.to_string(),
        }),
        (Details::Check { exact, rules, agreement, basis }, Record::Refused(it)) => json!({
            "holder": it.holder, "lists": lists(&entry.record), "purpose": it.purpose, "reason": it.reason,
            "exact": exact, "rules": rules, "agreement": agreement, "basis": basis.to_string(),
        }),
        (Details::Consent { consent, number }, Record::Consent(it)) => {
            json!({ "consent": consent.id.to_string(), "state": it.state, "number": number })
        }
        (Details::Request { request, number }, Record::Consent(it)) => {
            json!({ "consent": request.id.to_string(), "state": it.state, "number": number })
        }
        (Details::Erasure, Record::Erasure(it)) => {
            json!({ "authority": it.authority, "ground": it.ground, "openings": it.openings })
        }
        _ => json!({}),
    };
    if let (Some(all), Value::Object(details)) = (value.as_object_mut(), details) {
        all.extend(details);
    }
    value
}

/// The signed statement, whole: it is worth keeping.
pub(super) fn statement(requester: Option<&MemberId>, log: &SubjectLog) -> Value {
    let statement = &log.statement;
    json!({
        "requester": requester,
        "pseudonym": hex::encode(statement.pseudonym),
        "records": statement.records,
        "erased": log.erased,
        "missing": 0,
        "size": statement.size,
        "root": hex::encode(statement.root),
        "time": Millis(statement.time_ms).to_rfc3339(),
        "statement": String::from_utf8_lossy(&log.signed.text),
        "signature": BASE64.encode(log.signed.signature),
        "checkpoint": String::from_utf8_lossy(&log.checkpoint),
    })
}

/// All records as CSV.
pub(super) fn csv(context: &Context, logs: &[(Of, SubjectLog)]) -> Result<(), Failure> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let header = ["requester", "sequence", "index", "time", "kind", "id", "what", "grounds"];
    writer.write_record(header).map_err(Failure::internal)?;
    for (of, log) in logs {
        for entry in &log.entries {
            let row = [
                of.requester.as_deref().unwrap_or_default().to_owned(),
                entry.sequence.to_string(),
                entry.index.to_string(),
                Millis(entry.record.time_ms()).to_rfc3339(),
                entry.record.kind().to_owned(),
                entry.record.id().to_owned(),
                what(&entry.record),
                grounds(&entry.details),
            ];
            writer.write_record(&row).map_err(Failure::internal)?;
        }
    }
    let text = writer.into_inner().map_err(Failure::internal)?;
    context.output.line(String::from_utf8_lossy(&text).trim_end())?;
    Ok(())
}
