//! A court that holds lists, and who it deals with.

pub(crate) mod asker;
pub(crate) mod log;
pub(crate) mod mirror;
pub(crate) mod registry;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tacit_identity::{
    CredentialFiles, Credentials, DevCa, Federation, MtlsListener, Role, SpiffeId, channel, tune_server,
};
use tacit_ledger::cosignature::CosignatureSigner;
use tacit_ledger::note::{NoteSigner, NoteVerifier};
use tacit_model::entropy::seeded_rng;
use tacit_model::generate::generate_uscc;
use tacit_model::{Clock as _, ListId, ManualClock, MemberId, Millis};
use tacit_node::config::HolderConfig;
use tacit_node::holder::{Holder, HolderDeps};
use tacit_node::records::{ImportOptions, ImportReport, Records, format_day};
use tacit_policy::Registry;
use tacit_store::Db;
use tacit_wire::coordinator::log_service_server::LogServiceServer;
use tacit_wire::custodian::mirror_service_server::MirrorServiceServer;
use tacit_witness::{Witness, WitnessConfig};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tonic::Status;
use tonic::transport::{Channel, Server};

use log::TestLog;
use mirror::TestMirror;
use registry::{Terms, key};

/// 2026-11-21T22:29:03.223Z, day 20,778.
pub(crate) const NOW: Millis = Millis(1_795_300_143_223);
pub(crate) const FEDERATION: &str = "test.example";
pub(crate) const LIST: &str = "court/defaulters";
pub(crate) const DAY_MS: u64 = 86_400_000;
pub(crate) const TICK_MS: u64 = 10_000;
pub(crate) const HEADER: &str = "code,category,decision_ref,decided_on,notified_on,effective_on,expires_on\n";

/// Calls that fail, each once: before anything was done, or after.
#[derive(Clone, Default)]
pub(crate) struct Faults(Arc<Mutex<HashMap<String, u32>>>);

impl Faults {
    pub(crate) fn fail(&self, when: &str) {
        *self.0.lock().unwrap().entry(when.to_owned()).or_default() += 1;
    }

