//! Follows the coordinator's log, and says whether a permit is good here: for holders and the custodian.
//!
//! ```text
//! coordinator --stream of checkpoints, each with its consistency proof--> verify, persist, remember
//! permit under a checkpoint --> remembered?          yes: inclusion, then the rules every member shares
//!                               newer or in between? wait a moment for the stream, then ask for the proof
//! ```
//!
//! A [`Witness`] has one view of the log, which only grows. A checkpoint that contradicts it is never
//! accepted, whoever brings it. A [`GoodPermit`] can only be made here.
//!
//! What it does *not* do yet: cosign, count a quorum, or freeze.

mod permit;
mod view;

use std::{sync::Arc, time::Duration};

use tacit_identity::PeerIdentity;
use tacit_ledger::{
    Hash,
    checkpoint::VerifiedCheckpoint,
    logged::{LoggedRecord, VerifiedRecord},
    note::NoteVerifier,
};
use tacit_model::{Clock, Reason};
use tacit_store::{Db, StoreError};
use tacit_wire::{
    common,
    coordinator::{GetConsistencyRequest, WatchCheckpointsRequest, log_service_client::LogServiceClient},
};
use tokio::sync::{Mutex, watch};
use tonic::transport::Channel;

pub use permit::GoodPermit;
use view::{Known, View};

/// How long a permit waits for the stream to bring its checkpoint before the proof is asked for.
const STREAM_PATIENCE: Duration = Duration::from_millis(150);

/// Deadline of a request for a proof.
const PROOF_DEADLINE: Duration = Duration::from_secs(5);

/// Pauses between attempts to open the stream.
const RECONNECT: Duration = Duration::from_millis(250);

/// Checkpoints verified in one go before they are persisted.
const TOGETHER: usize = 64;

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
}

struct Shared {
    log: LogServiceClient<Channel>,
    log_key: NoteVerifier,
    db: Db,
    clock: Arc<dyn Clock>,
    view: std::sync::Mutex<View>,
    /// Size of the newest verified checkpoint; 0 when there is none.
    size: watch::Sender<u64>,
    /// Held while a proof is asked for, so that all who wait share one request.
    asking: Mutex<()>,
}

impl std::fmt::Debug for Witness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Witness").field("size", &*self.shared.size.borrow()).finish()
    }
}

impl Witness {
    /// Loads what was verified before and follows the log from there, in the background, until the last
    /// clone is dropped.
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
            log_key: config.log_key,
            db: config.db,
            clock: config.clock,
            view: std::sync::Mutex::new(view),
            size: watch::channel(size).0,
            asking: Mutex::new(()),
        });
        tokio::spawn(follow(Arc::downgrade(&shared)));
        Ok(Self { shared })
    }

    /// The newest verified checkpoint.
    pub fn newest(&self) -> Option<VerifiedCheckpoint> {
        self.shared.view().newest().cloned()
    }

    /// Verifies that a checkpoint is the log's and agrees with everything seen so far.
    pub async fn witness(&self, note: &[u8]) -> Result<VerifiedCheckpoint, Reason> {
        let checkpoint =
            VerifiedCheckpoint::open(note, &self.shared.log_key).map_err(|_| Reason::PermitNotLogged)?;
        self.shared.agree(&checkpoint).await?;
        Ok(checkpoint)
    }

    /// Verifies records under one checkpoint. Each record has its own outcome.
    pub async fn verify(
        &self,
        note: &[u8],
        records: &[common::LoggedRecord],
    ) -> Result<Vec<Result<VerifiedRecord, Reason>>, Reason> {
        let checkpoint = self.witness(note).await?;
        let records = records.to_vec();
        heavy(records.len(), move || records.iter().map(|record| verify_one(record, &checkpoint)).collect())
            .await
    }

    /// Verifies permits under one checkpoint by the rules that holders and the custodian share
    /// (docs/PROTOCOL.md): record of kind access, requester and certificate of this very peer, time.
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

/// Runs work of `items` items off the asynchronous threads when it is worth it.
async fn heavy<T: Send + 'static>(
    items: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Reason> {
    if items < 32 {
        Ok(work())
    } else {
        tokio::task::spawn_blocking(work).await.map_err(|_| Reason::Internal)
    }
}

