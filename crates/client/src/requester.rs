//! The requester: one handle on everything a question needs.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use tacit_blind::letter::LetterSecretKey;
use tacit_ledger::Hash;
use tacit_ledger::ed25519::SigningKey;
use tacit_ledger::note::NoteVerifier;
use tacit_model::{Clock, MemberId, Millis};
use tacit_policy::Registry;
use zeroize::Zeroizing;

use crate::connections::Connections;
use crate::consents::Withdrawn;
use crate::enroll::Exhausted;
use crate::error::ClientError;
use crate::manifests::Manifests;
use crate::pace::Pace;
use crate::question::Refusal;
use crate::quorum::WitnessedLog;
use crate::records::LogKey;
use crate::retry::Deadlines;
use crate::store::{Counts, RequesterStore};
use crate::vault::Vault;

/// Work on fewer items stays on the thread that asks for it.
const FEW: usize = 4;

/// Who asks, and how patiently.
#[derive(Debug, Clone)]
pub struct RequesterConfig {
    /// The requester's member id.
    pub member: MemberId,
    /// The pinned key of the coordinator's log.
    pub log_key: NoteVerifier,
    /// How long others are waited for.
    pub deadlines: Deadlines,
}

/// The requester's secrets. Never printed; the store key is wiped on drop.
pub struct RequesterKeys {
    /// The member signing key, whose public half is in the registry.
    pub signing: SigningKey,
    /// What everything kept is sealed under.
    pub store: Zeroizing<[u8; 32]>,
    /// What letters for this member open with; none for who gets no letters.
    pub letters: Option<LetterSecretKey>,
}

impl fmt::Debug for RequesterKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RequesterKeys(..)")
    }
}

/// Asks questions. Clones share everything.
#[derive(Clone)]
pub struct Requester(Arc<Inner>);

struct Inner {
    config: RequesterConfig,
    signing: RwLock<Arc<SigningKey>>,
    vault: Vault,
    letters: Option<LetterSecretKey>,
    registry: RwLock<Arc<Registry>>,
    log: WitnessedLog,
    connections: Connections,
    store: Arc<dyn RequesterStore>,
    clock: Arc<dyn Clock>,
    manifests: Manifests,
    withdrawn: Withdrawn,
    exhausted: Exhausted,
    pace: Pace,
    /// Requests under way in this process, which recovery leaves alone.
    under_way: Mutex<HashSet<Hash>>,
}

impl fmt::Debug for Requester {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Requester").field("member", &self.0.config.member).finish_non_exhaustive()
    }
}

impl Requester {
    /// A requester. Call [`Requester::recover`] before the first question, and run
    /// [`Requester::follow_consents`] beside it.
    #[must_use]
    pub fn new(
        config: RequesterConfig,
        keys: RequesterKeys,
        registry: Arc<Registry>,
        connections: Connections,
        store: Arc<dyn RequesterStore>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let coordinator = connections.coordinator();
        let key = config.log_key.clone();
        let log = WitnessedLog::new(key, &registry, coordinator, config.deadlines, Arc::clone(&clock));
        Self(Arc::new(Inner {
            signing: RwLock::new(Arc::new(keys.signing)),
            vault: Vault::new(&keys.store),
            letters: keys.letters,
            registry: RwLock::new(registry),
            manifests: Manifests::new(connections.coordinator(), log.clone(), config.deadlines),
            log,
            connections,
            store,
            clock,
            withdrawn: Withdrawn::default(),
            exhausted: Exhausted::default(),
            pace: Pace::default(),
            under_way: Mutex::default(),
            config,
        }))
    }

    /// Who asks.
    #[must_use]
    pub fn member(&self) -> &MemberId {
        &self.0.config.member
    }

    /// The registry in use.
    #[must_use]
    pub fn registry(&self) -> Arc<Registry> {
        Arc::clone(&self.0.registry.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Uses another registry from the next question on.
    pub fn set_registry(&self, registry: Arc<Registry>) {
        self.0.log.set_registry(&registry);
        *self.0.registry.write().unwrap_or_else(PoisonError::into_inner) = registry;
        self.0.exhausted.set(None, self.now());
    }

    /// Signs with another key from the next request on: the registry shows its public half now.
    pub fn set_signing(&self, key: SigningKey) {
        *self.0.signing.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(key);
    }

    /// The newest checkpoint that a quorum of witnesses was seen to stand behind, by its size, and when they did. Nobody is
    /// asked for it.
    #[must_use]
    pub fn quorum(&self) -> Option<(u64, Millis)> {
        self.0.log.newest().map(|it| (it.checkpoint().size(), Millis(it.time_s().saturating_mul(1000))))
    }

    /// How much is kept.
    ///
    /// # Errors
    /// [`ClientError::Store`].
    pub async fn counts(&self) -> Result<Counts, ClientError> {
        Ok(self.store().counts().await?)
    }

    pub(crate) fn deadlines(&self) -> &Deadlines {
        &self.0.config.deadlines
    }

    pub(crate) fn signing(&self) -> Arc<SigningKey> {
        Arc::clone(&self.0.signing.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn letters_key(&self) -> Option<&LetterSecretKey> {
        self.0.letters.as_ref()
    }

    pub(crate) fn vault(&self) -> &Vault {
        &self.0.vault
    }

    pub(crate) fn log(&self) -> &LogKey {
        self.0.log.key()
    }

    /// The log with its witnesses: what may be decided by.
    pub(crate) fn witnessed(&self) -> &WitnessedLog {
        &self.0.log
    }

    pub(crate) fn log_verifier(&self) -> &NoteVerifier {
        &self.0.config.log_key
    }

    pub(crate) fn connections(&self) -> &Connections {
        &self.0.connections
    }

    pub(crate) fn store(&self) -> &dyn RequesterStore {
        self.0.store.as_ref()
    }

    pub(crate) fn manifests(&self) -> &Manifests {
        &self.0.manifests
    }

    pub(crate) fn withdrawn(&self) -> &Withdrawn {
        &self.0.withdrawn
    }

    pub(crate) fn now(&self) -> Millis {
        self.0.clock.now()
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        self.0.clock.as_ref()
    }

    pub(crate) fn pace(&self) -> &Pace {
        &self.0.pace
    }

    pub(crate) fn exhausted(&self) -> Option<Refusal> {
        self.0.exhausted.get(self.now())
    }

    pub(crate) fn note_exhausted(&self, refusal: &Refusal) {
        self.0.exhausted.set((refusal.remaining == 0).then(|| refusal.clone()), self.now());
    }

    /// Marks a request as under way until the guard is dropped.
    pub(crate) fn begin(&self, hash: Hash) -> UnderWay {
        self.under_way().insert(hash);
        UnderWay { requester: self.clone(), hash }
    }

    pub(crate) fn is_under_way(&self, hash: &Hash) -> bool {
        self.under_way().contains(hash)
    }

    fn under_way(&self) -> std::sync::MutexGuard<'_, HashSet<Hash>> {
        self.0.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that this process is busy with.
pub(crate) struct UnderWay {
    requester: Requester,
    hash: Hash,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.requester.under_way().remove(&self.hash);
    }
}

/// Runs work on `items` items off the asynchronous threads when it is worth it.
pub(crate) async fn heavy<T: Send + 'static>(
    items: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ClientError> {
    if items < FEW {
        return Ok(work());
    }
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        tracing::error!(%error, "a worker ended early");
        ClientError::Worker
    })
}
