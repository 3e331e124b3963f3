//! The registry in use, and the pseudonym keys that go with it.
//!
//! It comes from the coordinator, is proven to be in the witnessed log, and is kept in the database, so that a
//! custodian starts without the coordinator too. A registry that is older, contradicts the configuration, or
//! publishes a key that the seed does not give is never taken over.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tacit_identity::Role;
use tacit_ledger::ed25519::VerifyingKey;
use tacit_ledger::record::Record;
use tacit_model::{MemberId, Reason};
use tacit_policy::{Pins, Registry};
use tacit_store::Db;
use tacit_wire::coordinator::GetRegistryRequest;
use tacit_wire::coordinator::registry_service_client::RegistryServiceClient;
use tacit_witness::Witness;
use tonic::transport::Channel;

use crate::error::RegistryTrouble;
use crate::keys::{Keys, Seeds};
use crate::store;

/// Deadline of one request for the registry.
const FETCH_DEADLINE: Duration = Duration::from_secs(20);
/// Pause between attempts at the first start.
const RETRY: Duration = Duration::from_millis(300);
/// A registry file has at most 64 MiB.
const MAX_MESSAGE: usize = 65 << 20;

/// A registry with the keys that it publishes.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) registry: Registry,
    pub(crate) keys: Keys,
}

/// What is needed to take a registry over.
pub(crate) struct Source {
    pub(crate) coordinator: Channel,
    pub(crate) witness: Witness,
    pub(crate) db: Db,
    pub(crate) pins: Pins,
    pub(crate) seeds: Seeds,
    /// Who must be coordinator and custodian in it.
    pub(crate) coordinator_id: MemberId,
    pub(crate) own_id: MemberId,
    /// The public half of the key that cosigns.
    pub(crate) witness_key: VerifyingKey,
}

/// The registry in use. Clones share it.
#[derive(Clone)]
pub(crate) struct Federation(Arc<Shared>);

struct Shared {
    source: Source,
    known: RwLock<Arc<Known>>,
}

impl Federation {
    /// Starts with the registry that is kept, or waits up to `patience` for the coordinator to give the first one.
    pub(crate) async fn start(source: Source, patience: Duration) -> Result<Self, RegistryTrouble> {
        let kept = store::registry::load(&mut *source.db.read().await?).await?;
        let known = match kept {
            Some(bytes) => match source.read(&bytes) {
                Ok(known) => known,
                Err(error) => {
                    tracing::warn!(%error, "the registry that was kept cannot be used any more");
                    source.first(patience).await?
                }
            },
            None => source.first(patience).await?,
        };
        source.witness.set_witnesses(known.registry.witnesses()?).await;
        Ok(Self(Arc::new(Shared { source, known: RwLock::new(Arc::new(known)) })))
    }

    /// The registry in use now.
    pub(crate) fn known(&self) -> Arc<Known> {
        Arc::clone(&self.0.known.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Fetches the registry for ever, and takes a newer one over.
    pub(crate) async fn follow(self, every: Duration) {
        loop {
            match self.refresh().await {
                Ok(()) => {}
                Err(RegistryTrouble::Fetch(status)) => {
                    tracing::debug!(%status, "no registry from the coordinator")
                }
                Err(error) => tracing::error!(%error, "the coordinator's registry is not taken over"),
            }
            tokio::time::sleep(every).await;
        }
    }

    /// Fetches the registry once.
    pub(crate) async fn refresh(&self) -> Result<(), RegistryTrouble> {
        let current = self.known();
        let Some(known) = self.0.source.fetch(Some(&current.registry)).await? else { return Ok(()) };
        tracing::info!(number = known.registry.number(), "a new registry is in use");
        self.0.source.witness.set_witnesses(known.registry.witnesses()?).await;
        *self.0.known.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(known);
        Ok(())
    }
}

impl Source {
    async fn first(&self, patience: Duration) -> Result<Known, RegistryTrouble> {
        let until = tokio::time::Instant::now() + patience;
        loop {
            let trouble = match self.fetch(None).await {
                Ok(Some(known)) => return Ok(known),
                Ok(None) => RegistryTrouble::OtherRegistry,
                Err(trouble) => trouble,
            };
            let may_pass = matches!(
                trouble,
                RegistryTrouble::Fetch(_)
                    | RegistryTrouble::NotLogged(Reason::LogBehind | Reason::Unavailable)
            );
            if !may_pass || tokio::time::Instant::now() >= until {
                return Err(trouble);
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    /// Fetches, proves and keeps the registry; `None` when it is the one in use.
    async fn fetch(&self, current: Option<&Registry>) -> Result<Option<Known>, RegistryTrouble> {
        let mut client =
            RegistryServiceClient::new(self.coordinator.clone()).max_decoding_message_size(MAX_MESSAGE);
        let mut request = tonic::Request::new(GetRegistryRequest {});
        request.set_timeout(FETCH_DEADLINE);
        let answer = client.get_registry(request).await.map_err(Box::new)?.into_inner();
        let hash = tacit_policy::registry_hash(&answer.registry);
        if current.is_some_and(|known| known.hash() == hash) {
            return Ok(None);
        }
        let record = answer.record.ok_or(RegistryTrouble::NotLogged(Reason::Malformed))?;
        let verified =
            self.witness.verify(&answer.checkpoint, &[record]).await.map_err(RegistryTrouble::NotLogged)?;
        let verified = verified.into_iter().next().ok_or(RegistryTrouble::OtherRegistry)?;
        let number = match verified.map_err(RegistryTrouble::NotLogged)?.into_record() {
            Record::Registry(record) if record.registry == hash => record.number,
            _ => return Err(RegistryTrouble::OtherRegistry),
        };
        let known = self.read(&answer.registry)?;
        if known.registry.number() != number {
            return Err(RegistryTrouble::OtherRegistry);
        }
        if let Some(current) = current.filter(|current| current.number() >= number) {
            return Err(RegistryTrouble::Older { found: number, known: current.number() });
        }
        store::registry::keep(&mut *self.db.write().await?, number, &answer.registry).await?;
        Ok(Some(known))
    }

    fn read(&self, bytes: &[u8]) -> Result<Known, RegistryTrouble> {
        let registry = Registry::parse(bytes, &self.pins)?;
        for (role, found, expected) in [
            (Role::Coordinator, registry.coordinator(), &self.coordinator_id),
            (Role::Custodian, registry.custodian(), &self.own_id),
        ] {
            if found != expected {
                return Err(RegistryTrouble::OtherParty {
                    role,
                    found: found.clone(),
                    expected: expected.clone(),
                });
            }
        }
        registry.witnesses()?;
        let shown = registry.member(&self.own_id).and_then(|own| own.keys.witness);
        if shown.is_none_or(|key| key.0 != self.witness_key) {
            return Err(RegistryTrouble::WitnessKey);
        }
        let keys = self.seeds.keys(&registry)?;
        Ok(Known { registry, keys })
    }
}
