//! The witnesses: which checkpoints they are asked to cosign, what they answer, and what a quorum stands behind.
//!
//! ```text
//! heads of the log ─▶ marked: now and then one for all ─▶ streams
//! cosignature lines ─▶ of a marked checkpoint, by its witness ─▶ a quorum? ─▶ CosignedCheckpoint ─▶ streams, database
//! ```
//!
//! Cosignatures meet only on one checkpoint, so the same ones are marked for all. The room also watches that the log
//! never stands behind, or beside, what was witnessed of it: then it is sealed.

mod clock;
mod marks;
mod remaining;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tacit_ledger::{
    checkpoint::VerifiedCheckpoint,
    note::{NoteVerifier, attach_line},
    quorum::{CosignedCheckpoint, WitnessSet},
};
use tacit_model::{
    Clock, MemberId, Reason,
    told::{Reading, Told, Verdict},
};
use tacit_store::{Db, Dialect, StoreError, log::Log};
use tokio::sync::{Notify, broadcast, watch};

use crate::store::cosigned;

pub(crate) use marks::Head;

/// Marked checkpoints whose cosignatures are still taken.
const ROUNDS: usize = 256;

/// Heads that a slow stream may be behind before it misses some.
const NEWS: usize = 1024;

/// How long a write waits for the quorum after a start.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a question for the newest cosigned checkpoint waits for fresher cosignatures.
const FRESHER: Duration = Duration::from_millis(500);

/// How often the quorum's checkpoint is written to the database, or read where replicas share it.
const SHARE_EVERY: Duration = Duration::from_secs(1);

/// What the coordinator keeps of its witnesses.
pub(crate) struct Witnesses {
    set: std::sync::RwLock<Arc<WitnessSet>>,
    log: Log,
    log_key: NoteVerifier,
    db: Db,
    clock: Arc<dyn Clock>,
    started_s: u64,
    /// What witnesses said of the time.
    told: std::sync::Mutex<Told>,
    /// Whether nobody needs to have said anything of it: the log began with this process.
    began: bool,
    /// How often they said something of it.
    spoken: watch::Sender<u64>,
    rounds: std::sync::Mutex<BTreeMap<u64, Round>>,
    cosigned: watch::Sender<Option<Arc<CosignedCheckpoint>>>,
    heads: broadcast::Sender<Head>,
    /// Somebody wants cosignatures now.
    wanted: Notify,
    /// Nothing is appended before this: a log that was not empty at start could stand behind what was witnessed.
    confirmed: watch::Sender<bool>,
    sealed: AtomicBool,
}

/// The cosignatures of one marked checkpoint.
struct Round {
    checkpoint: VerifiedCheckpoint,
    /// When it was marked, by the steady clock.
    asked: u64,
    /// By key name.
    lines: BTreeMap<String, String>,
}

/// The log does not continue what was witnessed of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sealed;

impl Witnesses {
    /// Compares the log with what a quorum cosigned of it before.
    pub(crate) async fn open(
        set: WitnessSet,
        log: Log,
        log_key: NoteVerifier,
        db: Db,
        clock: Arc<dyn Clock>,
    ) -> Result<Result<Arc<Self>, Sealed>, StoreError> {
        let mut conn = db.read().await?;
        let (saved, sealed) = (cosigned::load(&mut conn).await?, cosigned::is_sealed(&mut conn).await?);
        drop(conn);
        let was_empty = log.head().size() == 0;
        let this = Self {
            started_s: clock.now().0 / 1000,
            set: std::sync::RwLock::new(Arc::new(set)),
            log,
            log_key,
            db,
            clock,
            told: std::sync::Mutex::default(),
            began: was_empty,
            spoken: watch::channel(0).0,
            rounds: std::sync::Mutex::default(),
            cosigned: watch::channel(None).0,
            heads: broadcast::channel(NEWS).0,
            wanted: Notify::new(),
            confirmed: watch::channel(was_empty).0,
            sealed: AtomicBool::new(sealed),
        };
        if let Some(note) = saved {
            let checkpoint = VerifiedCheckpoint::open(&note, &this.log_key)
                .map_err(|_| StoreError::corrupt("log_cosigned", "note", 1, "does not verify"))?;
            if this.continues(&checkpoint).await? {
                // Of another set of witnesses it may be no quorum any more.
                if let Ok(cosigned) = this.set().open(&note, &this.log_key, this.started_s) {
                    this.cosigned.send_replace(Some(Arc::new(cosigned)));
                }
            } else {
                this.seal(&checkpoint).await;
            }
        }
        Ok(if this.is_sealed() { Err(Sealed) } else { Ok(Arc::new(this)) })
    }

