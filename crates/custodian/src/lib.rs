//! The custodian: scoped pseudonym keys, quotas, and the mirror of sealed lists.
//!
//! ```text
//! requester, authority ──Evaluate──▶ quota (durable) ─▶ Th = kD_A · Ph, one batch proof
//! holder ──PutTable, PutChanges──▶ verified, staged ──Activate──▶ served
//! requester ──FetchBuckets, permits──▶ in the witnessed log? used before? ─▶ buckets with paths
//! ```
//!
//! It is small on purpose: an independent body runs it. It learns how many subjects a requester enrolled, and that
//! a requester asked a list for a purpose, with a set of bucket numbers; it forgets which permits took which buckets
//! when they expire. It *never* receives a subject code, a pseudonym, a blinded query or an answer, and it decides
//! nothing that agreements or consents decide.

mod buckets;
mod caller;
mod config;
mod error;
mod federation;
mod keys;
mod mirror;
mod pseudonym;
pub mod recovery;
mod report;
mod store;
mod witness;

use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tacit_identity::{Credentials, MtlsListener, Role, SpiffeId, channel, tune_server};
use tacit_ledger::cosignature::CosignatureSigner;
use tacit_ledger::ed25519::SigningKey;
use tacit_ledger::note::NoteVerifier;
use tacit_model::{Clock, MemberId};
use tacit_policy::Pins;
use tacit_store::Db;
use tacit_wire::custodian::bucket_service_server::BucketServiceServer;
use tacit_wire::custodian::mirror_service_server::MirrorServiceServer;
use tacit_wire::custodian::pseudonym_service_server::PseudonymServiceServer;
use tacit_wire::custodian::witness_service_server::WitnessServiceServer;
use tacit_witness::{AddCheckpointLayer, Witness, WitnessConfig};
use tokio::task::JoinSet;
use tonic::server::NamedService;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

pub use config::{Config, CoordinatorAt, Limits, PinnedKeys, Schedule, SeedFile, TlsFiles};
pub use error::{RegistryTrouble, StartError};
/// The tables of a custodian's database, for what works on it without the role.
pub use store::MIGRATIONS;

/// The newest registry version that a custodian keeps in the database of this URL, the exact file; the role may run.
///
/// # Errors
/// [`StoreError`](tacit_store::StoreError).
pub async fn kept_registry(database: &str) -> Result<Option<Vec<u8>>, tacit_store::StoreError> {
    let db = Db::open(database, &MIGRATIONS).await?;
    let kept = store::registry::load(&mut *db.read().await?).await;
    db.close().await;
    kept
}

use buckets::Buckets;
use federation::{Federation, Source};
use keys::Seeds;
use mirror::Mirror;
use mirror::shelf::Shelf;
use pseudonym::Pseudonyms;
use report::Reporter;
use store::Writer;
use witness::Cosigned;

/// A message of blinded subjects: 1024 points and a name.
const MAX_EVALUATE_MESSAGE: usize = 64 << 10;
/// A message of a table: a chunk of 4 MiB and what stands around it.
const MAX_TABLE_MESSAGE: usize = (4 << 20) + (256 << 10);
/// A message with 1024 permits of the largest size.
const MAX_FETCH_MESSAGE: usize = 12 << 20;
/// What health is told of: the server as a whole, and each service.
const SERVICES: [&str; 5] = [
    "",
    <PseudonymServiceServer<Pseudonyms> as NamedService>::NAME,
    <MirrorServiceServer<Mirror> as NamedService>::NAME,
    <BucketServiceServer<Buckets> as NamedService>::NAME,
    <WitnessServiceServer<Cosigned> as NamedService>::NAME,
];
/// How long calls may go on after the shutdown signal.
const DRAIN: Duration = Duration::from_secs(15);

