//! What can go wrong in a test's own federation.

use tacit_federation::{
    config::ConfigError, connect::ConnectError, found::FoundError, registry::RegistryTrouble,
    run::StartError, sample::SampleError,
};
use tacit_identity::{CredentialError, EndpointError};
use tacit_node::records::{RecordsError, RowProblem};

/// What can go wrong in a test's own federation. Each has the text that a person would get.
#[derive(Debug, thiserror::Error)]
pub enum KitError {
    /// The sample.
    #[error(transparent)]
    Sample(#[from] SampleError),
    /// The founding.
    #[error(transparent)]
    Found(#[from] FoundError),
    /// A configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A role.
    #[error(transparent)]
    Start(Box<StartError>),
    /// A caller.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// A certificate.
    #[error(transparent)]
    Credentials(#[from] CredentialError),
    /// An address.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// A registry.
    #[error(transparent)]
    Registry(#[from] RegistryTrouble),
    /// Records.
    #[error(transparent)]
    Records(#[from] RecordsError),
    /// Trouble on the wire.
    #[error("{0}")]
    Status(#[from] Box<tonic::Status>),
    /// A folder, socket or thread.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// A row of the records to publish is broken.
    #[error("line {line}: {problem}")]
    Row {
        /// Its line.
        line: u64,
        /// Why.
        problem: RowProblem,
    },
    /// No member or list has this name.
    #[error("`{0}` is no name here")]
    Name(String),
    /// The member has no role at work, or no gateway.
    #[error("{0} does not run, or has no gateway")]
    NotRunning(String),
    /// The list was not published in time.
    #[error("{0} was not published within a minute")]
    NotSealed(String),
    /// No reading of the authority came to its end in time.
    #[error("{0} did not read anew within 30 s")]
    NotRead(String),
    /// A task broke.
    #[error("a task of the testkit broke")]
    Broke,
}

impl From<StartError> for KitError {
    fn from(error: StartError) -> Self {
        Self::Start(Box::new(error))
    }
}
