//! Follows the coordinator's log, and says whether a permit is good here: for holders and the custodian.
//!
//! ```text
//! coordinator --stream of checkpoints, each with its consistency proof--> verify, persist, remember
//! permit under a checkpoint --> remembered?          yes: inclusion, then the rules every member shares
//!                               newer or in between? wait a moment for the stream, then ask for the proof
//! ```
//!
//! A [`Witness`] has one view of the log, which only grows: whatever enters it was proven, under one lock, to
//! agree with the newest checkpoint in it. A checkpoint that contradicts it is never accepted, whoever
//! brings it. A [`GoodPermit`] can only be made here.
//!
//! What it does *not* do yet: cosign, count a quorum, or freeze.

mod follow;
mod permit;
mod view;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tacit_identity::PeerIdentity;
use tacit_ledger::{
    Hash,
    checkpoint::{CheckpointOpener, VerifiedCheckpoint},
    logged::{LoggedRecord, VerifiedRecord},
    note::NoteVerifier,
};
use tacit_model::{Clock, Reason};
use tacit_store::{Db, StoreError};
use tacit_wire::{
    common,
    coordinator::{GetConsistencyRequest, log_service_client::LogServiceClient},
};
use tokio::sync::{Mutex, MutexGuard, watch};
use tokio::task::AbortHandle;
use tonic::transport::Channel;

pub use permit::GoodPermit;
use view::{Known, View};

/// How long a permit waits for the stream to bring its checkpoint before the proof is asked for.
const STREAM_PATIENCE: Duration = Duration::from_millis(150);

/// Deadline of a request for a proof.
const PROOF_DEADLINE: Duration = Duration::from_secs(5);

/// Records of a call from which on their hashing leaves the threads that serve connections.
const HEAVY: usize = 32;

/// What a witness needs.
pub struct WitnessConfig {
    /// A channel to the coordinator.
    pub coordinator: Channel,
    /// The log's public key, pinned in the member's configuration; its name is the log's origin.
    pub log_key: NoteVerifier,
    /// The member's database, with the table `witness_state`.
    pub db: Db,
    /// The clock that permits are judged by.
    pub clock: Arc<dyn Clock>,
}

/// A member's view of the coordinator's log. Clones share it.
#[derive(Clone)]
pub struct Witness {
    shared: Arc<Shared>,
    _following: Arc<Following>,
}

/// The task that follows the stream; it ends with the last clone of its witness.
struct Following(AbortHandle);

impl Drop for Following {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct Shared {
    log: LogServiceClient<Channel>,
    opener: CheckpointOpener,
    db: Db,
    clock: Arc<dyn Clock>,
    view: std::sync::Mutex<View>,
    /// Size of the newest verified checkpoint; 0 when there is none.
    size: watch::Sender<u64>,
    /// Held by who makes the view grow, also while a proof is asked for: all who wait share one request.
    growing: Mutex<()>,
    /// Requests for a proof that did not reach the coordinator.
    unreached: AtomicU64,
}

/// The right to make the view grow.
struct Growing<'a>(#[expect(dead_code, reason = "held, not read")] MutexGuard<'a, ()>);

impl std::fmt::Debug for Witness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Witness").field("size", &*self.shared.size.borrow()).finish()
    }
}

impl Witness {
    /// Loads what was verified before and follows the log from there, in the background, until the last
    /// clone is dropped.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when what was saved is not signed by the log; [`StoreError::Database`].
    pub async fn start(config: WitnessConfig) -> Result<Self, StoreError> {
        let mut conn = config.db.read().await?;
        let saved = tacit_store::witness::load(&mut conn).await?;
        drop(conn);
        let mut view = View::default();
        if let Some(note) = saved {
            let checkpoint = VerifiedCheckpoint::open(&note, &config.log_key).map_err(|_| {
                StoreError::corrupt(
                    "witness_state",
                    "note",
                    1,
                    "does not verify under the log's key in the configuration",
                )
            })?;
            view.adopt(checkpoint, config.clock.now());
        }
        let size = view.newest().map_or(0, VerifiedCheckpoint::size);
        let shared = Arc::new(Shared {
            log: LogServiceClient::new(config.coordinator).max_decoding_message_size(1 << 20),
            opener: CheckpointOpener::new(config.log_key),
            db: config.db,
            clock: config.clock,
            view: std::sync::Mutex::new(view),
            size: watch::channel(size).0,
            growing: Mutex::new(()),
            unreached: AtomicU64::new(0),
        });
        let following = tokio::spawn(follow::follow(shared.clone())).abort_handle();
        Ok(Self { shared, _following: Arc::new(Following(following)) })
    }

