//! What of the log may be relied on: only what a quorum of its witnesses stands behind, lately.
//!
//! ```text
//! GetCheckpoint ─▶ note with cosignatures ─▶ Q, at most 10 minutes old
//! a record under checkpoint K ─▶ K continues Q, or Q continues K: proven ─▶ accepted
//! ```

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use tacit_ledger::Hash;
use tacit_ledger::checkpoint::VerifiedCheckpoint;
use tacit_ledger::note::NoteVerifier;
use tacit_ledger::quorum::{CosignedCheckpoint, WitnessSet};
use tacit_model::{Clock, Millis, Reason};
use tacit_policy::Registry;
use tacit_wire::coordinator::log_service_client::LogServiceClient;
use tacit_wire::coordinator::{GetCheckpointRequest, GetConsistencyRequest};
use tokio::time::Instant;
use tonic::transport::Channel;

use crate::connections::MAX_MESSAGE;
use crate::error::{ClientError, Party};
use crate::records::LogKey;
use crate::retry::{self, Deadlines};

/// From which age on a newer quorum is asked for, in seconds: that of the idle refresh.
const RENEW_S: u64 = 60;
/// Pause between two questions for a newer one while the known one may still be used, in milliseconds.
const PAUSE_MS: u64 = 5_000;
/// How long a quorum is waited for: after a start its witnesses come one by one.
const WITNESSES: Duration = Duration::from_secs(3);
/// Pause between two questions meanwhile.
const AGAIN: Duration = Duration::from_millis(100);
/// Most hashes of a consistency proof.
const MAX_PROOF: usize = 130;
/// Checkpoints that were accepted and are remembered.
const REMEMBERED: usize = 256;

/// The log behind a coordinator, with its witnesses. Clones share everything.
#[derive(Clone)]
pub(crate) struct WitnessedLog(Arc<Inner>);

struct Inner {
    key: LogKey,
    client: LogServiceClient<Channel>,
    deadlines: Deadlines,
    clock: Arc<dyn Clock>,
    witnesses: RwLock<Option<WitnessSet>>,
    known: Mutex<Known>,
    /// One question at a time; all who wait share it.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Known {
    newest: Option<Arc<CosignedCheckpoint>>,
    asked: Millis,
    /// How often it was asked for in vain.
    failed: u64,
    accepted: VecDeque<(u64, Hash)>,
}

impl fmt::Debug for WitnessedLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WitnessedLog").field("log", self.0.key.verifier()).finish_non_exhaustive()
    }
}

impl WitnessedLog {
    pub(crate) fn new(
        verifier: NoteVerifier,
        registry: &Registry,
        coordinator: Channel,
        deadlines: Deadlines,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let this = Self(Arc::new(Inner {
            key: LogKey::new(verifier),
            client: LogServiceClient::new(coordinator).max_decoding_message_size(MAX_MESSAGE),
            deadlines,
            clock,
            witnesses: RwLock::default(),
            known: Mutex::default(),
            asking: tokio::sync::Mutex::new(()),
        }));
        this.set_registry(registry);
        this
    }

    /// Counts the witnesses of this registry from now on.
    pub(crate) fn set_registry(&self, registry: &Registry) {
        let witnesses = match registry.witnesses() {
            Ok(witnesses) => Some(witnesses),
            Err(error) => {
                tracing::error!(%error, "the registry names no witnesses: no answer of the coordinator is accepted");
                None
            }
        };
        let mut current = self.0.witnesses.write().unwrap_or_else(PoisonError::into_inner);
        if *current != witnesses {
            *current = witnesses;
            *self.known() = Known::default();
        }
    }

