//! The coordinator: registry, enrollment, consent, authorization, the log.
//!
//! ```text
//! AuthorizeRequest ─▶ SignedRequest ─▶ VerifiedCheck ─▶ Allowed ─▶ record ─▶ Recorded ─▶ answer
//!    form, cnf,         bind proofs      rules, consent,    log, durable,
//!    signature                           quotas             signed
//! ```
//!
//! It learns a pseudonym scoped to one requester, the list, the purpose and the time. It never sees a
//! subject code, a bucket number or an answer; nothing of the kind is in its messages or tables.

mod answer;
mod append;
mod caller;
mod comparison;
mod config;
mod erasures;
mod http;
pub mod offers;
pub mod opening;
mod services;
mod store;
mod versions;
mod witnesses;
mod writer;

use std::{future::Future, path::PathBuf, sync::Arc, time::Duration};

use tacit_identity::{MtlsListener, tune_server};
use tacit_ledger::{note::NoteSigner, record::Record};
use tacit_model::{Clock, Millis, entropy};
use tacit_policy::{NoWitnesses, Pins, Registry};
use tacit_store::{Db, Dialect, Group, StoreError, log::Log};
use tacit_wire::coordinator::{
    audit_service_server::AuditServiceServer, authorization_service_server::AuthorizationServiceServer,
    consent_service_server::ConsentServiceServer, enrollment_service_server::EnrollmentServiceServer,
    letter_service_server::LetterServiceServer, log_service_server::LogServiceServer,
    measure_service_server::MeasureServiceServer, registry_service_server::RegistryServiceServer,
    subject_service_server::SubjectServiceServer,
};
use tokio::{
    sync::{broadcast, oneshot, watch},
    task::JoinHandle,
};
use tonic::server::NamedService;
use tonic_health::{ServingStatus, server::HealthReporter};

use crate::{
    append::{Appender, NewVersion, OwnChanges, Watchers, Write},
    comparison::Comparison,
    erasures::Journal,
    services::{Service, Shared},
    store::registries,
    versions::Versions,
    witnesses::{Sealed, Witnesses},
    writer::{Logged, Writer},
};

pub use config::{LimitError, Limits};
pub use erasures::JournalError;
/// The tables of a coordinator's database, for what works on its log without the role.
pub use store::MIGRATIONS;

/// Largest request: 1024 checks of several holders each.
const MAX_REQUEST_BYTES: usize = 16 << 20;

/// What health is told of: the server as a whole, and each service.
const SERVICES: [&str; 10] = [
    "",
    <RegistryServiceServer<Service> as NamedService>::NAME,
    <EnrollmentServiceServer<Service> as NamedService>::NAME,
    <AuthorizationServiceServer<Service> as NamedService>::NAME,
    <ConsentServiceServer<Service> as NamedService>::NAME,
    <LetterServiceServer<Service> as NamedService>::NAME,
    <LogServiceServer<Service> as NamedService>::NAME,
    <SubjectServiceServer<Service> as NamedService>::NAME,
    <AuditServiceServer<Service> as NamedService>::NAME,
    <MeasureServiceServer<Service> as NamedService>::NAME,
];

/// How often what the freshness window no longer needs is removed.
const PRUNE_EVERY: Duration = Duration::from_secs(20);

/// How often the head of the log is read on a database that replicas share.
const FOLLOW_EVERY: Duration = Duration::from_millis(200);

/// How long calls under way may go on after the shutdown began.
const DRAIN: Duration = Duration::from_secs(10);

/// How long closing the database may take.
const CLOSE: Duration = Duration::from_secs(10);

/// How far the newest record may be ahead of the clock at start, in milliseconds: more than clocks are set
/// back by in operation.
const MAX_BEHIND_MS: u64 = 300_000;

/// Changes of consent that a watching requester may be behind.
const CHANGES: usize = 1024;

/// What a coordinator runs on.
pub struct CoordinatorDeps {
    /// Database URL, `sqlite:PATH` or `postgres://USER@HOST/DATABASE`.
    pub database: String,
    /// File of the journal of erasures, made if it is missing. It is kept apart from the database's backups, so that
    /// what was erased stays erased when one is restored.
    pub erasures: PathBuf,
    /// The registry in the configured file, verified: the first one ever, one that was in force here, or the next one.
    pub registry: Arc<Registry>,
    /// Its exact bytes.
    pub registry_bytes: Arc<[u8]>,
    /// What the configuration knows beforehand; later versions are checked by it.
    pub pins: Pins,
    /// Signs checkpoints; its name is the log's origin, `<coordinator>/log`.
    pub log_signer: NoteSigner,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Limits.
    pub limits: Limits,
}

