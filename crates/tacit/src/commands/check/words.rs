//! Answers in words and as JSON.

use serde_json::{Value, json};
use tacit_model::Millis;
use tacit_wire::gateway::{CheckOutcome, ListAnswer, check_outcome::Outcome, list_answer::Answer};

/// Said with every answer.
pub(crate) const NOTICE: &str = "An answer is not a decision.";

/// What a person reads about one subject.
pub(super) fn text(outcome: &CheckOutcome) -> String {
    let mut lines = Vec::new();
    for change in &outcome.normalized {
        lines.push(format!("Note: {change}"));
    }
    if let Some(Outcome::Answers(answers)) = &outcome.outcome {
        for answer in &answers.lists {
            lines.extend(answer_lines(answer));
        }
        lines.push(NOTICE.to_owned());
    }
    lines.join("\n")
}

fn answer_lines(answer: &ListAnswer) -> Vec<String> {
    let list = &answer.list_id;
    let as_of = Millis(answer.as_of_ms).to_rfc3339();
    let mut lines = match &answer.answer {
        Some(Answer::Listed(hit)) => {
            let mut about = vec![format!("category {}", hit.category)];
            if !hit.listed_on.is_empty() {
                about.push(format!("listed on {}", hit.listed_on));
            }
            if !hit.expires_on.is_empty() {
                about.push(format!("until {}", hit.expires_on));
            }
            about.push(format!("reference {}", hit.reference));
            let mut lines =
                vec![format!("LISTED on {list} as of {as_of}."), format!("  {}", about.join(", "))];
            if hit.contested {
                lines.push("  The subject contests it; the objection is not decided.".to_owned());
            }
            lines
        }
        Some(Answer::NotListed(_)) => {
            vec![format!("Not on the list {list} as of {as_of}. This says nothing about other lists.")]
        }
        Some(Answer::Refusal(refusal)) => {
            vec![format!("No answer from {list}: {} ({})", plain(&refusal.message), refusal.reason)]
        }
        None => vec![format!("No answer from {list}.")],
    };
    if !answer.record_id.is_empty() {
        let table = match answer.table_version.is_empty() {
            true => String::new(),
            false => format!(", table {}", answer.table_version),
        };
        lines.push(format!("  record {}, log index {}{table}", answer.record_id, answer.record_index));
    }
    lines
}

/// The same for machines.
pub(super) fn value(outcome: &CheckOutcome) -> Value {
    let answers = match &outcome.outcome {
        Some(Outcome::Answers(answers)) => answers.lists.iter().map(answer_value).collect(),
        _ => Vec::new(),
    };
    json!({ "answers": answers, "normalized": outcome.normalized, "scheme": outcome.scheme, "notice": NOTICE })
}

fn answer_value(answer: &ListAnswer) -> Value {
    let mut value = json!({
        "list": answer.list_id,
        "answer": word(answer),
        "record": answer.record_id,
        "index": answer.record_index,
        "table": answer.table_version,
        "as_of": (answer.as_of_ms > 0).then(|| Millis(answer.as_of_ms).to_rfc3339()),
    });
    let more = match &answer.answer {
        Some(Answer::Listed(hit)) => json!({
            "category": hit.category, "listed_on": hit.listed_on, "expires_on": hit.expires_on,
            "contested": hit.contested, "reference": hit.reference,
        }),
        Some(Answer::Refusal(refusal)) => {
            json!({ "reason": refusal.reason, "message": plain(&refusal.message) })
        }
        _ => json!({}),
    };
    if let (Some(all), Value::Object(more)) = (value.as_object_mut(), more) {
        all.extend(more);
    }
    value
}

/// The word for the kind of an answer.
pub(super) fn word(answer: &ListAnswer) -> &'static str {
    match &answer.answer {
        Some(Answer::Listed(_)) => "listed",
        Some(Answer::NotListed(_)) => "not_listed",
        Some(Answer::Refusal(_)) | None => "refused",
    }
}

/// A sentence on one line.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use tacit_wire::gateway::{Answers, NotListed};

    use super::*;

    #[test]
    fn every_answer_says_that_it_is_no_decision() {
        let list = ListAnswer { answer: Some(Answer::NotListed(NotListed {})), ..ListAnswer::default() };
        let answers = Outcome::Answers(Answers { lists: vec![list] });
        let outcome = CheckOutcome { outcome: Some(answers), ..CheckOutcome::default() };
        assert!(text(&outcome).ends_with("An answer is not a decision."));
        assert_eq!(value(&outcome)["notice"], "An answer is not a decision.");
    }
}