    /// The log's key alone.
    pub(crate) fn key(&self) -> &LogKey {
        &self.0.key
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known, however old it is.
    pub(crate) fn newest(&self) -> Option<Arc<CosignedCheckpoint>> {
        self.known().newest.clone()
    }

    fn now_s(&self) -> u64 {
        self.0.clock.now().0 / 1000
    }

    /// What is known, if nothing newer has to be asked for.
    fn recent(&self) -> Option<Arc<CosignedCheckpoint>> {
        let known = self.known();
        let newest = known.newest.clone()?;
        let age_s = self.now_s().saturating_sub(newest.time_s());
        let asked_now =
            self.0.clock.now().since(known.asked) < PAUSE_MS && newest.check_fresh(self.now_s()).is_ok();
        (age_s <= RENEW_S || asked_now).then_some(newest)
    }

    /// The newest checkpoint that a quorum stands behind, at most ten minutes old.
    ///
    /// # Errors
    /// [`ClientError::Quorum`] when there is none: then nothing may be decided. No answer.
    pub(crate) async fn quorum(&self) -> Result<Arc<CosignedCheckpoint>, ClientError> {
        if let Some(recent) = self.recent() {
            return Ok(recent);
        }
        let failed = self.known().failed;
        let _one = self.0.asking.lock().await;
        if let Some(recent) = self.recent() {
            return Ok(recent);
        }
        if self.known().failed != failed {
            // Who waited while nobody stood behind the log does not wait as long again.
            let reason = Reason::QuorumStale;
            return Err(ClientError::NoAnswer { party: Party::Coordinator, reason });
        }
        let found = self.ask_patiently().await;
        if found.is_err() {
            self.known().failed += 1;
        }
        found
    }

    /// Asks until a quorum is there, or for as long as the witnesses need after a start.
    async fn ask_patiently(&self) -> Result<Arc<CosignedCheckpoint>, ClientError> {
        let until = Instant::now() + WITNESSES;
        loop {
            match self.ask_once().await {
                Err(ClientError::Quorum(_)) if Instant::now() < until => tokio::time::sleep(AGAIN).await,
                outcome => return outcome,
            }
        }
    }

    async fn ask_once(&self) -> Result<Arc<CosignedCheckpoint>, ClientError> {
        let asked = self.ask().await;
        let known = {
            let mut known = self.known();
            known.asked = self.0.clock.now();
            if let Ok(found) = &asked
                && known.newest.as_ref().is_none_or(|newest| newest.time_s() < found.time_s())
            {
                known.newest = Some(Arc::clone(found));
            }
            known.newest.clone()
        };
        match known {
            Some(newest) if newest.check_fresh(self.now_s()).is_ok() => Ok(newest),
            _ => {
                asked?.check_fresh(self.now_s())?;
                Err(ClientError::Registry("the witnesses of the log"))
            }
        }
    }

    async fn ask(&self) -> Result<Arc<CosignedCheckpoint>, ClientError> {
        let response =
            retry::call(Party::Coordinator, &self.0.deadlines, GetCheckpointRequest {}, |request| {
                let mut client = self.0.client.clone();
                async move { client.get_checkpoint(request).await }
            })
            .await?;
        // Also compares it with the newest checkpoint seen.
        self.0.key.open(&response.checkpoint)?;
        let witnesses = self.0.witnesses.read().unwrap_or_else(PoisonError::into_inner).clone();
        let witnesses = witnesses.ok_or(ClientError::Registry("the witnesses of the log"))?;
        if response.cosigned.is_empty() {
            return Err(ClientError::none_of(&witnesses));
        }
        Ok(Arc::new(witnesses.open(&response.cosigned, self.0.key.verifier(), self.now_s())?))
    }

    /// Opens a checkpoint that something may be decided by: it is proven that it continues the quorum's, or the
    /// quorum's continues it. `consistency` is the proof from the quorum's to it that came along, empty for none.
    ///
    /// # Errors
    /// [`ClientError::Quorum`], [`ClientError::Log`] when it is on another branch; no answer.
    pub(crate) async fn accept(
        &self,
        note: &[u8],
        quorum: &CosignedCheckpoint,
        consistency: &[u8],
    ) -> Result<VerifiedCheckpoint, ClientError> {
        let checkpoint = self.0.key.open(note)?;
        quorum.check_fresh(self.now_s())?;
        let identity = (checkpoint.size(), *checkpoint.root());
        if self.known().accepted.contains(&identity) {
            return Ok(checkpoint);
        }
        let behind = quorum.checkpoint();
        let (older, newer) =
            if behind.size() <= checkpoint.size() { (behind, &checkpoint) } else { (&checkpoint, behind) };
        let proof = if older.size() == newer.size() {
            Vec::new()
        } else if older.size() == behind.size() && !consistency.is_empty() {
            tacit_wire::chunks32("cosigned_consistency", consistency, MAX_PROOF)
                .map_err(ClientError::malformed(Party::Coordinator))?
        } else {
            self.consistency(older.size(), newer.size()).await?
        };
        newer.verify_extends(older, &proof).inspect_err(|error| {
            tracing::error!(
                %error, quorum = behind.size(), size = checkpoint.size(),
                "ALARM: what the coordinator shows is not what its witnesses saw"
            );
        })?;
        let mut known = self.known();
        if known.accepted.len() == REMEMBERED {
            known.accepted.pop_front();
        }
        known.accepted.push_back(identity);
        Ok(checkpoint)
    }

    /// [`WitnessedLog::accept`] for a checkpoint that came without a proof.
    ///
    /// # Errors
    /// As [`WitnessedLog::accept`].
    pub(crate) async fn accept_alone(&self, note: &[u8]) -> Result<VerifiedCheckpoint, ClientError> {
        let quorum = self.quorum().await?;
        self.accept(note, &quorum, &[]).await
    }

    async fn consistency(&self, from_size: u64, to_size: u64) -> Result<Vec<Hash>, ClientError> {
        let request = GetConsistencyRequest { from_size, to_size };
        let response = retry::call(Party::Coordinator, &self.0.deadlines, request, |request| {
            let mut client = self.0.client.clone();
            async move { client.get_consistency(request).await }
        })
        .await?;
        tacit_wire::chunks32("consistency", &response.consistency, MAX_PROOF)
            .map_err(ClientError::malformed(Party::Coordinator))
    }
}