/// Why a coordinator does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database, or the log in it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The journal of erasures.
    #[error("the journal of erasures: {0}")]
    Erasures(#[from] JournalError),
    /// The configuration.
    #[error(transparent)]
    Limits(#[from] LimitError),
    /// The registry was never in force here, and cannot be the next one.
    #[error(
        "the registry file is none of the versions that were in force here, and its number is not above theirs; use the newest registry file"
    )]
    RegistryOld,
    /// The signing key of the log is not the one that the registry names.
    #[error(
        "the log key is not the one that the registry names for `{0}`; use that key, or publish a registry with the new one"
    )]
    LogKey(String),
    /// The registry names no witnesses of the log.
    #[error("the witnesses of the log: {0}")]
    Witnesses(#[from] NoWitnesses),
    /// The log does not continue what its own key signed.
    #[error(
        "the log is sealed (log_sealed): its database stands behind or beside what its witnesses saw of it, so it was \
         rolled back or is another one; restore the newest copy of the database, or begin a new log with a new key"
    )]
    Sealed,
    /// Records would seem to be made before others that precede them.
    #[error("the newest record of the log was made at {newest}, and it is {now} by the clock; set the clock")]
    ClockBehind {
        /// Time of the newest record.
        newest: String,
        /// Time by the clock.
        now: String,
    },
}

/// Why a coordinator stopped serving before it was told to, or could not serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The sockets.
    #[error("the server failed: {0}")]
    Transport(#[from] tonic::transport::Error),
    /// The disk.
    #[error("the database could not be written to its disk; find the cause, then start again")]
    WriterStopped,
    /// What is stored contradicts itself; it was found beside the service.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A running coordinator, not yet listening.
pub struct Coordinator {
    shared: Arc<Shared>,
    /// What the start did not wait for.
    comparing: JoinHandle<Option<StoreError>>,
}

impl std::fmt::Debug for Coordinator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Coordinator").field("log", &self.shared.log).finish_non_exhaustive()
    }
}

impl Coordinator {
    /// Opens the database and the log, and logs the registry version if it is new.
    ///
    /// # Errors
    /// [`StartError`]: nothing is served then.
    pub async fn start(deps: CoordinatorDeps) -> Result<Self, StartError> {
        deps.limits.check()?;
        check_log_key(&deps.registry, &deps.log_signer)?;
        let db = Db::open(&deps.database, &MIGRATIONS).await?;
        let bytes = bytes::Bytes::from_owner(deps.registry_bytes);
        let versions = Arc::new(Versions::new(deps.registry.clone(), bytes.clone(), deps.pins));
        begin_versions(&db, &versions, &deps.registry, &bytes, deps.clock.now()).await?;
        let registry = versions.registry();
        check_log_key(&registry, &deps.log_signer)?;
        let (journal, lost) = Journal::open(&deps.erasures)?;
        let erasures = erasures::destroy_again(&db, lost, &mut entropy::os_rng()).await?;
        let log_key = deps.log_signer.verifier().clone();
        let log = Log::open(&db, deps.log_signer).await?;
        let witnesses = registry.witnesses()?;
        let opened = Witnesses::open(witnesses, log.clone(), log_key, db.clone(), deps.clock.clone()).await?;
        let witnesses = opened.map_err(|Sealed| StartError::Sealed)?;
        let newest = newest_time(&log).await?;
        let now = deps.clock.now();
        if newest.since(now) > MAX_BEHIND_MS {
            return Err(StartError::ClockBehind { newest: newest.to_rfc3339(), now: now.to_rfc3339() });
        }
        // Before anything is written.
        let comparison = Comparison::begin(db.clone(), &registry).await?;
        let consents = broadcast::channel(CHANGES).0;
        let own = (db.dialect() == Dialect::Postgres).then(Arc::<OwnChanges>::default);
        let appender = Appender::new(
            log.clone(),
            versions.clone(),
            witnesses.clone(),
            deps.limits.clone(),
            journal,
            Watchers { told: consents.clone(), own: own.clone() },
            newest,
        );
        let writer = Writer::new(Group::start(db.clone(), appender, deps.limits.waiting, deps.limits.group));
        if !versions.refresh(&db).await? && registries::newest(&mut *db.read().await?).await?.is_none() {
            let (number, hash) = (registry.number(), registry.hash());
            let bytes = versions.in_force().bytes.clone();
            // Another replica may have been faster, also with another one.
            if let Logged::Refused(_) = writer
                .log(Write::Registry(NewVersion { number, hash, bytes, after: None, recovers: false }))
                .await?
            {
                return Err(StartError::RegistryOld);
            }
            versions.refresh(&db).await?;
        }
        let shared = Arc::new(Shared {
            db,
            log,
            writer: writer.clone(),
            versions,
            clock: deps.clock,
            limits: deps.limits,
            bad_checks: Default::default(),
            refused_records: Default::default(),
            consents,
            witnesses: witnesses.clone(),
            erasures,
            closing: watch::channel(false).0,
        });
        tokio::spawn(witnesses.clone().mark(shared.closing.subscribe()));
        tokio::spawn(log_lost_erasures(shared.clone()));
        tokio::spawn(witnesses.share(shared.closing.subscribe()));
        tokio::spawn(versions::follow(shared.clone(), shared.closing.subscribe()));
        tokio::spawn(prune(writer, shared.closing.subscribe()));
        if let Some(own) = own {
            tokio::spawn(follow_replicas(shared.clone(), own));
        }
        let comparing = tokio::spawn(comparison.beside(shared.closing.subscribe()));
        Ok(Self { shared, comparing })
    }