    fn due(&self, when: &str) -> Result<(), Status> {
        match self.0.lock().unwrap().get_mut(when) {
            Some(left) if *left > 0 => {
                *left -= 1;
                Err(Status::unavailable("as the test wants it"))
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn before(&self, call: &str) -> Result<(), Status> {
        self.due(&format!("before {call}"))
    }

    pub(crate) fn after(&self, call: &str) -> Result<(), Status> {
        self.due(&format!("after {call}"))
    }
}

pub(crate) struct World {
    pub(crate) folder: TempDir,
    ca: DevCa,
    pub(crate) clock: ManualClock,
    pub(crate) log: TestLog,
    pub(crate) mirror: TestMirror,
    pub(crate) faults: Faults,
    pub(crate) registry: Arc<Registry>,
    pub(crate) config: HolderConfig,
    others: SocketAddr,
    court: Option<Court>,
}

/// The court's node.
pub(crate) struct Court {
    pub(crate) holder: Holder,
    pub(crate) db: Db,
    address: SocketAddr,
    serving: JoinHandle<()>,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(Terms::default()).await
    }

    pub(crate) async fn with(terms: Terms) -> Self {
        let clock = ManualClock::new(NOW);
        let folder = tempfile::tempdir().unwrap();
        let ca = DevCa::create(FEDERATION.parse().unwrap(), NOW).unwrap();
        ca.save(folder.path()).unwrap();
        let faults = Faults::default();
        let (log, mirror) = (TestLog::new(faults.clone(), clock.clone()), TestMirror::new(faults.clone()));
        // One socket for both: what is tested is the court.
        let credentials = issue(&ca, &folder, &clock, Role::Coordinator, "hub");
        let listener = MtlsListener::bind("127.0.0.1:0".parse().unwrap(), credentials).await.unwrap();
        let others = listener.local_addr();
        let server = tune_server(Server::builder())
            .add_service(LogServiceServer::new(log.clone()))
            .add_service(MirrorServiceServer::new(mirror.clone()).max_decoding_message_size(32 << 20));
        tokio::spawn(async move { server.serve_with_incoming(listener).await.unwrap() });
        let registry = registry::registry(&terms);
        let config = HolderConfig { tick_ms: TICK_MS, epoch_ms: DAY_MS, seal_threads: 2 };
        let mut world =
            Self { folder, ca, clock, log, mirror, faults, registry, config, others, court: None };
        world.start().await;
        world
    }

    /// Starts the court on its database.
    pub(crate) async fn start(&mut self) {
        let db = tacit_node::store::open(&self.database()).await.unwrap();
        let (others, credentials) = {
            let credentials = issue(&self.ca, &self.folder, &self.clock, Role::Node, "court");
            let hub = spiffe(Role::Coordinator, "hub");
            (channel(&format!("https://{}", self.others), hub, credentials.clone()).unwrap(), credentials)
        };
        let witness = Witness::start(WitnessConfig {
            coordinator: others.clone(),
            log_key: NoteVerifier::new("hub/log", key("hub/log").verifying_key()).unwrap(),
            signer: CosignatureSigner::new("court/witness", key("court/witness")).unwrap(),
            db: db.clone(),
            clock: Arc::new(self.clock.clone()),
            replicas: Vec::new(),
            peers: Vec::new(),
        })
        .await
        .unwrap();
        witness.set_witnesses(self.registry.witnesses().unwrap()).await;
        let deps = HolderDeps {
            member: "court".parse().unwrap(),
            db: db.clone(),
            registry: Arc::clone(&self.registry),
            witness,
            coordinator: others.clone(),
            custodian: others,
            manifest_signer: NoteSigner::new("court/manifest", key("court/manifest")).unwrap(),
            clock: Arc::new(self.clock.clone()),
        };
        let holder = Holder::start(self.config.clone(), deps).await.unwrap();
        let listener = MtlsListener::bind("127.0.0.1:0".parse().unwrap(), credentials).await.unwrap();
        let address = listener.local_addr();
        let server = tune_server(Server::builder()).add_service(holder.evaluation_service());
        let serving = tokio::spawn(async move { server.serve_with_incoming(listener).await.unwrap() });
        self.court = Some(Court { holder, db, address, serving });
    }

    /// Ends the court's node as a crash does, and starts it again.
    pub(crate) async fn restart(&mut self) {
        let court = self.court.take().unwrap();
        court.serving.abort();
        drop(court.holder);
        court.db.close().await;
        self.start().await;
    }

    /// Starts another replica of the court's node on the same database, which is the court from now on.
    pub(crate) async fn start_replica(&mut self) -> Court {
        let first = self.court.take().unwrap();
        self.start().await;
        first
    }

    pub(crate) fn court(&self) -> &Court {
        self.court.as_ref().unwrap()
    }

    pub(crate) fn records(&self) -> Records {
        self.court().holder.records()
    }

    pub(crate) fn database(&self) -> String {
        tacit_store::conformance::url(self.folder.path(), "court")
    }

    /// Time goes on, and the lists have their tick.
    pub(crate) async fn tick_after(&self, ms: u64) {
        self.clock.advance_ms(ms);
        self.court().holder.tick().await.unwrap();
    }

    pub(crate) async fn tick(&self) {
        self.tick_after(TICK_MS).await;
    }

    pub(crate) async fn import(&self, rows: &str) -> ImportReport {
        let csv = format!("{HEADER}{rows}");
        let reader = std::io::Cursor::new(csv.into_bytes());
        self.records().import(reader, &list(), &options(), |_| ()).await.unwrap()
    }

    /// Imports codes that are listed since long.
    pub(crate) async fn import_codes<S: AsRef<str>>(&self, codes: &[S]) -> ImportReport {
        let rows: String = codes.iter().map(|code| row(code.as_ref())).collect();
        let report = self.import(&rows).await;
        assert_eq!(report.rejected, 0, "{:?}", report.rejections.first());
        report
    }

    pub(crate) fn connect(&self, role: Role, member: &str) -> (Channel, Credentials) {
        let credentials = issue(&self.ca, &self.folder, &self.clock, role, member);
        let court = spiffe(Role::Node, "court");
        let address = self.court().address;
        (channel(&format!("https://{address}"), court, credentials.clone()).unwrap(), credentials)
    }

    /// What a query over the court's database counts.
    pub(crate) async fn count(&self, sql: &'static str) -> i64 {
        use sqlx::Row as _;
        let mut conn = self.court().db.read().await.unwrap();
        sqlx::query(sql).fetch_one(&mut *conn).await.unwrap().get(0)
    }

    pub(crate) fn today(&self) -> u32 {
        asker::day(self.clock.now())
    }
}

pub(crate) fn list() -> ListId {
    LIST.parse().unwrap()
}

pub(crate) fn options() -> ImportOptions {
    ImportOptions { by: "clerk-7".to_owned(), source: "list.csv".to_owned(), keep_rejections: 10_000 }
}

/// Decided, notified and in effect long ago, without an end.
pub(crate) fn row(code: &str) -> String {
    format!("{code},1,(2024) No. 17,2024-03-01,2024-03-05,2024-03-20,\n")
}

pub(crate) fn row_with(code: &str, notified_on: u32, effective_on: u32, expires_on: u32) -> String {
    let [notified, effective, expires] = [notified_on, effective_on, expires_on].map(format_day);
    format!("{code},1,(2024) No. 17,2024-03-01,{notified},{effective},{expires}\n")
}

/// Distinct valid codes.
pub(crate) fn codes(count: usize, seed: u8) -> Vec<String> {
    let mut rng = seeded_rng([seed; 32]);
    let mut seen = std::collections::HashSet::new();
    std::iter::repeat_with(|| generate_uscc(&mut rng))
        .filter(|code| seen.insert(code.clone()))
        .take(count)
        .collect()
}

pub(crate) fn spiffe(role: Role, member: &str) -> SpiffeId {
    SpiffeId::new(FEDERATION.parse::<Federation>().unwrap(), role, member.parse::<MemberId>().unwrap())
}

/// A certificate, saved under role and name, and loaded.
fn issue(ca: &DevCa, folder: &TempDir, clock: &ManualClock, role: Role, member: &str) -> Credentials {
    let stem = format!("{role}-{member}");
    if !folder.path().join(format!("{stem}.pem")).exists() {
        ca.issue(&spiffe(role, member), NOW).unwrap().save(folder.path(), &stem).unwrap();
    }
    Credentials::load(CredentialFiles::in_folder(folder.path(), &stem), Arc::new(clock.clone())).unwrap()
}
