//! Follows the coordinator's log, and says whether a permit is good here: for holders and the custodian.
//!
//! ```text
//! coordinator --stream of checkpoints, each with its consistency proof--> verify, remember; persist, cosign
//!             --what a quorum of witnesses cosigned--> count, compare with the view
//! permit under a checkpoint --> fresh quorum?  no: nothing is decided
//!                           --> remembered?    yes: inclusion, then the rules every member shares
//!                               newer or in between? wait a moment for the stream, then ask for the proof
//! what it rests on --> durable with the commit that notes its use, or at once --> only then answered
//! ```
//!
//! A [`Witness`] has one view of the log, which only grows: whatever enters it was proven, under one lock, to
//! agree with the newest checkpoint in it. It is durable as far as anything was said on its strength: before a checkpoint
//! is cosigned, and before what rests on it is answered ([`Ground`]). A checkpoint that contradicts it is never accepted,
//! whoever brings it; two signed roots of one size, or a false proof of the coordinator's own, freeze the member for good,
//! with the [`evidence`] kept. A [`GoodPermit`] can only be made here.
//!
//! Whoever has a checkpoint and its proof may bring it too, over HTTPS: [`AddCheckpointLayer`].
//!
//! What it does *not* do: collect the cosignatures of others, which the coordinator does.

mod add;
pub mod evidence;
mod follow;
mod ground;
mod grow;
mod http;
mod permit;
mod quorum;
mod restored;
mod view;

use std::sync::{Arc, atomic::AtomicU64};

use tacit_identity::PeerIdentity;
use tacit_ledger::{
    checkpoint::{CheckpointOpener, VerifiedCheckpoint},
    cosignature::CosignatureSigner,
    logged::{LoggedRecord, VerifiedRecord},
    note::NoteVerifier,
    quorum::CosignedCheckpoint,
};
use tacit_model::{Clock, Millis, Reason};
use tacit_store::{Db, StoreError, witness::Stored};
use tacit_wire::{common, coordinator::log_service_client::LogServiceClient};
use tokio::sync::{Mutex, watch};
use tokio::task::JoinSet;
use tonic::transport::Channel;

use evidence::Evidence;
pub use ground::{Carried, Ground};
use grow::Brought;
pub use http::{AddCheckpoint, AddCheckpointLayer};
pub use permit::GoodPermit;
pub use quorum::Standing;
use quorum::{Heard, Times};
use view::View;

/// Records of a call from which on their hashing leaves the threads that serve connections.
const HEAVY: usize = 32;

/// What a witness needs.
pub struct WitnessConfig {
    /// A channel to the coordinator.
    pub coordinator: Channel,
    /// Its further replicas. Each gets a stream of its own: cosignatures make a quorum only where they meet.
    pub replicas: Vec<Channel>,
    /// The log's public key, pinned in the member's configuration; its name is the log's origin.
    pub log_key: NoteVerifier,
    /// Cosigns checkpoints; its name is `<member>/witness`.
    pub signer: CosignatureSigner,
    /// The member's database, with the tables `witness_state`, `witness_freeze` and `witness_restored`.
    pub db: Db,
    /// The clock that permits are judged by.
    pub clock: Arc<dyn Clock>,
    /// Other witnesses that serve GetCosigned, asked after a restore from a backup.
    pub peers: Vec<Channel>,
}

/// A member's view of the coordinator's log. Clones share it.
#[derive(Clone)]
pub struct Witness {
    shared: Arc<Shared>,
    /// What follows the stream; it ends with the last clone.
    _tasks: Arc<JoinSet<()>>,
}

