//! A small federation around one coordinator: real certificates and mTLS over loopback, real cryptography, real
//! SQLite, one clock that stands until it is moved.

mod registry;
mod requester;
mod witness;

use std::sync::Arc;

pub(crate) use registry::*;
pub(crate) use requester::*;
use tacit_blind::table::{Layout, Manifest};
use tacit_coordinator::{Coordinator, CoordinatorDeps, Limits, MIGRATIONS, ServeError, StartError};
use tacit_identity::{CredentialFiles, Credentials, DevCa, MtlsListener, Role, SpiffeId, connect};
use tacit_ledger::{
    logged::{LoggedRecord, VerifiedRecord},
    note::{NoteSigner, NoteVerifier},
    record::Record,
};
use tacit_model::{Clock, ManualClock, Millis};
use tacit_policy::Registry;
use tacit_store::Db;
use tacit_wire::{
    common,
    coordinator::{
        self as pb, get_manifest_response, log_service_client::LogServiceClient, publish_manifest_response,
    },
};
use tempfile::TempDir;
use tokio::{sync::oneshot, task::JoinHandle};
use tonic::transport::Channel;
pub(crate) use witness::*;

/// The federation's name in certificates and registry.
pub(crate) const FEDERATION: &str = "demo";

/// Everything that outlives a restart of the coordinator.
pub(crate) struct World {
    pub(crate) folder: TempDir,
    pub(crate) ca: DevCa,
    pub(crate) clock: ManualClock,
    pub(crate) registry: Arc<Registry>,
    pub(crate) registry_bytes: Vec<u8>,
    pub(crate) limits: Limits,
}

/// A coordinator that listens.
pub(crate) struct Running {
    pub(crate) endpoint: String,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<Result<(), ServeError>>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    /// A federation whose draft was changed before it was signed.
    pub(crate) fn with(change: impl FnOnce(&mut Draft)) -> Self {
        let mut draft = Draft::default();
        change(&mut draft);
        let (registry_bytes, registry) = draft.sign();
        let folder = tempfile::tempdir().unwrap();
        let ca = DevCa::create(FEDERATION.parse().unwrap(), now()).unwrap();
        ca.save(folder.path()).unwrap();
        Self {
            folder,
            ca,
            clock: ManualClock::new(now()),
            registry: Arc::new(registry),
            registry_bytes,
            limits: Limits::default(),
        }
    }

    pub(crate) fn now(&self) -> Millis {
        self.clock.now()
    }

    pub(crate) fn url(&self) -> String {
        tacit_store::conformance::url(self.folder.path(), "coordinator")
    }

    /// The database, beside the running coordinator.
    pub(crate) async fn db(&self) -> Db {
        Db::open(&self.url(), &MIGRATIONS).await.unwrap()
    }

    /// Credentials of a party; a new key each time.
    pub(crate) fn party(&self, role: Role, member: &str) -> Credentials {
        let id = SpiffeId::new(self.ca.federation().clone(), role, id(member));
        let leaf = self.ca.issue(&id, self.now()).unwrap();
        // Each in a folder of its own, so that one party can have several certificates.
        let folder = self.folder.path().join(format!("{role}-{member}-{}", leaf.serial));
        std::fs::create_dir_all(&folder).unwrap();
        leaf.save(&folder, "leaf").unwrap();
        let files = CredentialFiles {
            authority: self.folder.path().join("ca.pem"),
            crl: self.folder.path().join("crl.pem"),
            ..CredentialFiles::in_folder(&folder, "leaf")
        };
        Credentials::load(files, Arc::new(self.clock.clone())).unwrap()
    }

    pub(crate) fn deps(&self) -> CoordinatorDeps {
        CoordinatorDeps {
            database: self.url(),
            erasures: self.folder.path().join("erasures"),
            registry: self.registry.clone(),
            registry_bytes: self.registry_bytes.clone().into(),
            pins: pins(str::to_owned),
            log_signer: NoteSigner::new("coordinator/log", key("coordinator/log")).unwrap(),
            clock: Arc::new(self.clock.clone()),
            limits: self.limits.clone(),
        }
    }

    pub(crate) async fn try_start(&self) -> Result<Running, StartError> {
        self.try_start_with(self.deps()).await
    }

    pub(crate) async fn try_start_with(&self, deps: CoordinatorDeps) -> Result<Running, StartError> {
        let coordinator = Coordinator::start(deps).await?;
        let credentials = self.party(Role::Coordinator, "coordinator");
        let listener = MtlsListener::bind("127.0.0.1:0".parse().unwrap(), credentials).await.unwrap();
        let endpoint = format!("https://{}", listener.local_addr());
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(coordinator.serve(listener, async { stopped.await.unwrap_or(()) }));
        Ok(Running { endpoint, stop, serving })
    }

    /// A coordinator; when it has a log already, with the witnesses that have to confirm it.
    pub(crate) async fn start(&self) -> Running {
        let has_log = self.log_size().await > 0;
        let running = self.try_start().await.unwrap();
        if has_log {
            self.witness(&running, &WITNESSES[..2]).await;
        }
        running
    }

    async fn log_size(&self) -> i64 {
        use sqlx::Row as _;
        let db = self.db().await;
        let mut conn = db.read().await.unwrap();
        let query = "SELECT COALESCE(MAX(size), 0) FROM log_head";
        let size = sqlx::query(query).fetch_one(&mut *conn).await.unwrap().get(0);
        drop(conn);
        db.close().await;
        size
    }