    /// Serves until `shutdown`, then lets what is under way end, for at most 10 s.
    ///
    /// # Errors
    /// [`ServeError`]; after [`ServeError::WriterStopped`] the process should end and be started again, after
    /// [`ServeError::Store`] it should end and stay so until its database is restored.
    pub async fn serve(
        self,
        listener: MtlsListener,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), ServeError> {
        let Self { shared, comparing } = self;
        let service = Service(shared.clone());
        tokio::spawn(
            shared.versions.clone().expel(listener.credentials().clone(), shared.closing.subscribe()),
        );
        let (reporter, health) = tonic_health::server::health_reporter();
        tell(&reporter, ServingStatus::Serving).await;
        let (writer, closing) = (shared.writer.clone(), shared.closing.clone());
        let (told, was_told) = (closing.clone(), closing.clone());
        let (contradicted, mut contradiction) = oneshot::channel();
        let end = async move {
            tokio::select! {
                () = shutdown => {}
                () = writer.stopped() => {}
                error = difference(comparing) => drop(contradicted.send(error)),
            }
            // Streams end by themselves; otherwise they would keep their connections open.
            told.send_replace(true);
            drain(reporter).await;
        };
        let server = tune_server(tonic::transport::Server::builder())
            .layer(tacit_wire::ReasonLayer)
            .layer(http::LogFilesLayer(shared.clone()))
            .add_service(health)
            .add_service(RegistryServiceServer::new(service.clone()))
            .add_service(
                EnrollmentServiceServer::new(service.clone()).max_decoding_message_size(MAX_REQUEST_BYTES),
            )
            .add_service(
                AuthorizationServiceServer::new(service.clone()).max_decoding_message_size(MAX_REQUEST_BYTES),
            )
            .add_service(ConsentServiceServer::new(service.clone()))
            .add_service(SubjectServiceServer::new(service.clone()))
            .add_service(LetterServiceServer::new(service.clone()))
            .add_service(AuditServiceServer::new(service.clone()))
            .add_service(MeasureServiceServer::new(service.clone()))
            .add_service(LogServiceServer::new(service))
            .serve_with_incoming_shutdown(listener, end);
        let too_long = async move {
            let mut told = was_told.subscribe();
            // The sender lives as long as this future.
            let _ = told.wait_for(|told| *told).await;
            tokio::time::sleep(DRAIN).await;
        };
        let served = tokio::select! {
            served = server => served,
            () = too_long => {
                tracing::warn!("calls were still under way when the time to end them was over");
                Ok(())
            }
        };
        closing.send_replace(true);
        let stopped = tokio::time::timeout(Duration::ZERO, shared.writer.stopped()).await.is_ok();
        if tokio::time::timeout(CLOSE, shared.db.close()).await.is_err() {
            tracing::warn!("the database was still in use when the time to close it was over");
        }
        if let Ok(error) = contradiction.try_recv() {
            return Err(error.into());
        }
        served?;
        if stopped { Err(ServeError::WriterStopped) } else { Ok(()) }
    }
}

/// What was found to be not as it was signed; pending for ever when nothing is.
async fn difference(comparing: JoinHandle<Option<StoreError>>) -> StoreError {
    match comparing.await {
        Ok(Some(error)) => error,
        Ok(None) | Err(_) => std::future::pending().await,
    }
}

async fn tell(reporter: &HealthReporter, status: ServingStatus) {
    for name in SERVICES {
        reporter.set_service_status(name, status).await;
    }
}

