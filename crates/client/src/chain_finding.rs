//! What can be wrong with a chain.

use tacit_ledger::logged::LoggedError;
use tacit_ledger::statement::StatementError;
use tacit_model::Reason;

use crate::error::ClientError;

/// What is wrong with a chain; the coordinator is at fault.
#[derive(Debug, thiserror::Error)]
pub enum ChainFinding {
    /// There is no statement, or it is not the log's.
    #[error("the statement: {0}")]
    Statement(#[from] StatementError),
    /// The statement is about something else than was asked, or than the checkpoint that came with it.
    #[error("the statement is about another {0}")]
    OtherStatement(&'static str),
    /// A record that the statement counts did not come.
    #[error("record {sequence} of {records} is missing")]
    Missing {
        /// Its place, from 0.
        sequence: u64,
        /// Number of records that the statement counts.
        records: u64,
    },
    /// The records came in another order than their chain.
    #[error("record {found} stands where record {due} belongs")]
    Misplaced {
        /// Whose place it is.
        due: u64,
        /// Whose record came.
        found: u64,
    },
    /// A record does not open as this pseudonym's at this place.
    #[error("record {sequence} does not open as one about this pseudonym in this place")]
    NotOpened {
        /// Its place, from 0.
        sequence: u64,
    },
    /// A record is not the one that the record after it, or the statement, names.
    #[error("record {sequence} is not the one that its chain names in this place")]
    NotLinked {
        /// Its place, from 0.
        sequence: u64,
    },
    /// A record is not in the log.
    #[error("record {sequence}: {problem}")]
    NotLogged {
        /// Its place, from 0.
        sequence: u64,
        /// What is wrong.
        problem: LoggedError,
    },
    /// What came beside a record is not what belongs to one of its kind.
    #[error("record {sequence}: what came beside it is malformed")]
    Malformed {
        /// Its place, from 0.
        sequence: u64,
    },
    /// It could not be read to its end, or the log contradicts itself.
    #[error(transparent)]
    Client(#[from] ClientError),
}

impl ChainFinding {
    /// The stable code that interfaces and logs carry.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Client(error) => error.reason(),
            Self::Statement(_) => Reason::SignatureInvalid,
            Self::OtherStatement(_)
            | Self::Missing { .. }
            | Self::Misplaced { .. }
            | Self::NotOpened { .. }
            | Self::NotLinked { .. }
            | Self::NotLogged { .. }
            | Self::Malformed { .. } => Reason::LogInconsistent,
        }
    }
}
