//! Why a receipt does not hold: in which step, and whose proof it is. No text here carries a code or an answer.

use std::fmt;

use tacit_model::{ListId, MemberId};
use tacit_policy::RegistryError;

use crate::codec::CodecError;
use crate::error::{ClientError, Party};

/// Why bytes are no receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FileProblem {
    /// It begins otherwise.
    #[error("it is not a receipt")]
    NotAReceipt,
    /// Made by a later program.
    #[error("it is of version {0}, which this program does not know")]
    Version(u8),
    /// Longer than any receipt.
    #[error("it is larger than a receipt can be")]
    TooLarge,
    /// The hash at the end is of other bytes.
    #[error("it was cut off or changed: the hash at its end is not of what stands before it")]
    Damaged,
    /// A field is not in its form.
    #[error("{0}")]
    Form(CodecError),
}

/// Whose proof does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whose {
    /// The coordinator's: it keeps the log.
    Log,
    /// The requester's: it asked, and kept the receipt.
    Requester,
    /// This holder's: it answered.
    Holder(MemberId),
    /// Nobody's: the registry that was given has not what is needed.
    Registry,
}

impl fmt::Display for Whose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Log => f.write_str("the log's proof"),
            Self::Requester => f.write_str("the requester's proof"),
            Self::Holder(holder) => write!(f, "the proof of the holder {holder}"),
            Self::Registry => f.write_str("the registry that was given"),
        }
    }
}

/// What is proven, step by step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The record is in a log of this key.
    Recorded,
    /// The record stands under the checkpoint with the cosignatures too.
    Witnessed,
    /// The question was bound, and is the one that the record names.
    Bound,
    /// The question is about the subject that is named.
    Subject,
    /// Case and officer are those that the record commits to.
    Matter,
    /// The lists are those of the record, each once.
    Lists,
    /// The list's table is one that was logged, in time.
    Table(ListId),
    /// The answer was computed with the key of that table.
    Evaluated(ListId),
    /// The bucket is of that table and says what is told.
    Bucket(ListId),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Recorded => f.write_str("the question's record is in the log"),
            Self::Witnessed => f.write_str("the record is in the log that the witnesses saw"),
            Self::Bound => f.write_str("the question that was recorded is the one in this receipt"),
            Self::Subject => f.write_str("the question is about the subject in this receipt"),
            Self::Matter => f.write_str("case and officer are those that the record commits to"),
            Self::Lists => f.write_str("the lists are those of the record, each once"),
            Self::Table(list) => write!(f, "the table of {list} was in the log when the answer was given"),
            Self::Evaluated(list) => write!(f, "{list} was answered with the key of that table"),
            Self::Bucket(list) => write!(f, "the bucket of {list} is of that table and can be read"),
        }
    }
}

/// Why a receipt does not hold.
#[derive(Debug, thiserror::Error)]
pub enum ReceiptError {
    /// The file is none, or not whole.
    #[error("the file: {0}")]
    File(#[from] FileProblem),
    /// A proof does not hold.
    #[error("{whose} does not show that {step}: {}", Words(problem))]
    Proof {
        /// Whose it is.
        whose: Whose,
        /// What it was to show.
        step: Step,
        /// What is wrong.
        problem: Box<ClientError>,
    },
    /// The registry file is not the one that decided.
    #[error("the registry that was given is not the one that decided: the record names another hash")]
    OtherRegistry,
    /// The registry file is the one that decided, and breaks a rule.
    #[error("the registry that was given cannot be used: {0}")]
    Registry(#[from] Box<RegistryError>),
}

impl ReceiptError {
    /// Whose proof does not hold; `None` when it is the file, or the registry, that cannot be used.
    #[must_use]
    pub fn whose(&self) -> Option<&Whose> {
        match self {
            Self::Proof { whose, .. } => Some(whose),
            Self::File(_) | Self::OtherRegistry | Self::Registry(_) => None,
        }
    }

    /// A step fails; `whose` unless the problem itself says more.
    pub(super) fn at<E: Into<ClientError>>(step: Step, whose: Whose) -> impl FnOnce(E) -> Self {
        move |problem| {
            let problem = problem.into();
            let whose = match &problem {
                ClientError::Log(_) | ClientError::Inconsistent(_) => Whose::Log,
                ClientError::Registry(_) => Whose::Registry,
                ClientError::Own(_) => Whose::Requester,
                ClientError::Proof { party, .. } | ClientError::Malformed { party, .. } => match party {
                    Party::Holder(holder) => Whose::Holder(holder.clone()),
                    Party::Coordinator => Whose::Log,
                    Party::Custodian => whose,
                },
                _ => whose,
            };
            Self::Proof { whose, step, problem: Box::new(problem) }
        }
    }

    /// A step fails because a record and what should agree with it differ in this.
    pub(super) fn differs(step: Step, whose: Whose, what: &'static str) -> Self {
        Self::Proof { whose, step, problem: Box::new(ClientError::OtherRecord(what)) }
    }
}

/// The problem in the words of a receipt: without the party, which stands before it.
struct Words<'a>(&'a ClientError);

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            ClientError::Own(problem) | ClientError::Proof { problem, .. } => problem.fmt(f),
            ClientError::Malformed { problem, .. } => problem.fmt(f),
            ClientError::Log(problem) => problem.fmt(f),
            ClientError::Manifest(problem) => problem.fmt(f),
            ClientError::Registry(what) => write!(f, "it does not name {what}"),
            ClientError::OtherRecord(what) => write!(f, "what differs is: {what}"),
            other => other.fmt(f),
        }
    }
}