/// A custodian that is ready to serve. Dropping it ends its background work.
pub struct Custodian {
    pseudonyms: Pseudonyms,
    mirror: Mirror,
    buckets: Buckets,
    credentials: Credentials,
    witness: Witness,
    max_changes_bytes: usize,
    background: JoinSet<()>,
}

impl Custodian {
    /// Opens the database, follows the log, takes the registry over, proves that the seeds give the keys that the
    /// registry publishes, and starts the background work. Waits for the coordinator only at the very first start.
    ///
    /// # Errors
    /// [`StartError`], which names the key of the configuration at fault.
    pub async fn start(config: Config, clock: Arc<dyn Clock>) -> Result<Self, StartError> {
        let credentials = Credentials::load((&config.tls).into(), Arc::clone(&clock))?;
        let own = credentials.spiffe().clone();
        if own.role != Role::Custodian {
            return Err(StartError::Role { found: own.role });
        }
        let seeds = Seeds::load(&config.pseudonym_seeds)?;
        let batch_secret = seeds.batch_secret();
        let db = Db::open(&config.database, &MIGRATIONS).await?;
        let at = &config.coordinator;
        let log_key = NoteVerifier::new(&format!("{}/log", at.member), config.pins.log.0)?;
        let expected = SpiffeId::new(own.federation.clone(), Role::Coordinator, at.member.clone());
        let coordinator = channel(&at.endpoint, expected.clone(), credentials.clone())?;
        let replicas = config
            .coordinator_replicas
            .iter()
            .map(|endpoint| channel(endpoint, expected.clone(), credentials.clone()))
            .collect::<Result<_, _>>()?;
        let signer = witness_signer(&config.witness_seed, &own.member)?;
        let witness_key = *signer.verifier().key();
        let witness = Witness::start(WitnessConfig {
            coordinator: coordinator.clone(),
            replicas,
            log_key: log_key.clone(),
            signer,
            db: db.clone(),
            clock: Arc::clone(&clock),
            // Holders have no service of this kind: what they cosigned comes with the coordinator's notes.
            peers: Vec::new(),
        })
        .await?;
        let source = Source {
            coordinator: coordinator.clone(),
            witness: witness.clone(),
            db: db.clone(),
            pins: pins(&config, own.federation.as_str()),
            seeds,
            coordinator_id: at.member.clone(),
            own_id: own.member.clone(),
            witness_key,
            log_key,
            clock: Arc::clone(&clock),
            credentials: credentials.clone(),
        };
        let federation =
            Federation::start(source, Duration::from_millis(config.schedule.first_registry_ms)).await?;
        store::tables::drop_unfinished(&mut *db.write().await?, clock.now()).await?;
        let shelf = Arc::new(Shelf::load(&mut *db.read().await?).await?);
        let writer = Writer::start(db.clone(), Arc::clone(&clock), batch_secret);
        let (mirror, broken_off) = Mirror::new(
            federation.clone(),
            witness.clone(),
            db.clone(),
            Arc::clone(&clock),
            Arc::clone(&shelf),
            config.limits.max_uploads,
        );
        let reporter = Reporter {
            coordinator,
            witness: witness.clone(),
            db: db.clone(),
            own_id: own.member.to_string(),
        };
        let mut background = JoinSet::new();
        background.spawn(federation.clone().follow(Duration::from_millis(config.schedule.registry_ms)));
        background.spawn(reporter.run(Duration::from_millis(config.schedule.report_ms)));
        background.spawn(mirror::clean::run(
            mirror.clone(),
            broken_off,
            Duration::from_millis(config.schedule.cleaning_ms),
        ));
        let buckets = Buckets {
            federation: federation.clone(),
            witness: witness.clone(),
            db,
            writer: writer.clone(),
            shelf,
            patience: Duration::from_millis(config.limits.activation_patience_ms),
        };
        let pseudonyms = Pseudonyms {
            federation,
            writer,
            witness: witness.clone(),
            authority_cap: config.limits.authority_new_subjects_per_day,
            holder_cap: config.limits.holder_new_subjects_per_day,
            auditor_cap: config.limits.auditor_new_subjects_per_day,
        };
        let max_changes_bytes = config.limits.max_changes_bytes;
        Ok(Self { pseudonyms, mirror, buckets, credentials, witness, max_changes_bytes, background })
    }