    /// The newest verified checkpoint.
    #[must_use]
    pub fn newest(&self) -> Option<VerifiedCheckpoint> {
        self.shared.view().newest().cloned()
    }

    /// Verifies that a checkpoint is the log's and agrees with everything seen so far.
    ///
    /// # Errors
    /// [`Reason::PermitNotLogged`] when the log did not sign it, [`Reason::LogInconsistent`] when it
    /// contradicts the view, [`Reason::LogBehind`] when nobody can be asked, [`Reason::Unavailable`].
    pub async fn witness(&self, note: &[u8]) -> Result<VerifiedCheckpoint, Reason> {
        let checkpoint = self.shared.opener.open(note).map_err(|_| Reason::PermitNotLogged)?;
        self.shared.agree(&checkpoint).await?;
        Ok(checkpoint)
    }

    /// Verifies records under one checkpoint. Each record has its own outcome.
    ///
    /// # Errors
    /// As [`Witness::witness`], for the checkpoint of all of them.
    pub async fn verify(
        &self,
        note: &[u8],
        records: &[common::LoggedRecord],
    ) -> Result<Vec<Result<VerifiedRecord, Reason>>, Reason> {
        let checkpoint = self.witness(note).await?;
        if records.len() < HEAVY {
            return Ok(records.iter().map(|record| verify_one(record, &checkpoint)).collect());
        }
        let records = records.to_vec();
        let verify = move || records.iter().map(|record| verify_one(record, &checkpoint)).collect();
        tokio::task::spawn_blocking(verify).await.map_err(|_| Reason::Internal)
    }

    /// Verifies permits under one checkpoint by the rules that holders and the custodian share
    /// (docs/PROTOCOL.md): record of kind access, requester and certificate of this very peer, time.
    ///
    /// # Errors
    /// As [`Witness::witness`], for the checkpoint of all of them.
    pub async fn check_permits(
        &self,
        note: &[u8],
        permits: &[common::LoggedRecord],
        peer: &PeerIdentity,
    ) -> Result<Vec<Result<GoodPermit, Reason>>, Reason> {
        let verified = self.verify(note, permits).await?;
        let now = self.shared.clock.now();
        let mut view = self.shared.view();
        Ok(verified
            .into_iter()
            .map(|record| {
                let permit = GoodPermit::check(record?, peer, now, view.newest_accepted())?;
                view.accepted(permit.time());
                Ok(permit)
            })
            .collect())
    }
}

/// From the wire form to a verified record.
fn verify_one(
    record: &common::LoggedRecord,
    checkpoint: &VerifiedCheckpoint,
) -> Result<VerifiedRecord, Reason> {
    let inclusion = tacit_wire::chunks32("path", &record.path, 64).map_err(|_| Reason::Malformed)?;
    let logged = LoggedRecord {
        record: record.record.to_vec(),
        index: record.index,
        inclusion,
        checkpoint: Vec::new(),
    };
    logged.verify_under(checkpoint).map_err(|_| Reason::PermitNotLogged)
}

impl Shared {
    // A panic while the lock is held leaves the view as it was before: every change is one assignment.
    fn view(&self) -> std::sync::MutexGuard<'_, View> {
        self.view.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn newest(&self) -> Option<VerifiedCheckpoint> {
        // The empty log says nothing about what follows it.
        self.view().newest().filter(|newest| newest.size() > 0).cloned()
    }

