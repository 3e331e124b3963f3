//! The JSON of answers: what goes out for a question, a row, and the end of a batch.

use serde::Serialize;
use tacit_client::{Answer, ListAnswer, Outcome, RecordRef, RowOutcome, TableVersion};
use tacit_model::{Millis, Normalization, RequestId};
use tacit_policy::Registry;
use utoipa::ToSchema;

use super::terms::TermsBody;
use crate::gateway::{
    batch::{RowOut, Tally},
    problem::{Problem, ProblemBody},
    words,
};

/// A change that was made to the code as typed.
#[derive(Serialize, ToSchema)]
pub(super) struct Change {
    /// The change: `full_width`, `upper_cased`, `spaces_removed`, `hyphens_removed` or `upgraded15`.
    #[schema(value_type = String, example = "upper_cased")]
    change: Normalization,
    /// The change in words.
    #[schema(example = "small letters were changed to capitals")]
    message: String,
}

/// The changes, each with its words.
pub(super) fn changes(of: &[Normalization]) -> Vec<Change> {
    of.iter().map(|change| Change { change: *change, message: change.to_string() }).collect()
}

/// Where the record of a question stands in the log.
#[derive(Serialize, ToSchema)]
#[schema(as = Record)]
pub(super) struct RecordBody {
    /// Record id, a ULID.
    #[schema(example = "01KAM2V7Q3ZJ6V6T1V8M3W9R5C")]
    id: String,
    /// Leaf index in the log.
    #[schema(example = 41877)]
    index: u64,
}

impl From<&RecordRef> for RecordBody {
    fn from(record: &RecordRef) -> Self {
        Self { id: record.id.to_string(), index: record.index }
    }
}

/// Which version of the sealed list was answered from.
#[derive(Serialize, ToSchema)]
#[schema(as = Table)]
pub(super) struct TableBody {
    /// List epoch.
    #[schema(example = 20778)]
    epoch: u64,
    /// Version in the epoch.
    #[schema(example = 214)]
    version: u64,
}

impl From<TableVersion> for TableBody {
    fn from(version: TableVersion) -> Self {
        Self { epoch: version.epoch, version: version.version }
    }
}

/// What a list says about a listed subject.
#[derive(Serialize, ToSchema)]
#[schema(as = Listing)]
pub(super) struct ListingBody {
    /// Status as the list defines it.
    status: u8,
    /// The list's words for this status.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, value_type = String)]
    status_text: Option<String>,
    /// Category code of the federation's catalogue.
    category: u16,
    /// Its name in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, value_type = String)]
    category_title: Option<String>,
    /// The day it was listed, in the list's time zone; absent when not stated.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, value_type = String, format = Date, example = "2026-03-01")]
    listed_on: Option<String>,
    /// The first day on which it no longer counts; absent when open.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, value_type = String, format = Date, example = "2028-03-01")]
    expires_on: Option<String>,
    /// Whether the record is contested.
    contested: bool,
    /// The holder's reference to its record, 16 hexadecimal digits.
    #[schema(example = "00f3a91be2d7c840")]
    reference: String,
}

/// Which of the three a list said.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum AnswerKind {
    /// On the list.
    Listed,
    /// Not on this list, as of the stated time. This says nothing about other lists.
    NotListed,
    /// No answer from this list.
    Refused,
}

/// The answer of one list.
#[derive(Serialize, ToSchema)]
#[schema(as = ListAnswer)]
pub(super) struct ListAnswerBody {
    /// List id.
    #[schema(example = "court/judgment-defaulters")]
    list: String,
    /// What it said.
    answer: AnswerKind,
    /// The answer in plain words.
    #[schema(
        example = "Not on the list *judgment defaulters* as of 21 Nov 2026, 10:32 (Asia/Shanghai). This says nothing about other lists."
    )]
    message: String,
    /// What the list says; only with `listed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, value_type = ListingBody)]
    listing: Option<ListingBody>,
    /// Why it gave no answer; only with `refused`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, value_type = ProblemBody)]
    problem: Option<ProblemBody>,
    /// Time of the question's record, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, value_type = String, format = DateTime, example = "2026-11-21T02:32:09.481Z")]
    as_of: Option<String>,
    /// The record of this question in the log; absent when none was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, value_type = RecordBody)]
    record: Option<RecordBody>,
    /// The table that was answered from.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, value_type = TableBody)]
    table: Option<TableBody>,
}

/// The answers about one subject.
#[derive(Serialize, ToSchema)]
#[schema(as = CheckAnswer)]
pub(super) struct CheckAnswerBody {
    /// The id of this request in all logs.
    #[schema(example = "01KAM2V7Q3ZJ6V6T1V8M3W9R5C")]
    pub(super) request_id: String,
    /// The identifier scheme by which the code was read.
    #[schema(example = "CN-USCC")]
    pub(super) scheme: String,
    /// The code as it was read, to be compared with the document; absent when that is what was typed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, value_type = String)]
    pub(super) read_as: Option<String>,
    /// Changes made to the code as typed; empty when none.
    pub(super) normalized: Vec<Change>,
    /// One answer per list, in the order of the question. The id of its record is also that of its receipt.
    pub(super) answers: Vec<ListAnswerBody>,
    /// What goes with each of them that is no refusal: what it may be used for, and until when.
    pub(super) terms: Vec<TermsBody>,
    /// Records of earlier tries of this question that got no answer, ULIDs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub(super) unanswered: Vec<String>,
    /// What an answer is not.
    #[schema(example = "An answer is not a decision.")]
    pub(super) notice: &'static str,
}

