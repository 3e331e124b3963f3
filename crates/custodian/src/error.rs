//! Why a custodian does not start, and why a request is not answered.

use std::path::PathBuf;

use tacit_identity::{CredentialError, EndpointError, FileError, Role};
use tacit_model::{MemberId, Reason};
use tacit_policy::registry::versions::VersionRefused;
use tacit_store::{Overloaded, StoreError};
use tacit_wire::common::Refusal;
use tacit_wire::{Malformed, refusal};

/// Why a custodian does not start. The configuration or the installation is at fault unless said otherwise.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Certificate, key, CA or revocation list.
    #[error("tls: {0}")]
    Credentials(#[from] CredentialError),
    /// The certificate is of another role.
    #[error("tls.certificate: it is of role {found}, a custodian's is needed")]
    Role {
        /// The role in the certificate.
        found: Role,
    },
    /// The coordinator's address.
    #[error("coordinator.endpoint: {0}")]
    Endpoint(#[from] EndpointError),
    /// The coordinator's name cannot name its log.
    #[error("coordinator.member: {0}")]
    LogName(#[from] tacit_ledger::note::NoteError),
    /// The database.
    #[error("database: {0}")]
    Store(#[from] StoreError),
    /// No seed, or two of one epoch.
    #[error("pseudonym_seeds: {problem}")]
    Seeds {
        /// What is wrong.
        problem: &'static str,
    },
    /// A seed file cannot be read, or can be read by others.
    #[error("{key}: {source}")]
    SeedFile {
        /// The key of the configuration.
        key: &'static str,
        /// What is wrong.
        source: FileError,
    },
    /// A seed file does not hold 32 bytes in hexadecimal.
    #[error("{key}: {} does not hold exactly 64 hexadecimal digits", path.display())]
    SeedForm {
        /// The key of the configuration.
        key: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// The registry cannot be used.
    #[error(transparent)]
    Registry(#[from] RegistryTrouble),
}

/// Why a registry is not taken over. What is in use stays in use.
#[derive(Debug, thiserror::Error)]
pub enum RegistryTrouble {
    /// The coordinator did not give it.
    #[error("no registry from the coordinator: {0}")]
    Fetch(#[from] Box<tonic::Status>),
    /// It is not in the log, or the log is not consistent. The coordinator is at fault.
    #[error("the registry is not proven to be in the log: {}", .0.meaning())]
    NotLogged(Reason),
    /// It may not follow the one in use, or no quorum stands behind it.
    #[error(transparent)]
    Version(#[from] Box<VersionRefused>),
    /// Its record names another registry. The coordinator is at fault.
    #[error("the log's record is not of the registry that came with it")]
    OtherRegistry,
    /// The coordinator has an older version in force than the one in use, or another one of the same number.
    #[error(
        "the coordinator says that version {found} is in force, but another version {known} is known here"
    )]
    Older {
        /// What the coordinator says.
        found: u64,
        /// The number in use.
        known: u64,
    },
    /// It breaks a rule.
    #[error("registry: {0}")]
    Invalid(#[from] tacit_policy::RegistryError),
    /// Coordinator or custodian in it are not those of the configuration and the certificate.
    #[error("the registry names {found} as {role}, this custodian is configured for {expected}")]
    OtherParty {
        /// `coordinator` or `custodian`.
        role: Role,
        /// In the registry.
        found: MemberId,
        /// In the configuration or the certificate.
        expected: MemberId,
    },
    /// A requester's key in the registry is not the one derived from the seed: the wrong seed is installed, or the
    /// registry was changed.
    #[error("the pseudonym key of {requester} in epoch {epoch} is not the one that the seed gives")]
    KeyDiffers {
        /// The requester.
        requester: MemberId,
        /// The pseudonym epoch.
        epoch: u32,
    },
    /// A requester's current epoch has no seed here.
    #[error("pseudonym_seeds: no seed of epoch {epoch}, which is the current one of {requester}")]
    NoSeed {
        /// The requester.
        requester: MemberId,
        /// The pseudonym epoch.
        epoch: u32,
    },
    /// It names no quorum of witnesses.
    #[error("the witnesses of the log: {0}")]
    Witnesses(#[from] tacit_policy::NoWitnesses),
    /// It shows another key for our cosignatures: they would not count.
    #[error("witness_seed: the registry shows another key of this custodian as `witness`")]
    WitnessKey,
    /// No key can be derived; does not happen.
    #[error("no key can be derived: {0}")]
    Derivation(#[from] tacit_blind::BlindError),
    /// It could not be kept in the database.
    #[error("database: {0}")]
    Store(#[from] StoreError),
}

/// Why a request is not answered.
#[derive(Debug)]
pub(crate) enum Stop {
    /// An expected outcome: a value in the answer.
    Refused(Refusal),
    /// Trouble that the caller can act upon: a status.
    Trouble(Reason),
    /// Ours: the text goes to the log, the caller learns only that it was internal.
    Failed(Box<dyn std::error::Error + Send + Sync>),
}

impl Stop {
    /// A refusal with the reason's own words.
    pub(crate) fn refused(reason: Reason) -> Self {
        Self::Refused(refusal(reason))
    }

    /// A refusal that says what is wrong. Only for what the caller itself sent.
    pub(crate) fn because(reason: Reason, problem: &(impl std::fmt::Display + ?Sized)) -> Self {
        // The message field is bounded to 500 bytes.
        let mut message = problem.to_string();
        if message.len() > 400 {
            let end = (0..=400).rev().find(|at| message.is_char_boundary(*at)).unwrap_or(0);
            message.truncate(end);
        }
        Self::Refused(tacit_wire::convert::refusal_with(reason, message))
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Failed(Box::new(error))
    }
}

impl From<tokio::task::JoinError> for Stop {
    fn from(error: tokio::task::JoinError) -> Self {
        Self::Failed(Box::new(error))
    }
}

impl From<Overloaded> for Stop {
    fn from(_: Overloaded) -> Self {
        Self::Trouble(Reason::Overloaded)
    }
}

impl From<Malformed> for Stop {
    fn from(problem: Malformed) -> Self {
        Self::because(Reason::Malformed, &problem)
    }
}
