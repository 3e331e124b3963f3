//! Why something could not be done with the records.

use tacit_model::{CodeError, ListId, MemberId, Reason};
use tacit_store::StoreError;

use super::row::HeaderProblem;
use super::rules::UnknownTimeZone;

/// Why an operation on records failed as a whole. Never shows a code.
#[derive(Debug, thiserror::Error)]
pub enum RecordsError {
    /// The list is not in the registry.
    #[error("the registry has no list of this name")]
    UnknownList(ListId),
    /// The list belongs to another member.
    #[error("{list} is not a list of {holder}")]
    OtherHolder {
        /// The list.
        list: ListId,
        /// This member.
        holder: MemberId,
    },
    /// The registry gave the list another scheme than the records were kept in.
    #[error("the records of {list} are kept as {kept}, and the registry says {stated}")]
    SchemeChanged {
        /// The list.
        list: ListId,
        /// Scheme of the records.
        kept: String,
        /// Scheme in the registry.
        stated: String,
    },
    /// The registry names a time zone that does not exist.
    #[error(transparent)]
    TimeZone(#[from] UnknownTimeZone),
    /// The code given is not valid.
    #[error("code: {0}")]
    Code(#[from] CodeError),
    /// The file's header.
    #[error(transparent)]
    Header(#[from] HeaderProblem),
    /// The file could not be read further. What was reported so far is durable.
    #[error("the file cannot be read: {0}")]
    File(#[from] std::io::Error),
    /// Another import of the list is under way.
    #[error("another import of {0} is under way")]
    ImportUnderWay(ListId),
    /// The name of who acts is empty or too long.
    #[error("who acts must be named, with at most 200 bytes")]
    By,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl RecordsError {
    /// The stable reason code.
    pub fn reason(&self) -> Reason {
        match self {
            Self::UnknownList(_) | Self::OtherHolder { .. } => Reason::UnknownList,
            Self::SchemeChanged { .. } => Reason::CodeNotThisScheme,
            Self::TimeZone(_) => Reason::RegistryInvalid,
            Self::Code(error) => error.reason(),
            Self::Header(_) | Self::By => Reason::Malformed,
            Self::ImportUnderWay(_) => Reason::Conflict,
            Self::File(_) => Reason::Unavailable,
            Self::Store(_) => Reason::Internal,
        }
    }
}