    /// Whose cosignatures count.
    fn set(&self) -> Arc<WitnessSet> {
        Arc::clone(&self.set.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Counts these witnesses from now on. What a quorum of others stood behind is shown no longer, unless it is one
    /// of these too, and new cosignatures are asked for.
    pub(crate) async fn set_witnesses(&self, set: WitnessSet) {
        if *self.set() == set {
            return;
        }
        let known = self.cosigned.borrow().clone();
        let now_s = self.clock.now().0 / 1000;
        let still = known.and_then(|known| set.open(known.checkpoint().note(), &self.log_key, now_s).ok());
        *self.set.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(set);
        self.cosigned.send_replace(still.map(Arc::new));
        self.want();
    }

    /// Whether the log stopped itself.
    pub(crate) fn is_sealed(&self) -> bool {
        self.sealed.load(Ordering::Relaxed)
    }

    /// Whether the log begins with all of this checkpoint of its own.
    async fn continues(&self, checkpoint: &VerifiedCheckpoint) -> Result<bool, StoreError> {
        if checkpoint.size() == 0 {
            return Ok(true);
        }
        if checkpoint.size() > self.log.head().size() {
            // Another replica may have appended.
            self.log.refresh().await?;
        }
        let head = self.log.head();
        if checkpoint.size() > head.size() {
            return Ok(false);
        }
        let proof = self.log.consistency(checkpoint.size(), head.size()).await?;
        Ok(head.verify_extends(checkpoint, &proof).is_ok())
    }

    /// Stops the log for good: its head does not continue a checkpoint that its own key signed.
    async fn seal(&self, checkpoint: &VerifiedCheckpoint) {
        let head = self.log.head();
        self.sealed.store(true, Ordering::Relaxed);
        metrics::gauge!("tacit_coordinator_log_sealed").set(1.0);
        tracing::error!(
            witnessed = checkpoint.size(),
            head = head.size(),
            "ALARM: log_sealed: the log does not continue what its own key signed: the database was rolled back or is \
             another one. Nothing is appended any more; restore the newest copy of the database"
        );
        let stored = async {
            let mut conn = self.db.write().await?;
            cosigned::seal(&mut conn, checkpoint, &head, self.clock.now()).await
        };
        if let Err(error) = stored.await {
            tracing::error!(%error, "that the log is sealed could not be saved");
        }
    }

    /// Compares the log with the checkpoint that a witness begins from. A mere claim seals nothing.
    ///
    /// # Errors
    /// [`Reason::LogSealed`] when the witness shows what this log's key signed and this log does not continue;
    /// [`Reason::LogBehind`] when it only says that it saw more.
    pub(crate) async fn begin(&self, from_size: u64, note: &[u8]) -> Result<Result<(), Reason>, StoreError> {
        if let Ok(checkpoint) = VerifiedCheckpoint::open(note, &self.log_key)
            && !self.continues(&checkpoint).await?
        {
            self.seal(&checkpoint).await;
        }
        if self.is_sealed() {
            return Ok(Err(Reason::LogSealed));
        }
        if from_size > self.log.head().size() {
            return Ok(Err(Reason::LogBehind));
        }
        Ok(Ok(()))
    }

    /// Whether anything may be appended now; after a start it waits for the quorum a while.
    ///
    /// # Errors
    /// [`Reason::LogSealed`], [`Reason::QuorumStale`]; [`Reason::ClockOff`] while the clock is not what the witnesses
    /// say.
    pub(crate) async fn may_append(&self) -> Result<(), Reason> {
        if self.is_sealed() {
            return Err(Reason::LogSealed);
        }
        if !*self.confirmed.borrow() && self.verdict(Reading::of(&self.clock)) != Verdict::Off {
            let mut confirmed = self.confirmed.subscribe();
            let waited = tokio::time::timeout(PATIENCE, confirmed.wait_for(|confirmed| *confirmed)).await;
            if self.is_sealed() {
                return Err(Reason::LogSealed);
            }
            if waited.is_err() && self.verdict(Reading::of(&self.clock)) != Verdict::Off {
                return Err(Reason::QuorumStale);
            }
        }
        self.clock_is_told().await
    }

    /// The newest checkpoint that a quorum stands behind, from now on.
    pub(crate) fn follow(&self) -> watch::Receiver<Option<Arc<CosignedCheckpoint>>> {
        self.cosigned.subscribe()
    }

    /// The newest checkpoint that a quorum stands behind. When it is older than the idle refresh, new cosignatures are
    /// asked for, and waited for a moment.
    pub(crate) async fn newest(&self) -> Option<Arc<CosignedCheckpoint>> {
        let recent = |cosigned: &Option<Arc<CosignedCheckpoint>>| {
            let now_s = self.clock.now().0 / 1000;
            cosigned.as_ref().is_some_and(|it| now_s.saturating_sub(it.time_s()) * 1000 <= marks::IDLE_MS)
        };
        let mut cosigned = self.follow();
        if !recent(&cosigned.borrow()) {
            self.wanted.notify_one();
            // What there is has to do.
            let _ = tokio::time::timeout(FRESHER, cosigned.wait_for(recent)).await;
        }
        cosigned.borrow().clone()
    }

    fn rounds(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, Round>> {
        // Every change under the lock is one insertion.
        self.rounds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a cosignature of a member for a checkpoint that was marked. Others are ignored.
    pub(crate) fn cosign(&self, member: &MemberId, size: u64, line: String) {
        let name = format!("{member}/witness");
        let set = self.set();
        let Some(witness) = set.witness(&name) else { return };
        let heard = self.clock.steady();
        let round = self.rounds().get(&size).map(|round| (round.checkpoint.clone(), round.asked));
        let Some((checkpoint, asked)) = round else { return };
        match witness.verify_line(&checkpoint, &line) {
            Ok(cosignature) => self.heard_time(&name, cosignature.time_s(), size, asked, heard),
            Err(error) => {
                metrics::counter!("tacit_coordinator_bad_cosignatures_total").increment(1);
                tracing::warn!(%member, size, %error, "a cosignature is wrong");
                return;
            }
        }
        let note = {
            let mut rounds = self.rounds();
            let Some(round) = rounds.get_mut(&size).filter(|round| round.checkpoint == checkpoint) else {
                return;
            };
            round.lines.insert(name, line);
            // Counting means verifying all of them again: once for the quorum, and once when they are complete.
            let count = round.lines.len();
            (count == set.quorum() || count == set.iter().len()).then(|| round.note())
        };
        if let Some(note) = note {
            match set.open(&note, &self.log_key, self.clock.now().0 / 1000) {
                Ok(cosigned) => {
                    self.confirmed.send_if_modified(|confirmed| !std::mem::replace(confirmed, true));
                    self.publish(cosigned);
                }
                Err(error) => {
                    tracing::warn!(%error, size, "the cosignatures do not make a quorum; compare the clocks")
                }
            }
        }
    }

    /// Shows a cosigned checkpoint, if it is newer.
    fn publish(&self, cosigned: CosignedCheckpoint) {
        let stands = |it: &CosignedCheckpoint| (it.checkpoint().size(), it.time_s(), it.witnesses().len());
        self.cosigned.send_if_modified(|known| {
            let newer = known.as_ref().is_none_or(|known| stands(known) < stands(&cosigned));
            if newer {
                *known = Some(Arc::new(cosigned));
            }
            newer
        });
    }

    /// Keeps the quorum's checkpoint in the database, and takes what another replica put there, until the end.
    pub(crate) async fn share(self: Arc<Self>, mut closing: watch::Receiver<bool>) {
        let mut cosigned = self.follow();
        loop {
            tokio::select! {
                _ = closing.wait_for(|closing| *closing) => return,
                () = tokio::time::sleep(SHARE_EVERY) => {}
            }
            let shared = async {
                if cosigned.has_changed().unwrap_or(false) {
                    let newest = cosigned.borrow_and_update().clone();
                    if let Some(newest) = newest {
                        cosigned::save(&mut *self.db.write().await?, &newest).await?;
                    }
                } else if self.db.dialect() == Dialect::Postgres {
                    self.learn().await?;
                }
                Ok::<_, StoreError>(())
            };
            if let Err(error) = shared.await {
                tracing::warn!(%error, "the cosigned checkpoint could not be shared");
            }
        }
    }

    /// Takes a cosigned checkpoint that another replica collected.
    async fn learn(&self) -> Result<(), StoreError> {
        let saved = cosigned::load(&mut *self.db.read().await?).await?;
        let Some(note) = saved else { return Ok(()) };
        let known = self.cosigned.borrow().as_ref().is_some_and(|known| known.checkpoint().note() == note);
        if known {
            return Ok(());
        }
        let Ok(cosigned) = self.set().open(&note, &self.log_key, self.clock.now().0 / 1000) else {
            return Ok(());
        };
        if !self.continues(cosigned.checkpoint()).await? {
            self.seal(cosigned.checkpoint()).await;
            return Ok(());
        }
        // Only a replica that runs beside this one, and that a quorum confirmed, can have written it since.
        if cosigned.time_s() > self.started_s {
            self.confirmed.send_if_modified(|confirmed| !std::mem::replace(confirmed, true));
        }
        self.publish(cosigned);
        Ok(())
    }
}

impl Round {
    /// The checkpoint with the cosignatures so far.
    fn note(&self) -> Vec<u8> {
        let mut note = String::from_utf8_lossy(self.checkpoint.note()).into_owned();
        for line in self.lines.values() {
            // A line that was verified has its form.
            if let Ok(longer) = attach_line(&note, line) {
                note = longer;
            }
        }
        note.into_bytes()
    }
}