    /// The credentials in use: for the listener, and to reload them.
    #[must_use]
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// The custodian's view of the log.
    #[must_use]
    pub fn witness(&self) -> &Witness {
        &self.witness
    }

    /// The gRPC services, each with its largest message.
    #[must_use]
    pub fn services(&self) -> Routes {
        let table = MAX_TABLE_MESSAGE.max(self.max_changes_bytes);
        Routes::new(
            PseudonymServiceServer::new(self.pseudonyms.clone())
                .max_decoding_message_size(MAX_EVALUATE_MESSAGE),
        )
        .add_service(MirrorServiceServer::new(self.mirror.clone()).max_decoding_message_size(table))
        .add_service(
            BucketServiceServer::new(self.buckets.clone()).max_decoding_message_size(MAX_FETCH_MESSAGE),
        )
        .add_service(WitnessServiceServer::new(Cosigned { witness: self.witness.clone() }))
    }

    /// Serves until `shutdown` is ready, then lets calls under way end, 15 s at most.
    ///
    /// # Errors
    /// What the transport says when it cannot go on.
    pub async fn serve(
        mut self,
        listener: MtlsListener,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Result<(), tonic::transport::Error> {
        let (health, health_service) = tonic_health::server::health_reporter();
        tell(&health, ServingStatus::Serving).await;
        let (writer, failing) = (self.pseudonyms.writer.clone(), health.clone());
        self.background.spawn(async move {
            writer.stopped().await;
            // The disk failed: nothing is decided until the process is started again.
            tell(&failing, ServingStatus::NotServing).await;
        });
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let serving = tune_server(Server::builder())
            .layer(tacit_wire::ReasonLayer)
            .layer(AddCheckpointLayer::new(self.witness.clone()))
            .add_routes(self.services().add_service(health_service))
            .serve_with_incoming_shutdown(listener, async {
                // A dropped sender means the same.
                let _ = stopped.await;
            });
        tokio::pin!(serving);
        let outcome = tokio::select! {
            outcome = &mut serving => outcome,
            () = shutdown => {
                drain(health).await;
                drop(stop);
                // A stream that nobody reads would keep the server for ever.
                tokio::time::timeout(DRAIN, serving).await.unwrap_or(Ok(()))
            }
        };
        self.background.shutdown().await;
        outcome
    }
}

async fn tell(health: &HealthReporter, status: ServingStatus) {
    for name in SERVICES {
        health.set_service_status(name, status).await;
    }
}

/// Says that nothing is served any more, then ends the streams of those who watch: they would keep the server.
async fn drain(mut health: HealthReporter) {
    tell(&health, ServingStatus::NotServing).await;
    for name in SERVICES {
        health.clear_service_status(name).await;
    }
    // Who asks once more gets an answer all the same.
    tell(&health, ServingStatus::NotServing).await;
}

impl std::fmt::Debug for Custodian {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Custodian").field("spiffe", self.credentials.spiffe()).finish_non_exhaustive()
    }
}

/// The key that cosigns, which the registry must show.
fn witness_signer(path: &Path, own: &MemberId) -> Result<CosignatureSigner, StartError> {
    let seed = keys::read_seed("witness_seed", path)?;
    Ok(CosignatureSigner::new(&format!("{own}/witness"), SigningKey::from_seed(&seed))?)
}

fn pins(config: &Config, federation: &str) -> Pins {
    Pins {
        federation: federation.to_owned(),
        coordinator_key: config.pins.coordinator.0,
        custodian_key: config.pins.custodian.0,
        members: config.pins.members.iter().map(|(id, key)| (id.clone(), key.0)).collect(),
    }
}