    /// Has these witnesses cosign whatever they are asked, until the coordinator ends.
    pub(crate) async fn witness(&self, running: &Running, members: &[&'static str]) {
        for member in members {
            let role = if *member == "custodian" { Role::Custodian } else { Role::Node };
            let channel = self.channel(running, role, member).await;
            let stream = Stream::open(channel, None).await.unwrap();
            tokio::spawn(stream.cosign_all(member, self.clock.clone()));
        }
    }

    /// A running coordinator with version 1 of every list logged in [`LIST_EPOCH`].
    pub(crate) async fn start_with_lists(&self) -> Running {
        let running = self.start().await;
        for list in LISTS {
            let outcome = self.publish(&running, &manifest(list, LIST_EPOCH, 1)).await;
            assert!(matches!(outcome, publish_manifest_response::Outcome::Logged(_)), "{outcome:?}");
        }
        running
    }

    /// A connection as this party.
    pub(crate) async fn channel(&self, running: &Running, role: Role, member: &str) -> Channel {
        self.channel_with(running, self.party(role, member)).await
    }

    pub(crate) async fn channel_with(&self, running: &Running, credentials: Credentials) -> Channel {
        let coordinator = SpiffeId::new(self.ca.federation().clone(), Role::Coordinator, id("coordinator"));
        connect(&running.endpoint, coordinator, credentials).await.unwrap()
    }

    /// Publishes a manifest as the holder of its list, signed with that holder's key.
    pub(crate) async fn publish(
        &self,
        running: &Running,
        manifest: &Manifest,
    ) -> publish_manifest_response::Outcome {
        let holder = manifest.list.holder().to_owned();
        self.publish_as(running, &holder, sign_manifest(manifest)).await
    }

    pub(crate) async fn publish_as(
        &self,
        running: &Running,
        member: &str,
        note: String,
    ) -> publish_manifest_response::Outcome {
        let channel = self.channel(running, Role::Node, member).await;
        let request = pb::PublishManifestRequest { manifest: note.into_bytes().into() };
        let response = LogServiceClient::new(channel).publish_manifest(request).await.unwrap();
        response.into_inner().outcome.unwrap()
    }

    pub(crate) async fn get_manifest(
        &self,
        running: &Running,
        list: &str,
        epoch: u64,
        version: u64,
    ) -> get_manifest_response::Outcome {
        let channel = self.channel(running, Role::Auditor, "audit-office").await;
        let request = pb::GetManifestRequest { list_id: list.to_owned(), epoch, version };
        let response = LogServiceClient::new(channel).get_manifest(request).await.unwrap();
        response.into_inner().outcome.unwrap()
    }
}

impl Running {
    /// Waits until it ends by itself.
    pub(crate) async fn ended(self) -> Result<(), ServeError> {
        let patience = std::time::Duration::from_secs(30);
        tokio::time::timeout(patience, self.serving).await.expect("it ends").unwrap()
    }

    /// Ends it as SIGTERM does, and waits until it is done.
    pub(crate) async fn stop(self) {
        let _ = self.stop.send(());
        self.serving.await.unwrap().unwrap();
    }
}

pub(crate) fn log_key() -> NoteVerifier {
    NoteVerifier::new("coordinator/log", key("coordinator/log").verifying_key()).unwrap()
}

pub(crate) fn manifest(list: &str, epoch: u64, version: u64) -> Manifest {
    Manifest {
        list: list.parse().unwrap(),
        epoch,
        version,
        key: [u8::try_from(epoch % 251).unwrap(); 32],
        layout: Layout::new(0, 128).unwrap(),
        root: [u8::try_from(version % 251).unwrap(); 32],
        from: now(),
        until: now().plus_ms(86_400_000),
    }
}

pub(crate) fn sign_manifest(manifest: &Manifest) -> String {
    let name = format!("{}/manifest", manifest.list.holder());
    let signer = NoteSigner::new(&name, key(&name)).unwrap();
    manifest.clone().sign(&signer).unwrap().note().to_owned()
}

/// A record with its proof, verified as anyone can.
pub(crate) fn verified(record: &common::LoggedRecord, checkpoint: &[u8]) -> VerifiedRecord {
    let logged = LoggedRecord {
        record: record.record.to_vec(),
        index: record.index,
        inclusion: tacit_wire::chunks32("path", &record.path, 64).unwrap(),
        checkpoint: checkpoint.to_vec(),
    };
    let verified = logged.verify(&log_key()).unwrap();
    // One spelling: the bytes are exactly what the fields say.
    assert_eq!(verified.record().to_bytes().unwrap(), record.record);
    verified
}

/// Every record of the log, as an auditor reads it.
pub(crate) async fn entries(world: &World, running: &Running) -> Vec<Record> {
    let channel = world.channel(running, Role::Auditor, "audit-office").await;
    let request = pb::GetEntriesRequest { start: 0, count: 0 };
    let mut stream = LogServiceClient::new(channel).get_entries(request).await.unwrap().into_inner();
    let mut records = Vec::new();
    while let Some(page) = stream.message().await.unwrap() {
        assert_eq!(page.start, records.len() as u64);
        records.extend(page.records.iter().map(|bytes| Record::parse(bytes).unwrap()));
    }
    records
}

/// Records of one kind among all of the log.
pub(crate) async fn count(world: &World, running: &Running, kind: &str) -> usize {
    entries(world, running).await.iter().filter(|record| record.kind() == kind).count()
}
