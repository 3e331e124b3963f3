//! Cases, letters and a person's objections, in JSON, words and columns.

use serde_json::{Value, json};
use tacit_model::ListId;
use tacit_node::redress::{CaseView, LetterView, Noticed};

use crate::{
    commands::subject::words::{freshness, leaves, text},
    output::columns,
};

/// A case as one JSON object.
pub(super) fn case_json(view: &CaseView, whole: bool) -> Value {
    let case = &view.case;
    let mut value = json!({
        "id": case.id.to_string(), "list": case.list, "state": case.word(), "received_on": case.received_on.to_string(),
        "decide_by": case.decide_by().to_string(),
        "due": view.due.map(|due| json!({ "what": due.duty.as_str(), "by": due.by.to_string() })),
        "overdue": view.is_overdue(),
        "outcome": case.ruling().map(|ruling| ruling.outcome.as_str()),
        "days_to_correction": view.days_to_correction, "late": view.is_late(),
    });
    if whole {
        value["subject"] = json!(case.subject);
        value["letters"] = view.letters.iter().map(letter_json).collect();
    }
    value
}

/// A letter as one JSON object.
pub(super) fn letter_json(view: &LetterView) -> Value {
    json!({
        "way": view.way, "state": view.state, "at": view.at.to_rfc3339(), "from": view.from, "record": view.record,
        "kind": view.letter.as_ref().map(|letter| letter.body.kind()), "letter": view.letter, "problem": view.problem,
    })
}

fn standing(view: &CaseView) -> String {
    match view.due {
        Some(due) if view.is_overdue() => format!("OVERDUE since {}: {}", due.by, due.duty.as_str()),
        Some(due) => format!("{} by {}", due.duty.as_str(), due.by),
        None if view.is_late() => {
            format!("corrected after {} days: late", view.days_to_correction.unwrap_or_default())
        }
        None => "nothing".to_owned(),
    }
}

/// A table of cases; whom they are about stands in no table.
pub(super) fn cases(views: &[CaseView]) -> String {
    if views.is_empty() {
        return "There are none.".to_owned();
    }
    let head = ["ID", "LIST", "RECEIVED", "STATE", "OUTCOME", "TO BE DONE"].map(str::to_owned).to_vec();
    let row = |view: &CaseView| {
        let outcome = view.case.ruling().map_or("", |ruling| ruling.outcome.as_str());
        vec![
            view.case.id.to_string(),
            view.case.list.to_string(),
            view.case.received_on.to_string(),
            view.case.word().to_owned(),
            outcome.to_owned(),
            standing(view),
        ]
    };
    columns(&std::iter::once(head).chain(views.iter().map(row)).collect::<Vec<_>>())
}

/// One case with its letters.
pub(super) fn case(view: &CaseView) -> String {
    let case = &view.case;
    let mut rows = vec![
        vec!["id".to_owned(), case.id.to_string()],
        vec!["list".to_owned(), case.list.to_string()],
        vec!["subject".to_owned(), format!("{} {}", case.subject.scheme, case.subject.code)],
        vec!["received".to_owned(), case.received_on.to_string()],
        vec!["state".to_owned(), case.word().to_owned()],
        vec!["to be done".to_owned(), standing(view)],
    ];
    if let (Some(ruling), Some(days)) = (case.ruling(), view.days_to_correction) {
        let said = match ruling.carried_out_on {
            Some(_) => {
                format!("{} on {}, done after {days} days", ruling.outcome.as_str(), ruling.decided_on)
            }
            None => {
                format!("{} on {}, not done after {days} days", ruling.outcome.as_str(), ruling.decided_on)
            }
        };
        rows.push(vec!["decision".to_owned(), said]);
    }
    format!("{}\n\n{}", columns(&rows), letters(&view.letters))
}

/// Letters, each with what it says.
pub(super) fn letters(views: &[LetterView]) -> String {
    let said: Vec<String> = views.iter().map(letter).collect();
    if said.is_empty() { "There are no letters.".to_owned() } else { said.join("\n") }
}

