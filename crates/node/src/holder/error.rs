//! Why the holder could not seal or publish.

use tacit_blind::BlindError;
use tacit_blind::table::{BuildError, LayoutError, ManifestError, TickError, TreeError};
use tacit_model::Reason;
use tacit_store::StoreError;
use tokio::task::JoinError;

use super::publisher::PublishError;
use crate::config::ConfigError;
use crate::records::UnknownTimeZone;

/// What went wrong. Goes to the log; callers see the reason code.
#[derive(Debug, thiserror::Error)]
pub enum HolderError {
    /// The configuration is out of its bounds.
    #[error("configuration: {0}")]
    Config(#[from] ConfigError),
    /// The registry's entry of a list cannot be applied.
    #[error("registry: {0}")]
    Rules(#[from] UnknownTimeZone),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Sealing failed: a fault of this program, of its random source or of its stored tables.
    #[error("sealing: {0}")]
    Seal(Box<dyn std::error::Error + Send + Sync>),
    /// Custodian or coordinator did not take a table or manifest.
    #[error(transparent)]
    Publish(#[from] PublishError),
}

macro_rules! sealing {
    ($($error:ty),*) => {
        $(impl From<$error> for HolderError {
            fn from(error: $error) -> Self {
                Self::Seal(Box::new(error))
            }
        })*
    };
}

sealing!(BlindError, BuildError, LayoutError, ManifestError, TickError, TreeError, JoinError);

impl HolderError {
    /// The stable reason code.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Config(_) => Reason::ConfigInvalid,
            Self::Rules(_) => Reason::RegistryInvalid,
            Self::Store(_) | Self::Seal(_) => Reason::Internal,
            Self::Publish(error) => error.reason(),
        }
    }
}
