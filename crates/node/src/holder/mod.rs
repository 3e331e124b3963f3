//! The holder: seals its own lists, publishes them, and answers blinded questions against permits.
//!
//! ```text
//!  records ── tick ──▶ sealed table ──▶ custodian        (mirror)
//!                      manifest ──────▶ coordinator      (log)
//!  requester ── permit, M ──▶ EvaluationService ──▶ N, proof
//! ```
//!
//! It learns who asks which list for which purpose; never about whom, and not whether the answer was yes. What it
//! does *not* do: serve tables (the custodian does), or look at codes that others ask about.

mod build;
mod changes;
mod epoch;
mod error;
mod evaluate;
mod grow;
mod live;
mod permit;
mod publish;
mod publisher;
mod sealing;
mod secret;
mod used;
mod worker;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tacit_ledger::note::NoteSigner;
use tacit_model::{Clock, ListId, MemberId};
use tacit_policy::Registry;
use tacit_store::Db;
use tacit_wire::gateway::HeldList;
use tacit_wire::holder::evaluation_service_server::EvaluationServiceServer;
use tacit_witness::Witness;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinSet;
use tonic::transport::Channel;

use crate::config::HolderConfig;
use crate::records::{Records, RecordsError};
use crate::store::holder::{lists, permits, requests};
use evaluate::Evaluation;
use live::Live;
use publisher::GrpcPublisher;
use used::UseWriter;
use worker::Worker;

pub use error::HolderError;
pub use publisher::{LoggedManifest, PublishError, Publisher, Step, TablePart};

/// Pause between looks for requests of the command line.
const REQUEST_POLL: Duration = Duration::from_millis(250);
/// Pause before a tick that failed is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// How long a tick under way may go on after the shutdown signal.
const DRAIN: Duration = Duration::from_secs(10);
/// Days for which the holder's own counts are kept.
const COUNTS_KEPT_DAYS: u64 = 8;

/// What a holder needs from its surroundings.
pub struct HolderDeps {
    /// The member that holds the lists.
    pub member: MemberId,
    /// The node's database ([`crate::store::open`]).
    pub db: Db,
    /// The federation's registry; replaced by [`Holder::set_registry`].
    pub registry: Arc<Registry>,
    /// This member's view of the log.
    pub witness: Witness,
    /// Channel to the coordinator.
    pub coordinator: Channel,
    /// Channel to the custodian.
    pub custodian: Channel,
    /// The manifest key, named `<member>/manifest`.
    pub manifest_signer: NoteSigner,
    /// The clock.
    pub clock: Arc<dyn Clock>,
}

/// What all parts of the holder share.
struct Shared {
    config: HolderConfig,
    member: MemberId,
    db: Db,
    registry: RwLock<Arc<Registry>>,
    witness: Witness,
    publisher: Arc<dyn Publisher>,
    signer: NoteSigner,
    clock: Arc<dyn Clock>,
    live: Live,
    uses: UseWriter,
}

impl Shared {
    fn registry(&self) -> Arc<Registry> {
        Arc::clone(&self.registry.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The holder half of a node. Clones share it.
#[derive(Clone)]
pub struct Holder {
    shared: Arc<Shared>,
    workers: Arc<Mutex<BTreeMap<ListId, Arc<Mutex<Worker>>>>>,
}

impl std::fmt::Debug for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Holder").field("member", &self.shared.member).finish_non_exhaustive()
    }
}

impl Holder {
    /// Takes over what the database has: from then on the evaluation service answers. Nothing is sealed or published
    /// before the ticks run.
    ///
    /// # Errors
    /// [`HolderError`] for a configuration out of bounds, or a database that cannot be read.
    pub async fn start(config: HolderConfig, deps: HolderDeps) -> Result<Self, HolderError> {
        let publisher =
            GrpcPublisher::new(deps.coordinator.clone(), deps.custodian.clone(), deps.witness.clone());
        Self::start_with(config, deps, Arc::new(publisher)).await
    }

    /// As [`Holder::start`], with another way to publish.
    ///
    /// # Errors
    /// As [`Holder::start`].
    pub async fn start_with(
        config: HolderConfig,
        deps: HolderDeps,
        publisher: Arc<dyn Publisher>,
    ) -> Result<Self, HolderError> {
        config.check()?;
        let uses = UseWriter::start(deps.db.clone(), Arc::clone(&deps.clock));
        let shared = Arc::new(Shared {
            config,
            member: deps.member,
            db: deps.db,
            registry: RwLock::new(deps.registry),
            witness: deps.witness,
            publisher,
            signer: deps.manifest_signer,
            clock: deps.clock,
            live: Live::default(),
            uses,
        });
        let holder = Self { shared, workers: Arc::default() };
        for worker in holder.workers().await {
            worker.lock().await.load().await?;
        }
        Ok(holder)
    }

    /// The gRPC service that answers permits.
    #[must_use]
    pub fn evaluation_service(
        &self,
    ) -> EvaluationServiceServer<impl tacit_wire::holder::evaluation_service_server::EvaluationService> {
        EvaluationServiceServer::new(Evaluation(Arc::clone(&self.shared)))
            .max_decoding_message_size(evaluate::MAX_MESSAGE)
    }

    /// Uses another registry from now on. Whether it is newer and logged is the caller's to check.
    pub fn set_registry(&self, registry: Arc<Registry>) {
        *self.shared.registry.write().unwrap_or_else(PoisonError::into_inner) = registry;
    }

    /// This holder's view of the log.
    #[must_use]
    pub fn witness(&self) -> &Witness {
        &self.shared.witness
    }

