//! Facts as messages of the gRPC service.

use tacit_client::{Answer, ListAnswer, Outcome, ReceiptSummary, RowOutcome};
use tacit_wire::{
    common,
    gateway::{self as pb, check_outcome, list_answer},
};

use super::{batch::RowOut, metrics, problem::Problem, question::Checked, words};

pub(super) fn message(row: &RowOut, scheme: &str) -> pb::CheckManyResponse {
    let normalized = row.changes.iter().map(ToString::to_string).collect();
    let outcome = match &row.outcome {
        Ok(outcome) => outcome_of(outcome),
        Err(problem) => check_outcome::Outcome::Refusal(refusal(problem)),
    };
    let outcome = pb::CheckOutcome { outcome: Some(outcome), normalized, scheme: scheme.to_owned() };
    // A row without a number of its own was sent as 0.
    pb::CheckManyResponse { row: row.row.unwrap_or(0), outcome: Some(outcome) }
}

pub(super) fn invalid(problem: &Problem, checked: &Checked) -> pb::CheckOutcome {
    pb::CheckOutcome {
        outcome: Some(check_outcome::Outcome::Refusal(refusal(problem))),
        normalized: Vec::new(),
        scheme: checked.scheme().to_owned(),
    }
}

pub(super) fn told(outcome: &RowOutcome, normalized: Vec<String>, checked: &Checked) -> pb::CheckOutcome {
    pb::CheckOutcome { outcome: Some(outcome_of(outcome)), normalized, scheme: checked.scheme().to_owned() }
}

pub(super) fn outcome_of(outcome: &RowOutcome) -> check_outcome::Outcome {
    match &outcome.outcome {
        Outcome::Answers(answers) => {
            check_outcome::Outcome::Answers(pb::Answers { lists: answers.iter().map(list_answer).collect() })
        }
        Outcome::Refused(told) => check_outcome::Outcome::Refusal(refusal(&told.into())),
        Outcome::NotAnswered(reason) => check_outcome::Outcome::NotAnswered(pb::NotAnswered {
            record_ids: outcome.unanswered.iter().map(|record| record.id.to_string()).collect(),
            reason: reason.outward().to_string(),
        }),
    }
}

pub(super) fn refusal(problem: &Problem) -> common::Refusal {
    metrics::problem(problem.reason());
    common::Refusal {
        reason: problem.reason().to_string(),
        message: format!("{} {}", problem.message, problem.advice()),
        remaining: problem.remaining.unwrap_or(0),
        resets_at_ms: problem.resets_at.map_or(0, |time| time.0),
    }
}

pub(super) fn list_answer(answer: &ListAnswer) -> pb::ListAnswer {
    let told = match &answer.answer {
        Answer::Listed(label) => list_answer::Answer::Listed(pb::Listed {
            category: u32::from(label.category),
            listed_on: label.listed_on.map(words::iso_day).unwrap_or_default(),
            expires_on: label.expires_on.map(words::iso_day).unwrap_or_default(),
            contested: words::is_contested(label),
            reference: words::reference(label),
        }),
        Answer::NotListed => list_answer::Answer::NotListed(pb::NotListed {}),
        Answer::Refused(told) => list_answer::Answer::Refusal(refusal(&told.into())),
    };
    pb::ListAnswer {
        list_id: answer.list.to_string(),
        answer: Some(told),
        record_id: answer.record.map(|record| record.id.to_string()).unwrap_or_default(),
        record_index: answer.record.map_or(0, |record| record.index),
        table_version: answer
            .version
            .map(|version| format!("{}.{}", version.epoch, version.version))
            .unwrap_or_default(),
        as_of_ms: answer.as_of.map_or(0, |time| time.0),
    }
}

pub(super) fn summary(of: &ReceiptSummary) -> pb::ReceiptSummary {
    pb::ReceiptSummary {
        record_id: of.record.id.to_string(),
        record_index: of.record.index,
        recorded_ms: of.recorded.0,
        lists: of.lists.iter().map(ToString::to_string).collect(),
        purpose: of.purpose.clone(),
        case_number: of.case.clone(),
        officer: of.officer.clone(),
    }
}

pub(super) fn kind(outcome: &pb::CheckOutcome) -> &'static str {
    match outcome.outcome {
        Some(check_outcome::Outcome::Answers(_)) => "answered",
        Some(check_outcome::Outcome::NotAnswered(_)) => "not_answered",
        Some(check_outcome::Outcome::Refusal(_)) | None => "refused",
    }
}