/// What became of one line of a batch: answers, or a problem.
#[derive(Serialize, ToSchema)]
#[schema(as = RowAnswer)]
pub(super) struct RowAnswerBody {
    /// The line of the request's body, from 1.
    pub(super) line: u64,
    /// The caller's own number, if it gave one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, value_type = u64)]
    pub(super) row: Option<u64>,
    /// Changes made to the code as typed; empty when none.
    pub(super) normalized: Vec<Change>,
    /// One answer per list, in the order of the question; absent when there is a problem.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, value_type = Vec<ListAnswerBody>)]
    pub(super) answers: Option<Vec<ListAnswerBody>>,
    /// Why there are no answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, value_type = ProblemBody)]
    pub(super) problem: Option<ProblemBody>,
    /// Records of earlier tries of this question that got no answer, ULIDs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub(super) unanswered: Vec<String>,
}

/// The last line of a batch. Without it the answer was cut off: ask the missing rows again.
#[derive(Serialize, ToSchema)]
#[schema(as = BatchEnd)]
pub(super) struct EndBody {
    /// Counts.
    pub(super) end: EndCounts,
}

/// How the rows of a batch ended.
#[derive(Serialize, ToSchema)]
pub(super) struct EndCounts {
    /// The id of this request in all logs.
    pub(super) request_id: String,
    /// Whether every row of the request was read.
    complete: bool,
    /// Rows read.
    rows: u64,
    /// Rows with answers.
    answered: u64,
    /// Rows refused by a rule or a quota, or not reached.
    refused: u64,
    /// Rows on record without an answer: ask them again.
    not_answered: u64,
    /// Rows whose code or form is not valid; they cost nothing.
    invalid: u64,
    /// Why reading ended early.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, value_type = ProblemBody)]
    problem: Option<ProblemBody>,
    /// What an answer is not.
    notice: &'static str,
}

impl EndBody {
    pub(super) fn new(tally: &Tally, request_id: &RequestId) -> Self {
        let Tally { rows, answered, refused, not_answered, invalid, ref broken } = *tally;
        let problem = broken.as_ref().map(|problem| problem.body(request_id));
        let (complete, request_id) = (problem.is_none(), request_id.to_string());
        let notice = words::NOTICE;
        Self {
            end: EndCounts {
                request_id,
                complete,
                rows,
                answered,
                refused,
                not_answered,
                invalid,
                problem,
                notice,
            },
        }
    }
}

/// From an outcome to its JSON.
pub(super) struct Teller<'a> {
    pub(super) registry: &'a Registry,
    pub(super) request_id: &'a RequestId,
}

impl Teller<'_> {
    /// Answers and records of earlier tries, or the problem that stands for them.
    pub(super) fn outcome(
        &self,
        outcome: &RowOutcome,
    ) -> Result<(Vec<ListAnswerBody>, Vec<String>), Problem> {
        match &outcome.outcome {
            Outcome::Answers(answers) => {
                let answers = answers.iter().map(|answer| self.answer(answer)).collect();
                Ok((answers, outcome.unanswered.iter().map(|record| record.id.to_string()).collect()))
            }
            Outcome::Refused(refusal) => {
                let mut problem = Problem::from(refusal);
                problem.records = outcome.unanswered.iter().map(|record| record.id).collect();
                Err(problem)
            }
            Outcome::NotAnswered(reason) => Err(Problem::not_answered(*reason, &outcome.unanswered)),
        }
    }

    fn answer(&self, answer: &ListAnswer) -> ListAnswerBody {
        let message = words::of_answer(answer, self.registry);
        let (kind, listing, problem) = match &answer.answer {
            Answer::NotListed => (AnswerKind::NotListed, None, None),
            Answer::Listed(label) => {
                let list = self.registry.list(&answer.list);
                let listing = ListingBody {
                    status: label.status,
                    status_text: words::status_text(label, list).map(str::to_owned),
                    category: label.category,
                    category_title: self.registry.category(label.category).map(|found| found.title.clone()),
                    listed_on: label.listed_on.map(words::iso_day),
                    expires_on: label.expires_on.map(words::iso_day),
                    contested: words::is_contested(label),
                    reference: words::reference(label),
                };
                (AnswerKind::Listed, Some(listing), None)
            }
            Answer::Refused(refusal) => {
                (AnswerKind::Refused, None, Some(Problem::from(refusal).body(self.request_id)))
            }
        };
        ListAnswerBody {
            list: answer.list.to_string(),
            answer: kind,
            message,
            listing,
            problem,
            as_of: answer.as_of.map(Millis::to_rfc3339),
            record: answer.record.as_ref().map(Into::into),
            table: answer.version.map(Into::into),
        }
    }
}

impl Teller<'_> {
    /// The line of one row.
    pub(super) fn row(&self, out: &RowOut) -> RowAnswerBody {
        let told = match &out.outcome {
            Ok(outcome) => self.outcome(outcome),
            Err(problem) => Err(problem.clone()),
        };
        let (answers, unanswered, problem) = match told {
            Ok((answers, unanswered)) => (Some(answers), unanswered, None),
            Err(problem) => (None, Vec::new(), Some(problem.body(self.request_id))),
        };
        RowAnswerBody {
            line: out.line,
            row: out.row,
            normalized: changes(&out.changes),
            answers,
            problem,
            unanswered,
        }
    }
}
