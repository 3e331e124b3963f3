//! A recovery version in words, and in JSON.

use serde_json::{Value, json};
use tacit_model::MemberId;
use tacit_policy::registry::recovery::Underway;

fn joined<'a>(names: impl IntoIterator<Item = &'a MemberId>) -> String {
    names.into_iter().map(MemberId::as_str).collect::<Vec<_>>().join(", ")
}

/// Whose cosignatures it needs to count.
pub(super) fn needed(underway: &Underway) -> String {
    format!(
        "the custodian and {} of the holders that remain ({})",
        underway.holders_needed(),
        joined(underway.holders())
    )
}

/// What it removes, and who signed.
pub(super) fn signed(underway: &Underway) -> String {
    let recovery = underway.recovery();
    let by = match joined(underway.countersigned_by()) {
        nobody if nobody.is_empty() => "nobody".to_owned(),
        by => by,
    };
    let mut text = format!(
        "It is a recovery version: it removes {} from version {}, countersigned by {by}",
        joined(&recovery.removed),
        hex::encode(recovery.after)
    );
    if !underway.missing().is_empty() {
        text.push_str(&format!("; still to be countersigned by {}", joined(underway.missing())));
    }
    text
}

/// The same for programs.
pub(super) fn recovery(underway: &Underway) -> Value {
    let recovery = underway.recovery();
    json!({
        "removed": recovery.removed, "after": hex::encode(recovery.after),
        "countersigned_by": underway.countersigned_by().collect::<Vec<_>>(),
        "missing": underway.missing(),
        "holders": underway.holders().collect::<Vec<_>>(), "holders_needed": underway.holders_needed(),
    })
}
