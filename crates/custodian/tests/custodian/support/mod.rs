//! A custodian between a coordinator that only keeps a log, a court, two agencies and a portal.

pub(crate) mod log;
pub(crate) mod registry;
pub(crate) mod table;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tacit_blind::table::SignedManifest;
use tacit_custodian::{Config, Custodian, StartError};
use tacit_identity::{
    CredentialFiles, Credentials, DevCa, Federation, MtlsListener, Role, SpiffeId, channel, tune_server,
};
use tacit_ledger::record::{Access, ListAt, Manifest as ManifestRecord};
use tacit_model::{ManualClock, MemberId, Millis, Ulid};
use tacit_store::conformance;
use tacit_wire::common::LoggedRecord;
use tacit_wire::coordinator::log_service_server::LogServiceServer;
use tacit_wire::coordinator::registry_service_server::RegistryServiceServer;
use tacit_wire::custodian::bucket_service_client::BucketServiceClient;
use tacit_wire::custodian::mirror_service_client::MirrorServiceClient;
use tacit_wire::custodian::pseudonym_service_client::PseudonymServiceClient;
use tacit_witness::Witness;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tonic::transport::{Channel, Server};

use log::TestLog;

pub(crate) const NOW: Millis = Millis(1_795_300_143_223);
pub(crate) const FEDERATION: &str = "test.example";
/// Seed of pseudonym epoch 3.
pub(crate) const SEED: [u8; 32] = [42; 32];
/// New subjects that the agreement of `procurement` allows per day.
pub(crate) const QUOTA: u64 = 20;
/// New subjects that the portal may have evaluated per day.
pub(crate) const AUTHORITY_CAP: u64 = 5;
/// New subjects of a holder that writes letters, per day.
pub(crate) const HOLDER_CAP: u64 = 4;
/// New subjects an auditor may have evaluated in a day.
pub(crate) const AUDITOR_CAP: u64 = 3;

pub(crate) struct World {
    folder: TempDir,
    ca: DevCa,
    pub(crate) clock: ManualClock,
    pub(crate) log: TestLog,
    coordinator: SocketAddr,
    pub(crate) custodian: Option<Running>,
}

/// A custodian that serves.
pub(crate) struct Running {
    address: SocketAddr,
    pub(crate) witness: Witness,
    stop: tokio::sync::oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

/// A party with its connection to the custodian.
pub(crate) struct Party {
    pub(crate) member: String,
    pub(crate) cnf: [u8; 32],
    channel: Channel,
}

impl Party {
    pub(crate) fn pseudonyms(&self) -> PseudonymServiceClient<Channel> {
        PseudonymServiceClient::new(self.channel.clone())
    }

    pub(crate) fn mirror(&self) -> MirrorServiceClient<Channel> {
        MirrorServiceClient::new(self.channel.clone())
    }

    pub(crate) fn buckets(&self) -> BucketServiceClient<Channel> {
        BucketServiceClient::new(self.channel.clone()).max_decoding_message_size(16 << 20)
    }
}

impl World {
    /// Everything but the custodian.
    pub(crate) async fn without_custodian() -> Self {
        let clock = ManualClock::new(NOW);
        let folder = tempfile::tempdir().unwrap();
        let ca = DevCa::create(FEDERATION.parse().unwrap(), NOW).unwrap();
        ca.save(folder.path()).unwrap();
        std::fs::remove_file(folder.path().join("ca.key")).unwrap();
        let log = TestLog::new(registry::file(&SEED, 1), clock.clone());
        let credentials = issue(&ca, &folder, &clock, Role::Coordinator, "hub");
        let listener = MtlsListener::bind("127.0.0.1:0".parse().unwrap(), credentials).await.unwrap();
        let coordinator = listener.local_addr();
        let server = tune_server(Server::builder())
            .add_service(LogServiceServer::new(log.clone()))
            .add_service(RegistryServiceServer::new(log.clone()));
        tokio::spawn(async move { server.serve_with_incoming(listener).await.unwrap() });
        std::fs::write(folder.path().join("seed.hex"), format!("{}\n", hex(&SEED))).unwrap();
        private(&folder, "seed.hex");
        std::fs::write(folder.path().join("witness.hex"), hex(&registry::seed("keeper/witness"))).unwrap();
        private(&folder, "witness.hex");
        std::fs::write(folder.path().join("before.hex"), hex(&registry::seed("keeper/before"))).unwrap();
        private(&folder, "before.hex");
        issue(&ca, &folder, &clock, Role::Custodian, "keeper");
        Self { folder, ca, clock, log, coordinator, custodian: None }
    }

