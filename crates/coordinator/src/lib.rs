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
mod config;
mod opening;
mod services;
mod store;
mod writer;

use std::{future::Future, sync::Arc, time::Duration};

use tacit_identity::{MtlsListener, tune_server};
use tacit_ledger::note::NoteSigner;
use tacit_model::Clock;
use tacit_policy::Registry;
use tacit_store::{Db, Group, StoreError, log::Log};
use tacit_wire::coordinator::{
    authorization_service_server::AuthorizationServiceServer, consent_service_server::ConsentServiceServer,
    enrollment_service_server::EnrollmentServiceServer, log_service_server::LogServiceServer,
    registry_service_server::RegistryServiceServer,
};
use tokio::sync::broadcast;

use crate::{
    append::{Appender, Job},
    services::{Service, Shared},
    writer::{Logged, Writer},
};

pub use config::Limits;
/// The tables of a coordinator's SQLite database, for what works on its log without the role.
pub use store::SQLITE as MIGRATIONS;

/// Largest request: 1024 checks of several holders each.
const MAX_REQUEST_BYTES: usize = 16 << 20;

/// How often what the freshness window no longer needs is removed.
const PRUNE_EVERY: Duration = Duration::from_secs(60);

/// What a coordinator runs on.
pub struct CoordinatorDeps {
    /// Database URL, `sqlite:PATH`.
    pub database: String,
    /// The registry in force, verified.
    pub registry: Arc<Registry>,
    /// Its exact bytes.
    pub registry_bytes: Arc<[u8]>,
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
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The registry is older than one that was in force here.
    #[error(
        "the registry's number is not above that of the last version in force here; use the newest registry file"
    )]
    RegistryOld,
}

/// A running coordinator, not yet listening.
pub struct Coordinator {
    shared: Arc<Shared>,
}

impl Coordinator {
    /// Opens the database and the log, and logs the registry version if it is new.
    pub async fn start(deps: CoordinatorDeps) -> Result<Self, StartError> {
        let db = Db::open(&deps.database, &store::SQLITE).await?;
        let log = Log::open(&db, deps.log_signer).await?;
        let appender =
            Appender::new(log.clone(), deps.registry.clone(), deps.clock.clone(), deps.limits.clone());
        let writer = Writer::new(Group::start(db.clone(), appender, deps.limits.waiting, deps.limits.group));
        let (number, hash) = (deps.registry.number(), deps.registry.hash());
        let logged = writer.write(Job::Registry { number, hash, bytes: deps.registry_bytes.clone() }).await?;
        if let Logged::Refused(_) = logged {
            return Err(StartError::RegistryOld);
        }
        let shared = Arc::new(Shared {
            db,
            log: log.clone(),
            writer: writer.clone(),
            registry: deps.registry,
            registry_bytes: deps.registry_bytes,
            clock: deps.clock,
            limits: deps.limits,
            bad_checks: Default::default(),
            consents: broadcast::channel(1024).0,
            checkpoints: broadcast::channel(1024).0,
        });
        tokio::spawn(announce(log, shared.checkpoints.clone()));
        tokio::spawn(prune(writer, Arc::downgrade(&shared)));
        Ok(Self { shared })
    }

    /// Serves until `shutdown`, then lets what is under way end.
    pub async fn serve(
        self,
        listener: MtlsListener,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), tonic::transport::Error> {
        let service = Service(self.shared);
        let (reporter, health) = tonic_health::server::health_reporter();
        reporter.set_serving::<AuthorizationServiceServer<Service>>().await;
        tune_server(tonic::transport::Server::builder())
            .add_service(health)
            .add_service(RegistryServiceServer::new(service.clone()))
            .add_service(
                EnrollmentServiceServer::new(service.clone()).max_decoding_message_size(MAX_REQUEST_BYTES),
            )
            .add_service(
                AuthorizationServiceServer::new(service.clone()).max_decoding_message_size(MAX_REQUEST_BYTES),
            )
            .add_service(ConsentServiceServer::new(service.clone()))
            .add_service(LogServiceServer::new(service))
            .serve_with_incoming_shutdown(listener, shutdown)
            .await
    }
}

/// Hands every committed checkpoint to the streams.
async fn announce(log: Log, checkpoints: broadcast::Sender<tacit_ledger::checkpoint::VerifiedCheckpoint>) {
    let mut head = log.subscribe();
    drop(log);
    while head.changed().await.is_ok() {
        let newest = head.borrow_and_update().clone();
        metrics::gauge!("tacit_coordinator_log_size").set(newest.size() as f64);
        // No stream open is no error.
        let _ = checkpoints.send(newest);
    }
}

async fn prune(writer: Writer, shared: std::sync::Weak<Shared>) {
    loop {
        tokio::time::sleep(PRUNE_EVERY).await;
        if shared.upgrade().is_none() {
            return;
        }
        if let Err(error) = writer.write(Job::Prune).await {
            tracing::error!(%error, "pruning failed");
        }
    }
}