/// Says that nothing is served any more, then ends the streams of those who watch: they would keep the server.
async fn drain(mut reporter: HealthReporter) {
    tell(&reporter, ServingStatus::NotServing).await;
    for name in SERVICES {
        reporter.clear_service_status(name).await;
    }
    // Who asks once more gets an answer all the same.
    tell(&reporter, ServingStatus::NotServing).await;
}

/// Puts in force what the database says; a file that was never there and has a higher number is offered as the next
/// version, as the operator's command does.
async fn begin_versions(
    db: &Db,
    versions: &Versions,
    file: &Registry,
    bytes: &bytes::Bytes,
    now: Millis,
) -> Result<(), StartError> {
    let mut conn = db.read().await?;
    let newest = registries::newest(&mut conn).await?;
    let known = registries::find(&mut conn, &file.hash()).await?;
    drop(conn);
    match (newest, known) {
        (Some(newest), None) if file.number() > newest.number => {
            registries::offer(&mut *db.write().await?, &file.hash(), bytes, now).await?;
        }
        (Some(_), None) => return Err(StartError::RegistryOld),
        (Some(_), Some(_)) | (None, _) => {}
    }
    versions.start(registries::in_force(&mut *db.read().await?).await?)?;
    Ok(())
}

/// Members pin the log's key by the registry: records under another one would be worth nothing.
fn check_log_key(registry: &Registry, signer: &NoteSigner) -> Result<(), StartError> {
    let coordinator = registry.coordinator();
    let named = registry.member(coordinator).and_then(|member| member.keys.log);
    let verifier = signer.verifier();
    if named.is_some_and(|key| key.0 == *verifier.key()) && verifier.name() == format!("{coordinator}/log") {
        Ok(())
    } else {
        Err(StartError::LogKey(coordinator.to_string()))
    }
}

/// When the newest record was made; 0 in an empty log.
async fn newest_time(log: &Log) -> Result<Millis, StoreError> {
    let Some(last) = log.head().size().checked_sub(1) else { return Ok(Millis(0)) };
    let record = log.records(&[last]).await?.pop().unwrap_or_default();
    let record = Record::parse(&record)
        .map_err(|_| StoreError::corrupt("log_entry", "record", last, "is not a record"))?;
    Ok(Millis(record.time_ms()))
}

/// Shows what other replicas appended to the log, and tells requesters that watch here of the consents that they changed,
/// until the server ends.
async fn follow_replicas(shared: Arc<Shared>, own: Arc<OwnChanges>) {
    let mut closing = shared.closing.subscribe();
    let mut told = shared.log.head().size();
    loop {
        tokio::select! {
            _ = closing.wait_for(|closing| *closing) => return,
            () = tokio::time::sleep(FOLLOW_EVERY) => {}
        }
        if let Err(error) = follow_once(&shared, &own, &mut told).await {
            tracing::warn!(%error, "what other replicas did could not be read");
        }
    }
}

/// Tells of consents that others recorded from the index `told` on.
async fn follow_once(shared: &Shared, own: &OwnChanges, told: &mut u64) -> Result<(), StoreError> {
    shared.log.refresh().await?;
    let size = shared.log.head().size();
    while *told < size {
        let changed = store::consents::changed(&mut *shared.db.read().await?, *told, size).await?;
        let Some(last) = changed.last() else {
            *told = size;
            break;
        };
        *told = last.log_index + 1;
        for consent in changed.into_iter().filter(|consent| !own.contain(consent.log_index)) {
            // Nobody watching is no error.
            drop(shared.consents.send(Arc::new(consent)));
        }
    }
    own.forget_before(*told);
    Ok(())
}

/// Logs what was erased again at start, as soon as the log may grow.
async fn log_lost_erasures(shared: Arc<Shared>) {
    let mut closing = shared.closing.subscribe();
    loop {
        let tried = async {
            let may_append = shared.witnesses.may_append().await.is_ok();
            may_append && shared.erasures.log(&shared.writer).await.is_ok()
        };
        tokio::select! {
            _ = closing.wait_for(|closing| *closing) => return,
            logged = tried => if logged { return },
        }
        tokio::time::sleep(PRUNE_EVERY).await;
    }
}

/// Removes what is over, a little at a time, until the server ends.
async fn prune(writer: Writer, mut closing: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            // Also when everything that could close it is gone.
            _ = closing.wait_for(|closing| *closing) => return,
            () = tokio::time::sleep(PRUNE_EVERY) => {}
        }
        loop {
            match writer.prune().await {
                Ok(true) => tokio::task::yield_now().await,
                Ok(false) => break,
                Err(error) => {
                    tracing::error!(%error, "pruning failed");
                    break;
                }
            }
        }
    }
}