    async fn grow(&self) -> Growing<'_> {
        Growing(self.growing.lock().await)
    }

    /// Checks that a signed checkpoint agrees with the view, and takes it into the view.
    async fn agree(&self, checkpoint: &VerifiedCheckpoint) -> Result<(), Reason> {
        if let Some(outcome) = self.known(checkpoint) {
            return outcome;
        }
        if checkpoint.size() > *self.size.borrow() {
            let mut size = self.size.subscribe();
            // Not having waited long enough is no error: the proof is asked for next.
            let _ =
                tokio::time::timeout(STREAM_PATIENCE, size.wait_for(|size| *size >= checkpoint.size())).await;
            if let Some(outcome) = self.known(checkpoint) {
                return outcome;
            }
        }
        let unreached = self.unreached.load(Ordering::Relaxed);
        let growing = self.grow().await;
        match self.known(checkpoint) {
            Some(outcome) => outcome,
            // Who waited while the coordinator could not be reached does not wait as long again.
            None if self.unreached.load(Ordering::Relaxed) != unreached => Err(Reason::LogBehind),
            None => self.ask(&growing, checkpoint).await,
        }
    }

    fn known(&self, checkpoint: &VerifiedCheckpoint) -> Option<Result<(), Reason>> {
        match self.view().knows(checkpoint) {
            Known::Yes => Some(Ok(())),
            Known::Contradicted => {
                metrics::counter!("tacit_witness_contradictions_total").increment(1);
                tracing::error!(
                    size = checkpoint.size(),
                    "two signed checkpoints of one size have different roots"
                );
                Some(Err(Reason::LogInconsistent))
            }
            Known::No => None,
        }
    }

    /// Asks the coordinator for the proof between this checkpoint and the newest one known here.
    async fn ask(&self, growing: &Growing<'_>, checkpoint: &VerifiedCheckpoint) -> Result<(), Reason> {
        let Some(newest) = self.newest() else {
            // Nothing was ever verified here: the first checkpoint is taken on the log's signature.
            return self.take(growing, std::slice::from_ref(checkpoint)).await;
        };
        if checkpoint.size() == 0 {
            // Its root is fixed, and every log begins with it.
            return Ok(());
        }
        metrics::counter!("tacit_witness_proofs_asked_total").increment(1);
        let (from, to) = (newest.size().min(checkpoint.size()), newest.size().max(checkpoint.size()));
        let mut request = tonic::Request::new(GetConsistencyRequest { from_size: from, to_size: to });
        request.set_timeout(PROOF_DEADLINE);
        // The deadline is also kept here: a coordinator that does not answer must not hold the view for ever.
        let asked = tokio::time::timeout(PROOF_DEADLINE, self.log.clone().get_consistency(request)).await;
        let response = match asked {
            Ok(Ok(response)) => response.into_inner(),
            Ok(Err(status)) => {
                tracing::warn!(%status, "no consistency proof from the coordinator");
                if tacit_wire::reason_of(&status).is_none() {
                    self.unreached.fetch_add(1, Ordering::Relaxed);
                }
                return Err(Reason::LogBehind);
            }
            Err(_) => {
                tracing::warn!("no consistency proof from the coordinator in time");
                self.unreached.fetch_add(1, Ordering::Relaxed);
                return Err(Reason::LogBehind);
            }
        };
        let proof = tacit_wire::chunks32("consistency", &response.consistency, 130)
            .map_err(|_| Reason::LogInconsistent)?;
        let is_newer = checkpoint.size() > newest.size();
        let (older, newer) = if is_newer { (&newest, checkpoint) } else { (checkpoint, &newest) };
        verify_extends(newer, older, &proof)?;
        self.take(growing, std::slice::from_ref(checkpoint)).await
    }

    /// Takes checkpoints that were proven to agree with the view, ascending by size; the newest of all is
    /// durable before anybody sees it.
    async fn take(&self, _: &Growing<'_>, proven: &[VerifiedCheckpoint]) -> Result<(), Reason> {
        let Some(last) = proven.last() else { return Ok(()) };
        let known = self.newest().map_or(0, |newest| newest.size());
        if last.size() > known {
            let saved = async {
                let mut conn = self.db.write().await?;
                tacit_store::witness::save(&mut conn, last.size(), last.root(), last.note()).await
            };
            saved.await.map_err(|error: StoreError| {
                tracing::error!(%error, "the verified checkpoint could not be saved");
                Reason::Unavailable
            })?;
        }
        let now = self.clock.now();
        let mut view = self.view();
        proven.iter().for_each(|checkpoint| view.adopt(checkpoint.clone(), now));
        drop(view);
        self.size.send_if_modified(|size| {
            let grown = last.size() > *size;
            *size = last.size().max(*size);
            grown
        });
        Ok(())
    }
}

/// Whether `newer` begins with `older`, which is not empty.
fn verify_extends(
    newer: &VerifiedCheckpoint,
    older: &VerifiedCheckpoint,
    proof: &[Hash],
) -> Result<(), Reason> {
    newer.verify_extends(older, proof).map_err(|error| {
        metrics::counter!("tacit_witness_contradictions_total").increment(1);
        tracing::error!(%error, older = older.size(), newer = newer.size(), "the log is not consistent");
        Reason::LogInconsistent
    })
}
