//! What is asked, and what comes of it: the words between the client and the gateway.

use tacit_blind::table::Label;
use tacit_model::{ListId, Millis, PurposeCode, Reason, SubjectCode, Ulid};
use tacit_wire::common;

/// Longest case number and officer, in bytes: both fit an audit box beside the code.
pub const MAX_WORDS: usize = 200;
/// Longest sentence of a refusal that is passed on, in bytes.
const MAX_MESSAGE: usize = 500;

/// What is asked; the same for all subjects of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Lists to ask, each once.
    pub lists: Vec<ListId>,
    /// For what.
    pub purpose: PurposeCode,
    /// The agency's case number, 1 to 200 bytes.
    pub case: String,
    /// Who asks, as the agency names its officers, 1 to 200 bytes.
    pub officer: String,
}

/// About whom.
#[derive(Debug, Clone)]
pub struct Subject {
    /// The caller's row number, echoed.
    pub row: u64,
    /// The code.
    pub code: SubjectCode,
}

/// Why there is no answer, as far as the asker may know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The stable code.
    pub reason: Reason,
    /// One sentence for a person, at most 500 bytes.
    pub message: String,
    /// For quotas: how much is left.
    pub remaining: u64,
    /// For quotas: when there is more; `None` if that is not known.
    pub resets_at: Option<Millis>,
}

impl From<Reason> for Refusal {
    fn from(reason: Reason) -> Self {
        let message = format!("{} {}", reason.meaning(), reason.advice());
        Self { reason, message, remaining: 0, resets_at: None }
    }
}

impl From<&common::Refusal> for Refusal {
    /// A word that this version does not know counts as `not_permitted`; the sentence that came with it is kept.
    fn from(refusal: &common::Refusal) -> Self {
        let reason = refusal.reason.parse().unwrap_or(Reason::NotPermitted);
        let message: String = refusal.message.chars().filter(|c| !c.is_control()).take(MAX_MESSAGE).collect();
        let known = Self::from(reason);
        Self {
            reason,
            message: if message.is_empty() { known.message } else { message },
            remaining: refusal.remaining,
            resets_at: (refusal.resets_at_ms > 0).then_some(Millis(refusal.resets_at_ms)),
        }
    }
}

/// A record of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RecordRef {
    /// Its id.
    pub id: Ulid,
    /// Its leaf index.
    pub index: u64,
}

/// A version of a list's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableVersion {
    /// List epoch.
    pub epoch: u64,
    /// Version within the epoch.
    pub version: u64,
}

/// What one list says. `Debug` does not tell listed from not listed.
#[derive(Clone, PartialEq, Eq)]
pub enum Answer {
    /// On the list.
    Listed(Label),
    /// Not on this list, in this version; nothing is said about other lists.
    NotListed,
    /// No answer from this list.
    Refused(Refusal),
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Listed(_) | Self::NotListed => f.write_str("Answered(..)"),
            Self::Refused(refusal) => f.debug_tuple("Refused").field(refusal).finish(),
        }
    }
}

/// The answer of one list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListAnswer {
    /// The list.
    pub list: ListId,
    /// What it says.
    pub answer: Answer,
    /// The record of the question; `None` when none was written.
    pub record: Option<RecordRef>,
    /// The table it was answered from.
    pub version: Option<TableVersion>,
    /// Time of the record.
    pub as_of: Option<Millis>,
}

impl ListAnswer {
    pub(crate) fn refused(list: ListId, refusal: Refusal, record: Option<RecordRef>) -> Self {
        Self { list, answer: Answer::Refused(refusal), record, version: None, as_of: None }
    }
}

/// What became of one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// One answer per list, in the question's order.
    Answers(Vec<ListAnswer>),
    /// Refused as a whole; no record was written.
    Refused(Refusal),
    /// Recorded and not answered by any list. Ask again: a new question gets a new record.
    NotAnswered(Reason),
}

/// One row with what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowOutcome {
    /// The caller's row number.
    pub row: u64,
    /// What became of it.
    pub outcome: Outcome,
    /// Records about this row that got no answer, those of earlier tries too. Records whose id could not be
    /// learned yet are found by [`Requester::recover`](crate::Requester::recover).
    pub unanswered: Vec<RecordRef>,
}

/// A record without an answer, found after the fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unanswered {
    /// The record.
    pub record: RecordRef,
    /// The caller's row number.
    pub row: u64,
    /// When it was asked.
    pub asked: Millis,
}