    pub(crate) async fn new() -> Self {
        let mut world = Self::without_custodian().await;
        world.start().await.unwrap();
        world
    }

    pub(crate) fn config(&self) -> Config {
        let path = |name: &str| self.folder.path().join(name).display().to_string();
        let key = |name: &str| registry::public(name).to_string();
        let text = format!(
            r#"
            listen = "127.0.0.1:0"
            database = "{}"
            pseudonym_seeds = [{{ epoch = 2, file = "{}" }}, {{ epoch = 3, file = "{}" }}]
            witness_seed = "{}"
            tls = {{ certificate = "{}", key = "{}", authority = "{}", crl = "{}" }}
            coordinator = {{ member = "hub", endpoint = "https://{}" }}
            [pins]
            coordinator = "{}"
            log = "{}"
            custodian = "{}"
            members = {{ portal = "{}" }}
            [limits]
            authority_new_subjects_per_day = {AUTHORITY_CAP}
            holder_new_subjects_per_day = {HOLDER_CAP}
            auditor_new_subjects_per_day = {AUDITOR_CAP}
            activation_patience_ms = 300
            [schedule]
            report_ms = 50
            cleaning_ms = 20
            registry_ms = 50
            first_registry_ms = 5000
            "#,
            self.database(),
            path("before.hex"),
            path("seed.hex"),
            path("witness.hex"),
            path("keeper.pem"),
            path("keeper.key"),
            path("ca.pem"),
            path("crl.pem"),
            self.coordinator,
            key("hub"),
            key("hub/log"),
            key("keeper"),
            key("portal"),
        );
        toml::from_str(&text).unwrap()
    }

    /// Starts the custodian on its database.
    pub(crate) async fn start(&mut self) -> Result<(), StartError> {
        let custodian = Custodian::start(self.config(), Arc::new(self.clock.clone())).await?;
        let any = "127.0.0.1:0".parse().unwrap();
        let listener = MtlsListener::bind(any, custodian.credentials().clone()).await.unwrap();
        let (address, witness) = (listener.local_addr(), custodian.witness().clone());
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let serving = tokio::spawn(async move {
            custodian.serve(listener, async { drop(stopped.await) }).await.unwrap();
        });
        self.custodian = Some(Running { address, witness, stop, serving });
        Ok(())
    }

    /// Stops the custodian and starts it again on the same database.
    pub(crate) async fn restart(&mut self) {
        let Running { stop, serving, .. } = self.custodian.take().unwrap();
        drop(stop);
        serving.await.unwrap();
        self.start().await.unwrap();
    }

    /// Starts another replica on the same database. Parties are of the new one from now on.
    pub(crate) async fn start_replica(&mut self) -> Running {
        let first = self.custodian.take().unwrap();
        self.start().await.unwrap();
        first
    }

    pub(crate) fn party(&self, role: Role, member: &str) -> Party {
        let credentials = issue(&self.ca, &self.folder, &self.clock, role, member);
        let cnf = credentials.cnf();
        let address = self.custodian.as_ref().unwrap().address;
        let keeper = spiffe(Role::Custodian, "keeper");
        let channel = channel(&format!("https://{address}"), keeper, credentials).unwrap();
        Party { member: member.to_owned(), cnf, channel }
    }

    pub(crate) fn node(&self, member: &str) -> Party {
        self.party(Role::Node, member)
    }

    /// A permit for `party` that names these lists (list, epoch, version), in the log.
    pub(crate) fn permit(&self, party: &Party, lists: &[(&str, u64, u64)]) -> LoggedRecord {
        let now = tacit_model::Clock::now(&self.clock);
        self.permit_with(party, lists, |access| access.time_ms = now.0)
    }

