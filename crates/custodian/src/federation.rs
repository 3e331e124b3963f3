//! The registry in use, and the pseudonym keys that go with it.
//!
//! It comes from the coordinator, is proven to be in the witnessed log, and is kept in the database, so that a
//! custodian starts without the coordinator too. A registry that is older, contradicts the configuration, or
//! publishes a key that the seed does not give is never taken over.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tacit_identity::{Credentials, Role};
use tacit_ledger::ed25519::VerifyingKey;
use tacit_ledger::logged::LoggedRecord;
use tacit_ledger::note::NoteVerifier;
use tacit_ledger::record::Record;
use tacit_model::{Clock, MemberId, Reason};
use tacit_policy::registry::versions::{Lineage, Served};
use tacit_policy::{Pins, Registry};
use tacit_store::Db;
use tacit_wire::coordinator::registry_service_client::RegistryServiceClient;
use tacit_wire::coordinator::{GetRegistryRequest, GetRegistryResponse};
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
    /// What earlier versions said.
    lineage: Lineage,
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
    pub(crate) log_key: NoteVerifier,
    pub(crate) clock: Arc<dyn Clock>,
    /// Whose open connections end when a member is removed.
    pub(crate) credentials: Credentials,
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
                Ok(()) => metrics::gauge!("tacit_registry_refused").set(0.0),
                Err(RegistryTrouble::Fetch(status)) => {
                    tracing::debug!(%status, "no registry from the coordinator")
                }
                Err(error) => {
                    metrics::gauge!("tacit_registry_refused").set(1.0);
                    metrics::counter!("tacit_registry_refusals_total").increment(1);
                    tracing::error!(%error, "ALARM: the coordinator's registry is refused; the old one stays in use");
                }
            }
            tokio::time::sleep(every).await;
        }
    }

    /// Goes on, version by version, to the one in force.
    pub(crate) async fn refresh(&self) -> Result<(), RegistryTrouble> {
        let source = &self.0.source;
        loop {
            let current = self.known();
            let Some(known) = source.next(&current).await? else { return Ok(()) };
            tracing::info!(number = known.registry.number(), "a new registry is in use");
            source.witness.set_witnesses(known.registry.witnesses()?).await;
            let known = Arc::new(known);
            *self.0.known.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&known);
            let is_gone = |id: &&MemberId| known.registry.member(id).is_none();
            let gone: Vec<_> = current.registry.members().map(|it| &it.id).filter(is_gone).cloned().collect();
            if !gone.is_empty() {
                tracing::warn!(members = ?gone, "removed from the registry: their connections end");
                source.credentials.end_connections(&gone);
            }
        }
    }
}

impl Source {
    async fn first(&self, patience: Duration) -> Result<Known, RegistryTrouble> {
        let until = tokio::time::Instant::now() + patience;
        loop {
            let trouble = match self.fetch().await {
                Ok(known) => return Ok(known),
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

    /// One answer of the coordinator.
    async fn ask(&self, after: u64) -> Result<GetRegistryResponse, RegistryTrouble> {
        let mut client =
            RegistryServiceClient::new(self.coordinator.clone()).max_decoding_message_size(MAX_MESSAGE);
        let mut request = tonic::Request::new(GetRegistryRequest { after, ..Default::default() });
        request.set_timeout(FETCH_DEADLINE);
        Ok(client.get_registry(request).await.map_err(Box::new)?.into_inner())
    }

    /// Fetches, proves and keeps the first registry: by the pins, and by the log.
    async fn fetch(&self) -> Result<Known, RegistryTrouble> {
        let answer = self.ask(0).await?;
        let record = answer.record.ok_or(RegistryTrouble::NotLogged(Reason::Malformed))?;
        let verified =
            self.witness.verify(&answer.checkpoint, &[record]).await.map_err(RegistryTrouble::NotLogged)?;
        let verified = verified.into_iter().next().ok_or(RegistryTrouble::OtherRegistry)?;
        let hash = tacit_policy::registry_hash(&answer.registry);
        let number = match verified.map_err(RegistryTrouble::NotLogged)?.into_record() {
            Record::Registry(record) if record.registry == hash => record.number,
            _ => return Err(RegistryTrouble::OtherRegistry),
        };
        let known = self.read(&answer.registry)?;
        if known.registry.number() != number {
            return Err(RegistryTrouble::OtherRegistry);
        }
        store::registry::keep(&mut *self.db.write().await?, number, &answer.registry).await?;
        Ok(known)
    }

    /// Fetches, proves and keeps the version after the one in use, by a quorum of that one; `None` when there is none.
    async fn next(&self, current: &Known) -> Result<Option<Known>, RegistryTrouble> {
        let known = &current.registry;
        let answer = self.ask(known.number()).await?;
        let found = answer.in_force_number;
        let is_other = found == known.number() && *answer.in_force_hash != known.hash();
        if found < known.number() || is_other {
            return Err(RegistryTrouble::Older { found, known: known.number() });
        }
        if answer.registry.is_empty() {
            return Ok(None);
        }
        let record = answer.record.ok_or(RegistryTrouble::NotLogged(Reason::Malformed))?;
        // That checkpoint is one of this log as it was seen here.
        self.witness.witness(&answer.checkpoint).await.map_err(RegistryTrouble::NotLogged)?;
        let inclusion = tacit_wire::chunks32("path", &record.path, 64)
            .map_err(|_| RegistryTrouble::NotLogged(Reason::Malformed))?;
        let logged = LoggedRecord {
            record: record.record.to_vec(),
            index: record.index,
            inclusion,
            checkpoint: answer.checkpoint.to_vec(),
        };
        let served = Served { bytes: &answer.registry, logged: &logged };
        let now_s = self.clock.now().0 / 1000;
        let next =
            known.follow(&current.lineage, served, &self.pins, &self.log_key, now_s).map_err(Box::new)?;
        let number = next.number();
        let mut next = self.usable(next)?;
        next.lineage = current.lineage.clone();
        next.lineage.learn(&next.registry);
        store::registry::keep(&mut *self.db.write().await?, number, &answer.registry).await?;
        Ok(Some(next))
    }

    fn read(&self, bytes: &[u8]) -> Result<Known, RegistryTrouble> {
        self.usable(Registry::parse(bytes, &self.pins)?)
    }

    /// Whether this custodian can work by it.
    fn usable(&self, registry: Registry) -> Result<Known, RegistryTrouble> {
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
        let lineage = Lineage::of(&registry);
        Ok(Known { registry, keys, lineage })
    }
}