struct Shared {
    log: LogServiceClient<Channel>,
    opener: CheckpointOpener,
    signer: CosignatureSigner,
    db: Db,
    clock: Arc<dyn Clock>,
    view: std::sync::Mutex<View>,
    /// Size of the newest verified checkpoint; 0 when there is none.
    size: watch::Sender<u64>,
    /// Held by who makes the view grow, also while a proof is asked for: all who wait share one request.
    growing: Mutex<()>,
    /// What stands in the database, held by who replaces it. Taken after `growing` by who wants both.
    stored: Arc<Mutex<Option<Stored>>>,
    /// Size of the newest checkpoint that is durable.
    durable: AtomicU64,
    /// Requests for a proof that did not reach the coordinator.
    unreached: AtomicU64,
    heard: std::sync::Mutex<Heard>,
    times: std::sync::Mutex<Times>,
    /// What a quorum stands behind, compared with the view.
    quorum: watch::Sender<Option<Arc<CosignedCheckpoint>>>,
    /// Why nothing is answered any more.
    frozen: watch::Sender<Option<Evidence>>,
    /// When the database was restored from a backup, until the member has caught up.
    restored: watch::Sender<Option<Millis>>,
}

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
        let frozen = tacit_store::witness::load_freeze(&mut conn).await?;
        let restored = tacit_store::witness::load_restored(&mut conn).await?.map(Millis);
        drop(conn);
        let frozen = frozen.map(Evidence::from_row).transpose()?;
        metrics::gauge!("tacit_witness_frozen").set(if frozen.is_some() { 1.0 } else { 0.0 });
        if frozen.is_some() {
            tracing::error!("ALARM: this member holds evidence that the log was forked; it answers nothing");
        }
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
        let stored = view.newest().map(|newest| (newest.size(), *newest.root()));
        let shared = Arc::new(Shared {
            log: log_client(config.coordinator),
            opener: CheckpointOpener::new(config.log_key),
            signer: config.signer,
            db: config.db,
            clock: config.clock,
            view: std::sync::Mutex::new(view),
            size: watch::channel(stored.map_or(0, |(size, _)| size)).0,
            growing: Mutex::new(()),
            stored: Arc::new(Mutex::new(stored)),
            durable: AtomicU64::new(stored.map_or(0, |(size, _)| size)),
            unreached: AtomicU64::new(0),
            heard: std::sync::Mutex::default(),
            times: std::sync::Mutex::default(),
            quorum: watch::channel(None).0,
            frozen: watch::channel(frozen).0,
            restored: watch::channel(restored).0,
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(follow::follow(shared.clone(), shared.log.clone()));
        for replica in config.replicas {
            tasks.spawn(follow::follow(shared.clone(), log_client(replica)));
        }
        if let Some(restored) = restored {
            tracing::warn!("restored from a backup: nothing is answered until this member has caught up");
            tasks.spawn(restored::catch_up(shared.clone(), config.peers, restored));
        }
        Ok(Self { shared, _tasks: Arc::new(tasks) })
    }

    /// The newest verified checkpoint.
    #[must_use]
    pub fn newest(&self) -> Option<VerifiedCheckpoint> {
        self.shared.view().newest().cloned()
    }

    /// Verifies that a checkpoint is the log's and agrees with everything seen so far, and makes it durable that it was
    /// seen.
    ///
    /// # Errors
    /// [`Reason::PermitNotLogged`] when the log did not sign it, [`Reason::LogInconsistent`] when it
    /// contradicts the view, [`Reason::LogFrozen`] when that or something before it is evidence of a fork,
    /// [`Reason::LogBehind`] when nobody can be asked, [`Reason::Unavailable`].
    pub async fn witness(&self, note: &[u8]) -> Result<VerifiedCheckpoint, Reason> {
        let checkpoint = self.agreed(note).await?;
        self.ground(&checkpoint).settled().await?;
        Ok(checkpoint)
    }

    /// [`Witness::witness`], but that it is durable.
    async fn agreed(&self, note: &[u8]) -> Result<VerifiedCheckpoint, Reason> {
        self.shared.not_frozen()?;
        let checkpoint = self.shared.opener.open(note).map_err(|_| Reason::PermitNotLogged)?;
        self.shared.agree(&checkpoint, Brought::ByOther).await?;
        Ok(checkpoint)
    }

    /// What rests on a checkpoint that agrees with the view.
    fn ground(&self, checkpoint: &VerifiedCheckpoint) -> Ground {
        Ground::new(Arc::clone(&self.shared), checkpoint.size())
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
        verify_all(checkpoint, records).await
    }

    /// Verifies permits under one checkpoint by the rules that holders and the custodian share
    /// (docs/PROTOCOL.md): record of kind access, requester and certificate of this very peer, time.
    ///
    /// # Errors
    /// As [`Witness::witness`], for the checkpoint of all of them; [`Reason::QuorumStale`] while no quorum of the
    /// witnesses has stood behind the log in the last ten minutes, [`Reason::ClockOff`] while they do not agree with the
    /// clock here, [`Reason::LogBehind`] after a restore.
    pub async fn check_permits(
        &self,
        note: &[u8],
        permits: &[common::LoggedRecord],
        peer: &PeerIdentity,
    ) -> Result<Vec<Result<GoodPermit, Reason>>, Reason> {
        self.shared.may_decide().await?;
        let checkpoint = self.agreed(note).await?;
        let ground = self.ground(&checkpoint);
        let verified = verify_all(checkpoint, permits).await?;
        // Time went by, and the clock may have been set.
        let times = self.shared.right_times().ok_or(Reason::ClockOff)?;
        let mut view = self.shared.view();
        Ok(verified
            .into_iter()
            .map(|record| {
                let permit = GoodPermit::check(record?, &ground, peer, times, view.newest_accepted())?;
                view.accepted(permit.time());
                Ok(permit)
            })
            .collect())
    }
}

fn log_client(coordinator: Channel) -> LogServiceClient<Channel> {
    LogServiceClient::new(coordinator).max_decoding_message_size(1 << 20)
}

async fn verify_all(
    checkpoint: VerifiedCheckpoint,
    records: &[common::LoggedRecord],
) -> Result<Vec<Result<VerifiedRecord, Reason>>, Reason> {
    if records.len() < HEAVY {
        return Ok(records.iter().map(|record| verify_one(record, &checkpoint)).collect());
    }
    let records = records.to_vec();
    let verify = move || records.iter().map(|record| verify_one(record, &checkpoint)).collect();
    tokio::task::spawn_blocking(verify).await.map_err(|_| Reason::Internal)
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
}