    pub(crate) fn permit_with(
        &self,
        party: &Party,
        lists: &[(&str, u64, u64)],
        change: impl FnOnce(&mut Access),
    ) -> LoggedRecord {
        let at = |(list, epoch, version): &(&str, u64, u64)| ListAt {
            list: (*list).to_owned(),
            epoch: *epoch,
            version: *version,
        };
        let mut access = Access {
            id: self.log.next_id(),
            time_ms: NOW.0,
            requester: party.member.clone(),
            holder: lists[0].0.split('/').next().unwrap().to_owned(),
            lists: lists.iter().map(at).collect(),
            purpose: "screening".to_owned(),
            registry: [1; 32],
            query: [2; 32],
            matter: [3; 32],
            cnf: party.cnf,
            expires_ms: 0,
            subject: [4; 32],
            evidence: [5; 32],
        };
        change(&mut access);
        if access.expires_ms == 0 {
            access.expires_ms = access.time_ms + 60_000;
        }
        self.log.append(&access.into())
    }

    /// Logs a manifest.
    pub(crate) fn log_manifest(&self, signed: &SignedManifest) -> LoggedRecord {
        let manifest = signed.manifest();
        let record = ManifestRecord {
            id: self.log.next_id(),
            time_ms: NOW.0,
            holder: manifest.list.holder().to_owned(),
            list: manifest.list.to_string(),
            epoch: manifest.epoch,
            version: manifest.version,
            key: manifest.key,
            buckets: manifest.layout.buckets(),
            capacity: manifest.layout.capacity(),
            root: manifest.root,
            note: signed.note_hash(),
        };
        self.log.append(&record.into())
    }

    fn database(&self) -> String {
        conformance::url(self.folder.path(), "custodian")
    }

    /// All that the custodian's database holds.
    pub(crate) fn database_bytes(&self) -> Vec<u8> {
        conformance::contents(self.folder.path(), "custodian")
    }

    /// What a query over the custodian's database counts.
    pub(crate) async fn count(&self, sql: &'static str) -> i64 {
        use sqlx::Row as _;
        let mut conn = <sqlx::AnyConnection as sqlx::Connection>::connect(&self.database()).await.unwrap();
        sqlx::query(sql).fetch_one(&mut conn).await.unwrap().get(0)
    }

    /// Rows about used permits.
    pub(crate) async fn uses(&self) -> i64 {
        self.count("SELECT COUNT(*) FROM permit_use").await
    }

    /// From the next start on the coordinator is not where it was.
    pub(crate) fn lose_coordinator(&mut self) {
        self.coordinator = "127.0.0.1:1".parse().unwrap();
    }

    pub(crate) fn write_seed(&self, seed: &str) {
        std::fs::write(self.folder.path().join("seed.hex"), seed).unwrap();
        private(&self.folder, "seed.hex");
    }
}

pub(crate) fn spiffe(role: Role, member: &str) -> SpiffeId {
    SpiffeId::new(FEDERATION.parse::<Federation>().unwrap(), role, member.parse::<MemberId>().unwrap())
}

/// A certificate, saved under the member's name, and loaded.
fn issue(ca: &DevCa, folder: &TempDir, clock: &ManualClock, role: Role, member: &str) -> Credentials {
    let stem = if role == Role::Custodian { member.to_owned() } else { format!("{role}-{member}") };
    if !folder.path().join(format!("{stem}.pem")).exists() {
        ca.issue(&spiffe(role, member), NOW).unwrap().save(folder.path(), &stem).unwrap();
    }
    Credentials::load(CredentialFiles::in_folder(folder.path(), &stem), Arc::new(clock.clone())).unwrap()
}

fn private(folder: &TempDir, name: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(folder.path().join(name), mode).unwrap();
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn ulid(n: u64) -> String {
    Ulid::from_parts(NOW.0, u128::from(n)).to_string()
}

/// Waits until something is so; panics when it takes 10 s.
pub(crate) async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    for _ in 0..500 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("never: {what}");
}
