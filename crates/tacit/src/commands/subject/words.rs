//! What an authority tells of a person, in words, columns and CSV.

use serde_json::Value;

use crate::{exit::Failure, output::columns};

/// A text of an answer; empty when it is none.
pub(in crate::commands) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn texts(value: &Value, field: &str) -> Vec<String> {
    let of = |one: &Value| if field.is_empty() { text(one) } else { text(&one[field]) };
    value.as_array().map(|all| all.iter().map(of).collect()).unwrap_or_default()
}

/// As of when, what is lacking, and when more comes.
pub(in crate::commands) fn freshness(answer: &Value) -> String {
    let mut said = match answer["as_of"].as_str() {
        Some(as_of) => format!("Everything recorded up to {as_of} is here."),
        None => "Nothing was read about this person yet.".to_owned(),
    };
    let waiting = texts(&answer["not_read_yet"], "");
    if answer["as_of"].is_string() && !waiting.is_empty() {
        said.push_str(&format!("\nNot read yet: records of {}.", waiting.join(", ")));
    }
    for finding in texts(&answer["findings"], "") {
        said.push_str(&format!("\nWRONG: {finding}"));
    }
    if let Some(next) = answer["next_reading"].as_str() {
        said.push_str(&format!(
            "\nThe next reading is at about {next}, for all persons together; there is none on demand."
        ));
    }
    said
}

/// The table of a person's log.
pub(super) fn log(usages: &[Value], answer: &Value) -> String {
    let mut said = String::new();
    if usages.is_empty() {
        said.push_str("Nothing is on record in this period.\n");
    } else {
        let head = ["TIME", "WHO", "OUTCOME", "LIST", "PURPOSE", "LEGAL BASIS", "RECORD", "PROOF"];
        let mut rows = vec![head.map(str::to_owned).to_vec()];
        rows.extend(usages.iter().map(row));
        said.push_str(&columns(&rows));
        said.push('\n');
        let mut notes: Vec<String> = usages.iter().map(|usage| text(&usage["note"])).collect();
        notes.retain(|note| !note.is_empty());
        notes.sort();
        notes.dedup();
        for note in notes {
            said.push_str(&format!("\n* {note}"));
        }
        said.push_str(&format!("\n* {}\n", text(&answer["notice"])));
    }
    said.push('\n');
    said.push_str(&freshness(answer));
    said
}

fn row(usage: &Value) -> Vec<String> {
    vec![
        text(&usage["logtime"]),
        text(&usage["receiver"]),
        outcome(usage),
        texts(&usage["lists"], "id").join(" "),
        text(&usage["purpose"]["id"]),
        ground(usage),
        text(&usage["record"]["id"]),
        text(&usage["proof"]),
    ]
}

/// What came of it, of a refusal with the exact reason and the rules.
fn outcome(usage: &Value) -> String {
    let outcome = text(&usage["outcome"]).replace('_', " ");
    if let Some(state) = usage["measure"]["state"].as_str() {
        let measure = &usage["measure"];
        let (words, decider) = (text(&measure["words"]), text(&measure["decider"]));
        return format!("{outcome}: {words} (decided by {decider}; {state})");
    }
    let exact = text(&usage["exact_reason"]);
    if exact.is_empty() {
        return outcome;
    }
    let rules = texts(&usage["rules"], "").join(" ");
    format!("{outcome}: {} ({exact}; rules {rules})", text(&usage["reason"]))
}

/// The law and the agreement, or what was named as the ground, or the consent.
fn ground(usage: &Value) -> String {
    if let Some(citation) = usage["legal_basis"]["citation"].as_str() {
        return format!("{citation} ({})", text(&usage["basis"]));
    }
    match usage["consent"]["id"].as_str() {
        Some(consent) => format!("consent {consent}, change {}", usage["consent"]["number"]),
        None => text(&usage["basis"]),
    }
}

/// All entries as CSV.
pub(super) fn csv(usages: &[Value]) -> Result<String, Failure> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let header = [
        "logtime",
        "action",
        "receiver",
        "receiver_name",
        "infosystem",
        "lists",
        "purpose",
        "outcome",
        "reason",
        "exact_reason",
        "rules",
        "basis",
        "legal_basis",
        "restrictions",
        "consent",
        "measure",
        "measure_state",
        "decided_by",
        "record_id",
        "log_index",
        "proof",
    ];
    writer.write_record(header).map_err(Failure::internal)?;
    for usage in usages {
        let row = [
            text(&usage["logtime"]),
            text(&usage["action"]),
            text(&usage["receiver"]),
            text(&usage["receiver_name"]),
            text(&usage["infosystem"]),
            texts(&usage["lists"], "id").join(" "),
            text(&usage["purpose"]["id"]),
            text(&usage["outcome"]),
            text(&usage["reason"]),
            text(&usage["exact_reason"]),
            texts(&usage["rules"], "").join(" "),
            text(&usage["basis"]),
            text(&usage["legal_basis"]["citation"]),
            text(&usage["restrictions"]),
            text(&usage["consent"]["id"]),
            text(&usage["measure"]["words"]),
            text(&usage["measure"]["state"]),
            text(&usage["measure"]["decider"]),
            text(&usage["record"]["id"]),
            usage["record"]["index"].to_string(),
            text(&usage["proof"]),
        ];
        writer.write_record(&row).map_err(Failure::internal)?;
    }
    let bytes = writer.into_inner().map_err(Failure::internal)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// What a list says about the person.
pub(super) fn checked(answer: &Value) -> String {
    let mut said = text(&answer["message"]);
    if let Some(record) = answer["record_id"].as_str() {
        said.push_str(&format!(
            "\nOn record as {record}; the receipt: tacit subject receipt {record} --out FILE\nThe check shows in the \
             person's own log after the next reading. One list was asked; nothing is said about others."
        ));
    }
    if answer["answer"] == "listed" {
        said.push_str(&format!("\nIf it is wrong: {}", text(&answer["objections"])));
    }
    said.push_str(&format!("\n{}", text(&answer["notice"])));
    said
}

/// When a letter that was taken down leaves.
pub(in crate::commands) fn leaves(answer: &Value) -> String {
    answer["next_reading"].as_str().map_or("with the next reading".to_owned(), |next| {
        format!("at about {next}, with the letters of all persons together")
    })
}

/// What was taken down about a favorable list.
pub(super) fn joined(answer: &Value, given: bool) -> String {
    let (list, to, when) = (text(&answer["list"]), text(&answer["goes_to"]), leaves(answer));
    if given {
        format!(
            "The consent to stand on {list} goes to {to} {when}. It counts from the day on which it is in the log, once \
             {to} keeps a record there, and can be withdrawn at any time."
        )
    } else {
        format!("The withdrawal from {list} goes to {to} {when}. Not standing there counts against nobody.")
    }
}
