//! `tacit list show LIST --code CODE`: one record with its history.

use serde_json::{Value, json};
use tacit_model::{ListId, Reason};
use tacit_node::records::{Facts, RecordView, Records, Standing, format_day};

use crate::{
    cli::Context,
    exit::{Exit, Failure},
    output::columns,
};

pub(super) async fn show(
    context: &Context,
    records: &Records,
    list: &ListId,
    code: &str,
) -> Result<Exit, Failure> {
    let Some(view) = records.show(list, code).await? else {
        return Err(Failure::trouble(format!("the subject has no record on {list}")).reason(Reason::NotFound));
    };
    let history: Vec<Value> = view
        .history
        .iter()
        .map(|entry| {
            json!({
                "at": entry.at.to_rfc3339(), "by": entry.by, "action": entry.action, "reason": entry.reason,
                "before": values(&view, &entry.before),
            })
        })
        .collect();
    let value = json!({
        "list": list, "reference": view.reference, "standing": view.standing.as_str(), "pending": view.pending,
        "record": values(&view, &view.facts), "history": history,
    });
    context.output.result(&value, || text(&view))?;
    Ok(Exit::Done)
}

fn values(view: &RecordView, facts: &Facts) -> Value {
    json!({
        "state": facts.state.as_str(),
        "category": facts.category,
        "decision_ref": facts.decision_ref,
        "decided_on": format_day(facts.decided_on),
        "notified_on": format_day(facts.notified_on),
        "effective_on": format_day(facts.effective_on),
        "expires_on": format_day(facts.expires_on),
        "consented_on": format_day(facts.consented_on),
        "fact_finding_body": facts.fact_finding_body,
        "listing_body": view.listing_body(facts),
    })
}

fn text(view: &RecordView) -> String {
    let mut rows = vec![
        vec!["state".to_owned(), view.facts.state.as_str().to_owned()],
        vec!["standing today".to_owned(), view.standing.as_str().to_owned()],
    ];
    // Nobody consents to an adverse list.
    let asked = view.facts.consented_on > 0 || view.standing == Standing::NotConsented;
    for (name, value) in named(view, &view.facts).into_iter().filter(|(name, _)| asked || *name != CONSENTED)
    {
        rows.push(vec![name.to_owned(), value]);
    }
    rows.push(vec!["reference".to_owned(), view.reference.clone()]);
    rows.push(vec!["published".to_owned(), if view.pending { "not yet" } else { "yes" }.to_owned()]);
    for (place, entry) in view.history.iter().enumerate() {
        let after = view.history.get(place + 1).map_or(&view.facts, |next| &next.before);
        let said = format!("{} by {} ({})", entry.action, entry.by, entry.reason);
        rows.push(vec![entry.at.to_rfc3339(), said]);
        for ((name, before), (_, after)) in named(view, &entry.before).into_iter().zip(named(view, after)) {
            if before != after {
                rows.push(vec![String::new(), format!("{name}: {before} -> {after}")]);
            }
        }
    }
    columns(&rows)
}

/// The name of the day of a consent.
const CONSENTED: &str = "consented";

/// The values of a record that an import can correct, with their names for people.
fn named(view: &RecordView, facts: &Facts) -> [(&'static str, String); 9] {
    let stated = |text: String| if text.is_empty() { "not stated".to_owned() } else { text };
    [
        ("category", facts.category.to_string()),
        ("decision", facts.decision_ref.clone()),
        ("facts found by", stated(facts.fact_finding_body.clone())),
        ("listed by", view.listing_body(facts).to_owned()),
        ("decided", stated(format_day(facts.decided_on))),
        ("notified", stated(format_day(facts.notified_on))),
        ("effective", stated(format_day(facts.effective_on))),
        ("expires", stated(format_day(facts.expires_on))),
        (CONSENTED, stated(format_day(facts.consented_on))),
    ]
}
