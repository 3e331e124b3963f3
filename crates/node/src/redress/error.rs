//! Why a step was not taken.

use tacit_client::SealBroken;
use tacit_model::{CodeError, ListId, Reason};
use tacit_policy::letter::{CaseError, LetterError, TextError};
use tacit_store::StoreError;

use crate::records::RecordsError;

/// Why a step was not taken. Never shows a code or a letter.
#[derive(Debug, thiserror::Error)]
pub enum RedressError {
    /// The list is not in the registry.
    #[error("the registry has no list of this name")]
    UnknownList,
    /// The list belongs to another member.
    #[error("the list is another member's")]
    OtherHolder,
    /// The list is this member's own.
    #[error("the list is this member's own; what is handed in here is at the right door: tacit list contest")]
    OwnList,
    /// The registry names a time zone that does not exist.
    #[error("the registry gives {0} a time zone that is not known here")]
    TimeZone(ListId),
    /// There is no record of the subject.
    #[error("the subject has no record on this list")]
    NoRecord,
    /// There is no such objection or appeal.
    #[error("there is no case of this id")]
    NoCase,
    /// A notice about a favorable list.
    #[error("the list is favorable: its records are joined by consent and need no notice")]
    Favorable,
    /// A notice about somebody under 18.
    #[error("the person is under 18; nothing adverse is kept about people under 18")]
    UnderAge,
    /// The record's subject was notified.
    #[error("the subject was notified already")]
    Notified,
    /// The category does not belong to the list.
    #[error("the record's category is not in the catalogue for this list")]
    NotInCatalogue,
    /// `corrected` goes with what is corrected, and nothing else does.
    #[error("say what is corrected with the outcome corrected, and with no other")]
    Corrected,
    /// The case does not allow the step.
    #[error(transparent)]
    Case(#[from] CaseError),
    /// A text.
    #[error("{0}")]
    Text(#[from] TextError),
    /// A code.
    #[error("code: {0}")]
    Code(#[from] CodeError),
    /// The letter does not fit.
    #[error(transparent)]
    Letter(#[from] LetterError),
    /// The records.
    #[error(transparent)]
    Records(#[from] RecordsError),
    /// A stored row does not open.
    #[error(transparent)]
    Seal(#[from] SealBroken),
    /// A stored row is of another form.
    #[error("a stored row of redress is not of a form that this version knows")]
    Row,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl RedressError {
    /// The stable reason code.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::UnknownList | Self::OtherHolder | Self::OwnList => Reason::UnknownList,
            Self::TimeZone(_) => Reason::RegistryInvalid,
            Self::NoRecord | Self::NoCase => Reason::NotFound,
            Self::Favorable => Reason::RuleForbids,
            Self::UnderAge => Reason::SubjectUnderAge,
            Self::Notified | Self::NotInCatalogue => Reason::Conflict,
            Self::Case(CaseError::Late(_)) => Reason::TermOver,
            Self::Case(_) => Reason::Conflict,
            Self::Corrected | Self::Text(_) => Reason::Malformed,
            Self::Letter(LetterError::TooLong) => Reason::TooLarge,
            Self::Letter(_) => Reason::Malformed,
            Self::Code(error) => error.reason(),
            Self::Records(error) => error.reason(),
            Self::Seal(_) | Self::Row | Self::Store(_) => Reason::Internal,
        }
    }
}
