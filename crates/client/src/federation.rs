//! The registry from the coordinator: signed by its owners, and in the log.

use std::sync::Arc;

use bytes::Bytes;
use tacit_ledger::logged::LoggedRecord;
use tacit_ledger::note::NoteVerifier;
use tacit_ledger::record;
use tacit_model::{Millis, Reason};
use tacit_policy::registry::versions::{Lineage, Served, VersionRefused};
use tacit_policy::{Pins, Registry, RegistryError, registry_hash};
use tacit_wire::coordinator::GetRegistryRequest;
use tacit_wire::coordinator::registry_service_client::RegistryServiceClient;
use tonic::transport::Channel;

use crate::connections::MAX_MESSAGE;
use crate::error::{ClientError, Party};
use crate::records::{LogKey, MAX_PATH};
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
    /// It may not follow the version in use, or no quorum stands behind it.
    #[error(transparent)]
    Version(#[from] Box<VersionRefused>),
    /// The coordinator has an older version in force than the one in use here, or another one of the same number.
    #[error(
        "the coordinator says that version {found} is in force, but another version {known} is known here"
    )]
    Older {
        /// What the coordinator says.
        found: u64,
        /// Number of the version in use.
        known: u64,
    },
}

impl RegistryTrouble {
    /// The stable code.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Client(error) => error.reason(),
            Self::Registry(_) | Self::Version(_) => Reason::RegistryInvalid,
            Self::Older { .. } => Reason::VersionOld,
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
    let response = retry::call(Party::Coordinator, deadlines, GetRegistryRequest::default(), |request| {
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

/// Fetches the version that came into force next after `known`, if there is one, and proves it: signatures, pins,
/// succession, and that a quorum of the witnesses of `known` stands behind its record.
///
/// # Errors
/// [`RegistryTrouble`]; then `known` stays in use.
pub async fn fetch_next(
    coordinator: Channel,
    known: &Registry,
    lineage: &Lineage,
    pins: &Pins,
    log: &NoteVerifier,
    deadlines: &Deadlines,
    now: Millis,
) -> Result<Option<FetchedRegistry>, RegistryTrouble> {
    let request = GetRegistryRequest { after: known.number(), ..Default::default() };
    let response = retry::call(Party::Coordinator, deadlines, request, |request| {
        let mut client =
            RegistryServiceClient::new(coordinator.clone()).max_decoding_message_size(MAX_MESSAGE);
        async move { client.get_registry(request).await }
    })
    .await?;
    let found = response.in_force_number;
    let is_other = found == known.number() && *response.in_force_hash != known.hash();
    if found < known.number() || is_other {
        return Err(RegistryTrouble::Older { found, known: known.number() });
    }
    if response.registry.is_empty() {
        return Ok(None);
    }
    let record = response.record.ok_or_else(|| ClientError::missing(Party::Coordinator, "record"))?;
    let inclusion = tacit_wire::chunks32("path", &record.path, MAX_PATH)
        .map_err(ClientError::malformed(Party::Coordinator))?;
    let logged = LoggedRecord {
        record: record.record.to_vec(),
        index: record.index,
        inclusion,
        checkpoint: response.checkpoint.to_vec(),
    };
    let served = Served { bytes: &response.registry, logged: &logged };
    let next = known.follow(lineage, served, pins, log, now.0 / 1000).map_err(Box::new)?;
    Ok(Some(FetchedRegistry { registry: Arc::new(next), bytes: response.registry }))
}