    /// The records of this holder, under the registry in use.
    #[must_use]
    pub fn records(&self) -> Records {
        let shared = &self.shared;
        Records::new(shared.db.clone(), shared.registry(), shared.member.clone(), Arc::clone(&shared.clock))
    }

    /// What is held and published, for the gateway's status.
    ///
    /// # Errors
    /// [`RecordsError`] when the database cannot be read.
    pub async fn held_lists(&self) -> Result<Vec<HeldList>, RecordsError> {
        let (registry, records) = (self.shared.registry(), self.records());
        let mut held = Vec::new();
        for entry in registry.lists_of(&self.shared.member) {
            let counts = records.counts(&entry.id).await?;
            let waiting = counts.active + counts.contested;
            held.push(match counts.sealed {
                Some(sealed) => HeldList {
                    list_id: entry.id.to_string(),
                    epoch: sealed.epoch,
                    version: sealed.version,
                    records: sealed.records,
                    buckets: sealed.buckets,
                    pending: sealed.pending,
                    sealed_ms: sealed.logged.0,
                },
                None => HeldList { list_id: entry.id.to_string(), pending: waiting, ..HeldList::default() },
            });
        }
        Ok(held)
    }

    /// Size of the log as far as it was verified here; 0 when nothing was.
    #[must_use]
    pub fn log_size(&self) -> u64 {
        self.shared.witness.newest().map_or(0, |newest| newest.size())
    }

    /// Waits until no permit can be noted any more, and so none is answered: the disk failed, and the process should
    /// be started again.
    pub async fn disk_failed(&self) {
        self.shared.uses.stopped().await;
    }

    /// One tick of every list, now.
    ///
    /// # Errors
    /// The first [`HolderError`]; all lists had their turn.
    pub async fn tick(&self) -> Result<(), HolderError> {
        let mut first = Ok(());
        for worker in self.workers().await {
            let outcome = worker.lock().await.tick().await;
            if first.is_ok() {
                first = outcome;
            }
        }
        first
    }

    /// Seals, publishes and erases, list by list beside each other, until `shutdown` is ready; a tick under way may
    /// end, for 10 s at most.
    pub async fn run_ticks(&self, shutdown: impl Future<Output = ()> + Send) {
        let (stop, stopped) = watch::channel(false);
        let pause = Duration::from_millis(self.shared.config.tick_ms);
        let mut running: BTreeMap<ListId, ()> = BTreeMap::new();
        let mut tasks = JoinSet::new();
        tokio::pin!(shutdown);
        loop {
            for worker in self.workers().await {
                let list = worker.lock().await.list().clone();
                if running.insert(list, ()).is_none() {
                    tasks.spawn(run(Arc::clone(&self.shared), worker, stopped.clone()));
                }
            }
            if let Err(error) = self.prune().await {
                tracing::error!(%error, "old permits could not be removed");
            }
            tokio::select! {
                () = &mut shutdown => break,
                () = tokio::time::sleep(pause) => {}
            }
        }
        // No receiver means that no list is being looked after.
        let _ = stop.send(true);
        let drained = tokio::time::timeout(DRAIN, async { while tasks.join_next().await.is_some() {} }).await;
        if drained.is_err() {
            tracing::warn!("a tick did not end in time; it is resumed at the next start");
        }
    }

    /// One worker per own list of the registry, made when first seen.
    async fn workers(&self) -> Vec<Arc<Mutex<Worker>>> {
        let registry = self.shared.registry();
        let mut workers = self.workers.lock().await;
        for entry in registry.lists_of(&self.shared.member) {
            workers.entry(entry.id.clone()).or_insert_with(|| {
                Arc::new(Mutex::new(Worker::new(Arc::clone(&self.shared), entry.id.clone())))
            });
        }
        workers.values().cloned().collect()
    }

    async fn prune(&self) -> Result<(), tacit_store::StoreError> {
        // A permit that is forgotten by a clock that is off could be used again by the right one.
        let Some(now) = self.shared.witness.right_time() else { return Ok(()) };
        let first_day = now.utc_day().saturating_sub(COUNTS_KEPT_DAYS);
        permits::prune(&mut *self.shared.db.write().await?, now, first_day).await
    }
}

/// Looks after one list.
async fn run(shared: Arc<Shared>, worker: Arc<Mutex<Worker>>, mut stopped: watch::Receiver<bool>) {
    let list = worker.lock().await.list().clone();
    let tick = Duration::from_millis(shared.config.tick_ms);
    while !*stopped.borrow() {
        let pause = match worker.lock().await.tick().await {
            Ok(()) => tick,
            Err(error) => {
                metrics::counter!("tacit_holder_ticks_failed_total").increment(1);
                tracing::warn!(%list, %error, "a tick did not succeed; it is tried again");
                tick.min(RETRY)
            }
        };
        let until = tokio::time::Instant::now() + pause;
        while tokio::time::Instant::now() < until && !*stopped.borrow() {
            let left = until.saturating_duration_since(tokio::time::Instant::now());
            tokio::select! {
                // An error means that nobody can say stop any more: then it is time to.
                changed = stopped.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(left.min(REQUEST_POLL)) => {}
            }
            match is_asked(&shared, &list).await {
                Ok(true) => break,
                Ok(false) => {}
                Err(error) => tracing::warn!(%list, %error, "requests could not be read"),
            }
        }
    }
}

/// Whether somebody waits for this list to be published.
async fn is_asked(shared: &Shared, list: &ListId) -> Result<bool, tacit_store::StoreError> {
    let mut conn = shared.db.read().await?;
    let Some(held) = lists::find(&mut conn, list).await? else { return Ok(false) };
    Ok(!requests::waiting(&mut conn, held.no).await?.is_empty())
}