fn letter(view: &LetterView) -> String {
    let kind = view.letter.as_ref().map_or("unreadable", |letter| letter.body.kind());
    let from = view.from.as_ref().map_or("written here".to_owned(), |from| format!("from {from}"));
    let record = view.record.as_deref().unwrap_or("not in the log yet");
    let mut said = format!("{}  {kind}, {from}, {}, record {record}", view.at.to_rfc3339(), view.state);
    if let Some(problem) = &view.problem {
        said.push_str(&format!("\n    COUNTS FOR NOTHING: {problem}"));
    }
    if let Some(letter) = &view.letter {
        said.push_str(&body(&json!(letter.body)));
    }
    said
}

/// The fields of a letter's body, line by line; what is enclosed stands in the JSON output.
fn body(body: &Value) -> String {
    let Some(fields) = body.as_object() else { return String::new() };
    let mut said = String::new();
    for (name, value) in fields.iter().filter(|(name, value)| *name != "kind" && !value.is_object()) {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        said.push_str(&format!("\n    {}: {}", name.replace('_', " "), value.replace('\n', "\n      ")));
    }
    said
}

/// What became of sending notices.
pub(super) fn noticed(list: &ListId, noticed: &Noticed, waiting: usize) -> String {
    let logged = noticed.written.len() - waiting;
    let mut said = format!("{logged} notices about {list} are in the log; their records are notified today.");
    for (count, what) in [
        (waiting as u64, "wait for the node (tacit node serve sends them)"),
        (noticed.on_the_way, "were on their way before"),
        (noticed.under_age, "were not sent: the person is under 18, and is not listed"),
        (noticed.not_in_catalogue, "were not sent: the category is not in the catalogue for the list"),
    ] {
        if count > 0 {
            said.push_str(&format!("\n{count} {what}"));
        }
    }
    said
}

/// What the authority took down.
pub(super) fn filed(answer: &Value, what: &str) -> String {
    format!(
        "The {what} is taken down as {} and goes to {} {}.",
        text(&answer["objection"]),
        text(&answer["goes_to"]),
        leaves(answer)
    )
}

/// Said with each letter about a measure.
const CONTEST: &str = "\n    An answer is not a decision: contest the measure with the agency, and the listing where objections go.";

/// A person's objections and letters.
pub(super) fn matters(answer: &Value) -> String {
    let objections = answer["objections"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut rows =
        vec![["ID", "LIST", "FILED", "STATE", "OUTCOME", "OWED TO THE PERSON"].map(str::to_owned).to_vec()];
    rows.extend(objections.iter().map(|it| {
        let owed = match (it["owed"].as_str().unwrap_or_default(), it["overdue"].as_bool()) {
            ("", _) => {
                it["appeal_until"].as_str().map(|day| format!("appeal until {day}")).unwrap_or_default()
            }
            (what, Some(true)) => format!("{what} OVERDUE since {}", text(&it["owed_by"])),
            (what, _) => format!("{what} by {}", text(&it["owed_by"])),
        };
        let field = |name: &str| text(&it[name]);
        vec![field("id"), field("list"), field("filed"), field("state"), field("outcome"), owed]
    }));
    let mut said = if objections.is_empty() { "There are no objections.".to_owned() } else { columns(&rows) };
    for post in answer["letters"].as_array().map(Vec::as_slice).unwrap_or_default() {
        let kind = post["kind"].as_str().filter(|kind| !kind.is_empty()).unwrap_or("unreadable");
        let when = post["logtime"].as_str().unwrap_or("waits");
        let whom = match text(&post["to"]) {
            to if to.is_empty() => format!("from {}", text(&post["from"])),
            to => format!("to {to}"),
        };
        let id = text(&post["letter"]["id"]);
        said.push_str(&format!("\n\n{when}  {kind} {id}, {whom}, record {}", text(&post["record_id"])));
        if let Some(problem) = post["problem"].as_str().filter(|it| !it.is_empty()) {
            said.push_str(&format!("\n    COUNTS FOR NOTHING: {problem}"));
        }
        said.push_str(&body(&post["letter"]["body"]));
        if kind == "adverse-action" {
            said.push_str(CONTEST);
        }
    }
    format!("{said}\n\n{}", freshness(answer))
}
