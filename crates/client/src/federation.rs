//! The registry from the coordinator: signed by its owners, and in the log.

use std::sync::Arc;

use bytes::Bytes;
use tacit_ledger::note::NoteVerifier;
use tacit_ledger::record;
use tacit_model::Reason;
use tacit_policy::{Pins, Registry, RegistryError, registry_hash};
use tacit_wire::coordinator::GetRegistryRequest;
use tacit_wire::coordinator::registry_service_client::RegistryServiceClient;
use tonic::transport::Channel;

use crate::connections::MAX_MESSAGE;
use crate::error::{ClientError, Party};
use crate::records::LogKey;
use crate::retry::{self, Deadlines};

/// Why the coordinator's registry is not taken over.
#[derive(Debug, thiserror::Error)]
pub enum RegistryTrouble {
    /// It did not come, or is not in the log.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// It breaks a rule, or is not signed by those it names.
    #[error("the registry is refused: {0}")]
    Registry(#[from] Box<RegistryError>),
}

impl RegistryTrouble {
    /// The stable code.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Client(error) => error.reason(),
            Self::Registry(_) => Reason::RegistryInvalid,
        }
    }
}

/// A registry that was verified, with its exact bytes.
#[derive(Debug, Clone)]
pub struct FetchedRegistry {
    /// The registry.
    pub registry: Arc<Registry>,
    /// Its file.
    pub bytes: Bytes,
}

/// Fetches the registry in force, and proves signatures and log record.
///
/// # Errors
/// [`RegistryTrouble`]; nothing of a refused registry may be used.
pub async fn fetch_registry(
    coordinator: Channel,
    pins: &Pins,
    log: &NoteVerifier,
    deadlines: &Deadlines,
) -> Result<FetchedRegistry, RegistryTrouble> {
    let response = retry::call(Party::Coordinator, deadlines, GetRegistryRequest {}, |request| {
        let mut client =
            RegistryServiceClient::new(coordinator.clone()).max_decoding_message_size(MAX_MESSAGE);
        async move { client.get_registry(request).await }
    })
    .await?;
    let verified = LogKey::new(log.clone()).verify(response.record.as_ref(), &response.checkpoint)?;
    let logged: record::Registry = verified
        .into_record()
        .try_into()
        .map_err(|_| ClientError::OtherRecord("it is not of kind registry"))?;
    if logged.registry != registry_hash(&response.registry) {
        return Err(ClientError::OtherRecord("the record is about another registry").into());
    }
    let registry = Registry::parse(&response.registry, pins).map_err(Box::new)?;
    if registry.number() != logged.number {
        return Err(ClientError::OtherRecord("the record is about another registry").into());
    }
    Ok(FetchedRegistry { registry: Arc::new(registry), bytes: response.registry })
}
