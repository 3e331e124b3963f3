//! What can go wrong, named by who is at fault. No text here carries a code, a pseudonym or an answer.

use std::fmt;

use tacit_blind::BlindError;
use tacit_blind::table::ManifestError;
use tacit_ledger::checkpoint::CheckpointError;
use tacit_ledger::logged::LoggedError;
use tacit_ledger::merkle::ProofError;
use tacit_ledger::quorum::{QuorumError, WitnessSet};
use tacit_ledger::record::RecordError;
use tacit_model::{Fault, MemberId, Reason};
use tacit_wire::convert::Malformed;

use crate::codec::CodecError;
use crate::question::Refusal;
use crate::store::StoreTrouble;
use crate::vault::SealBroken;

/// At the other end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Party {
    /// C.
    Coordinator,
    /// D.
    Custodian,
    /// B.
    Holder(MemberId),
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Coordinator => f.write_str("the coordinator"),
            Self::Custodian => f.write_str("the custodian"),
            Self::Holder(member) => write!(f, "holder {member}"),
        }
    }
}

/// Why a step could not be done.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Caller: the question itself is wrong.
    #[error("{field}: {}", reason.meaning())]
    Question {
        /// The stable code.
        reason: Reason,
        /// Which part of the question.
        field: &'static str,
    },
    /// Policy: a party refused, and said why.
    #[error("{party} refused: {}", refusal.reason)]
    Refused {
        /// Who refused.
        party: Party,
        /// What it said.
        refusal: Refusal,
    },
    /// Peer: no usable answer within our patience.
    #[error("{party} did not answer: {reason}")]
    NoAnswer {
        /// Who did not.
        party: Party,
        /// The stable code.
        reason: Reason,
    },
    /// Peer: an answer is not what the interface describes.
    #[error("the answer of {party}: {problem}")]
    Malformed {
        /// Who sent it.
        party: Party,
        /// What is wrong.
        problem: Malformed,
    },
    /// Peer: a proof or an encoding is wrong.
    #[error("{party}: {problem}")]
    Proof {
        /// Who sent it.
        party: Party,
        /// What is wrong.
        problem: BlindError,
    },
    /// Peer: a record or its proof is wrong.
    #[error("the log: {0}")]
    Log(#[from] LoggedError),
    /// Peer: a record is in the log, but not what was to be recorded.
    #[error("the record is not what was to be recorded: {0}")]
    OtherRecord(&'static str),
    /// Peer: the coordinator signed two logs, or a root that its records do not give.
    #[error("the log is not consistent: {0}")]
    Inconsistent(&'static str),
    /// Peer: no quorum of the log's witnesses stands behind what the coordinator shows.
    #[error("the witnesses of the log: {0}")]
    Quorum(#[from] QuorumError),
    /// Peer: a manifest is wrong.
    #[error("the manifest: {0}")]
    Manifest(#[from] ManifestError),
    /// Us: the configuration or the registry lacks something.
    #[error("the registry does not name {0}")]
    Registry(&'static str),
    /// Us: the storage failed.
    #[error(transparent)]
    Store(#[from] StoreTrouble),
    /// Us: stored bytes do not open.
    #[error(transparent)]
    Sealed(#[from] SealBroken),
    /// Us: stored bytes are not what was written.
    #[error("stored bytes: {0}")]
    Stored(#[from] CodecError),
    /// Us: a value of our own is out of its bounds.
    #[error("own value: {0}")]
    Own(BlindError),
    /// Us: a worker ended early.
    #[error("a worker ended early")]
    Worker,
}

impl ClientError {
    /// The stable code that interfaces and logs carry.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Question { reason, .. } | Self::NoAnswer { reason, .. } => *reason,
            Self::Refused { refusal, .. } => refusal.reason,
            Self::Malformed { .. } | Self::Proof { .. } => Reason::ProofInvalid,
            Self::Log(_) | Self::OtherRecord(_) => Reason::PermitNotLogged,
            Self::Inconsistent(_) => Reason::LogInconsistent,
            Self::Quorum(_) => Reason::QuorumStale,
            Self::Manifest(_) => Reason::ManifestRejected,
            Self::Registry(_) => Reason::ConfigInvalid,
            Self::Own(error) => error.reason(),
            Self::Store(_) | Self::Sealed(_) | Self::Stored(_) | Self::Worker => Reason::Internal,
        }
    }

    /// Who has to act.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            Self::Question { .. } => Fault::Caller,
            Self::Refused { .. } => Fault::Policy,
            Self::NoAnswer { .. }
            | Self::Malformed { .. }
            | Self::Proof { .. }
            | Self::Log(_)
            | Self::OtherRecord(_)
            | Self::Inconsistent(_)
            | Self::Quorum(_)
            | Self::Manifest(_) => Fault::Peer,
            Self::Registry(_)
            | Self::Store(_)
            | Self::Sealed(_)
            | Self::Stored(_)
            | Self::Own(_)
            | Self::Worker => Fault::Us,
        }
    }

    /// As an outcome: what the other end said when it refused, else the words of the reason.
    #[must_use]
    pub fn to_refusal(&self) -> Refusal {
        match self {
            Self::Refused { refusal, .. } => refusal.clone(),
            other => Refusal::from(other.reason()),
        }
    }

    /// Nobody cosigned what should be cosigned by a quorum.
    pub(crate) fn none_of(witnesses: &WitnessSet) -> Self {
        Self::Quorum(QuorumError::TooFew { found: 0, needed: witnesses.quorum() })
    }

    pub(crate) fn malformed(party: Party) -> impl Fn(Malformed) -> Self {
        move |problem| Self::Malformed { party: party.clone(), problem }
    }

    pub(crate) fn missing(party: Party, field: &'static str) -> Self {
        Self::Malformed { party, problem: Malformed { field, problem: "is missing" } }
    }

    pub(crate) fn proof(party: Party) -> impl Fn(BlindError) -> Self {
        move |problem| Self::Proof { party: party.clone(), problem }
    }
}

impl From<CheckpointError> for ClientError {
    fn from(error: CheckpointError) -> Self {
        Self::Log(error.into())
    }
}

impl From<ProofError> for ClientError {
    fn from(error: ProofError) -> Self {
        Self::Log(error.into())
    }
}

impl From<RecordError> for ClientError {
    fn from(error: RecordError) -> Self {
        Self::Log(error.into())
    }
}