impl Shared {
    // A panic while the lock is held leaves the view as it was before: every change is one assignment.
    fn view(&self) -> std::sync::MutexGuard<'_, View> {
        self.view.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
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
        let _asking = self.asking.lock().await;
        match self.known(checkpoint) {
            Some(outcome) => outcome,
            None => self.ask(checkpoint).await,
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
    async fn ask(&self, checkpoint: &VerifiedCheckpoint) -> Result<(), Reason> {
        metrics::counter!("tacit_witness_proofs_asked_total").increment(1);
        let newest = self.view().newest().cloned();
        let Some(newest) = newest.filter(|newest| newest.size() > 0) else {
            // Nothing was ever verified here: the first checkpoint is taken on the log's signature.
            return self.take(checkpoint.clone(), true).await;
        };
        let (from, to) = (newest.size().min(checkpoint.size()), newest.size().max(checkpoint.size()));
        let mut request = tonic::Request::new(GetConsistencyRequest { from_size: from, to_size: to });
        request.set_timeout(PROOF_DEADLINE);
        let response = self.log.clone().get_consistency(request).await.map_err(|status| {
            tracing::warn!(%status, "no consistency proof from the coordinator");
            Reason::LogBehind
        })?;
        let proof = tacit_wire::chunks32("consistency", &response.get_ref().consistency, 130)
            .map_err(|_| Reason::LogInconsistent)?;
        let is_newer = checkpoint.size() > newest.size();
        let (older, newer) = if is_newer { (&newest, checkpoint) } else { (checkpoint, &newest) };
        verify_extends(newer, older, &proof)?;
        self.take(checkpoint.clone(), is_newer).await
    }

    /// Takes a verified checkpoint into the view; the newest one is durable first.
    async fn take(&self, checkpoint: VerifiedCheckpoint, is_newest: bool) -> Result<(), Reason> {
        if is_newest {
            let saved = async {
                let mut conn = self.db.write().await?;
                tacit_store::witness::save(&mut conn, checkpoint.size(), checkpoint.root(), checkpoint.note())
                    .await
            };
            saved.await.map_err(|error: StoreError| {
                tracing::error!(%error, "the verified checkpoint could not be saved");
                Reason::Unavailable
            })?;
        }
        let size = {
            let mut view = self.view();
            view.adopt(checkpoint, self.clock.now());
            view.newest().map_or(0, VerifiedCheckpoint::size)
        };
        self.size.send_if_modified(|known| {
            let grown = size > *known;
            *known = size.max(*known);
            grown
        });
        Ok(())
    }
}

/// Keeps the stream open for as long as the witness lives.
async fn follow(shared: std::sync::Weak<Shared>) {
    loop {
        let Some(strong) = shared.upgrade() else { return };
        if let Err(problem) = follow_once(&strong).await {
            tracing::debug!(problem, "the checkpoint stream ended");
        }
        drop(strong);
        tokio::time::sleep(RECONNECT).await;
    }
}

async fn follow_once(shared: &Arc<Shared>) -> Result<(), &'static str> {
    let from_size = shared.view().newest().map_or(0, VerifiedCheckpoint::size);
    let mut stream = shared
        .log
        .clone()
        .watch_checkpoints(WatchCheckpointsRequest { from_size })
        .await
        .map_err(|_| "could not be opened")?
        .into_inner();
    let mut last = shared.view().newest().cloned();
    // This task holds one reference: it ends when the witness's own are gone.
    while Arc::strong_count(shared) > 1 {
        let Ok(first) = tokio::time::timeout(Duration::from_secs(5), stream.message()).await else {
            continue;
        };
        let mut message = first.map_err(|_| "broke")?.ok_or("was closed")?;
        let mut verified = Vec::new();
        loop {
            let checkpoint = VerifiedCheckpoint::open(&message.checkpoint, &shared.log_key)
                .map_err(|_| "brought a bad signature")?;
            let proof = tacit_wire::chunks32("consistency", &message.consistency, 130)
                .map_err(|_| "brought a malformed proof")?;
            if let Some(last) = last.as_ref().filter(|last| last.size() > 0) {
                verify_extends(&checkpoint, last, &proof).map_err(|_| "brought a false proof")?;
            }
            last = Some(checkpoint.clone());
            verified.push(checkpoint);
            let ready = tokio::time::timeout(Duration::ZERO, stream.message()).await;
            match ready {
                Ok(Ok(Some(next))) if verified.len() < TOGETHER => message = next,
                Ok(Ok(Some(next))) => {
                    // Enough for one commit; this one opens the next round by itself.
                    message = next;
                    flush(shared, &mut verified).await?;
                }
                _ => break,
            }
        }
        flush(shared, &mut verified).await?;
    }
    Ok(())
}

/// Persists the newest of these checkpoints once, then takes all of them into the view.
async fn flush(shared: &Shared, verified: &mut Vec<VerifiedCheckpoint>) -> Result<(), &'static str> {
    let Some(newest) = verified.pop() else { return Ok(()) };
    {
        let now = shared.clock.now();
        let mut view = shared.view();
        verified.drain(..).for_each(|checkpoint| view.remember(&checkpoint, now));
    }
    shared.take(newest, true).await.map_err(|_| "could not be persisted")
}

fn verify_extends(
    newer: &VerifiedCheckpoint,
    older: &VerifiedCheckpoint,
    proof: &[Hash],
) -> Result<(), Reason> {
    if older.size() == 0 {
        return Ok(());
    }
    newer.verify_extends(older, proof).map_err(|error| {
        metrics::counter!("tacit_witness_contradictions_total").increment(1);
        tracing::error!(%error, older = older.size(), newer = newer.size(), "the log is not consistent");
        Reason::LogInconsistent
    })
}
