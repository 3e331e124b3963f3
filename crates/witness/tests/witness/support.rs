//! A log in memory, and a coordinator over mTLS that serves what a test tells it to.

use std::{
    path::Path,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tacit_identity::{
    CredentialFiles, Credentials, DevCa, MtlsListener, PeerIdentity, Role, SpiffeId, channel, tune_server,
};
use tacit_ledger::{
    Hash,
    checkpoint::{Checkpoint, VerifiedCheckpoint},
    cosignature::CosignatureSigner,
    ed25519::SigningKey,
    merkle::leaf_hash,
    note::{NoteSigner, NoteVerifier, attach_line},
    quorum::WitnessSet,
    record::{Access, ListAt},
    tree::TreeView,
};
use tacit_model::{Clock as _, ManualClock, Millis, Reason};
use tacit_store::Db;
use tacit_wire::{
    common,
    coordinator::{
        self as pb,
        log_service_server::{LogService, LogServiceServer},
    },
    custodian::{
        GetCosignedRequest, GetCosignedResponse,
        witness_service_server::{WitnessService, WitnessServiceServer},
    },
};
use tacit_witness::{AddCheckpointLayer, Witness, WitnessConfig};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio_stream::{Stream, wrappers::UnboundedReceiverStream};
use tonic::{Request, Response, Status, Streaming, transport::Channel};

const SCHEMA: &str = "CREATE TABLE witness_state (only_row BIGINT PRIMARY KEY CHECK (only_row = 1), \
                      size BIGINT NOT NULL, root BLOB NOT NULL CHECK (length(root) = 32), note BLOB NOT NULL); \
                      CREATE TABLE witness_freeze (only_row BIGINT PRIMARY KEY, first BLOB NOT NULL, \
                      second BLOB NOT NULL, proof BLOB, frozen_ms BIGINT NOT NULL); \
                      CREATE TABLE witness_restored (only_row BIGINT PRIMARY KEY, restored_ms BIGINT NOT NULL)";

pub(crate) fn start_time() -> Millis {
    "2026-11-21T12:00:00.000Z".parse().unwrap()
}

pub(crate) fn signer() -> NoteSigner {
    NoteSigner::new("coordinator/log", SigningKey::from_seed(&[1; 32])).unwrap()
}

pub(crate) fn cosigner(name: &str) -> CosignatureSigner {
    let seed = if name.starts_with("court") { [2; 32] } else { [3; 32] };
    CosignatureSigner::new(name, SigningKey::from_seed(&seed)).unwrap()
}

/// The court and the keeper: both are needed.
pub(crate) fn witnesses() -> WitnessSet {
    let named = ["court/witness", "keeper/witness"].map(|name| cosigner(name).verifier().clone());
    WitnessSet::new(named).unwrap()
}

pub(crate) fn log_key() -> NoteVerifier {
    signer().verifier().clone()
}

/// A history: records, all of it in memory.
#[derive(Clone)]
pub(crate) struct History {
    records: Vec<Vec<u8>>,
}

impl History {
    /// Permits for procurement with the given certificate, made one after the other every second.
    pub(crate) fn of_permits(count: usize, cnf: [u8; 32]) -> Self {
        let records = (0..count as u64).map(|n| access(n, cnf).to_bytes().unwrap());
        Self { records: records.collect() }
    }

    /// The same up to `from`, and other records after it.
    pub(crate) fn forked(&self, from: usize) -> Self {
        let mut records = self.records.clone();
        for (n, record) in records.iter_mut().enumerate().skip(from) {
            *record = access(n as u64, [0xff; 32]).to_bytes().unwrap();
        }
        Self { records }
    }

    pub(crate) fn with(mut self, record: impl Into<tacit_ledger::record::Record>) -> Self {
        self.records.push(record.into().to_bytes().unwrap());
        self
    }

    pub(crate) fn size(&self) -> u64 {
        self.records.len() as u64
    }

    fn tree(&self) -> TreeView {
        let leaves: Vec<Hash> = self.records.iter().map(|record| leaf_hash(record)).collect();
        TreeView::from_leaves(&leaves).unwrap()
    }

    pub(crate) fn checkpoint(&self, size: u64) -> VerifiedCheckpoint {
        let root = self.tree().root(size).unwrap();
        Checkpoint { origin: "coordinator/log".to_owned(), size, root }.sign(&signer()).unwrap()
    }

    pub(crate) fn consistency(&self, from: u64, to: u64) -> Vec<Hash> {
        self.tree().consistency(from, to).unwrap()
    }

    pub(crate) fn logged(&self, index: u64, size: u64) -> common::LoggedRecord {
        common::LoggedRecord {
            record: self.records[usize::try_from(index).unwrap()].clone().into(),
            index,
            path: tacit_wire::concat32(&self.tree().inclusion(index, size).unwrap()),
        }
    }

    /// What the stream sends for `size` to who has `from`.
    pub(crate) fn message(&self, from: u64, size: u64) -> pb::StreamedCheckpoint {
        let proof = if from == 0 || from == size { Vec::new() } else { self.consistency(from, size) };
        pb::StreamedCheckpoint {
            checkpoint: self.checkpoint(size).note().to_vec().into(),
            consistency: tacit_wire::concat32(&proof),
            from_size: from,
            cosign: true,
        }
    }

    /// The checkpoint of `size` as all witnesses cosigned it at `now`.
    pub(crate) fn cosigned(&self, size: u64, now: Millis) -> bytes::Bytes {
        let checkpoint = self.checkpoint(size);
        let mut note = String::from_utf8(checkpoint.note().to_vec()).unwrap();
        for name in ["court/witness", "keeper/witness"] {
            note = attach_line(&note, &cosigner(name).cosign(&checkpoint, now.0 / 1000).unwrap()).unwrap();
        }
        note.into_bytes().into()
    }

    /// The same and what follows, all records the last one again.
    pub(crate) fn grown(mut self, size: u64) -> Self {
        let last = self.records.last().unwrap().clone();
        self.records.resize(usize::try_from(size).unwrap(), last);
        self
    }
}

pub(crate) fn access(n: u64, cnf: [u8; 32]) -> Access {
    let time_ms = start_time().0 + n * 1000;
    Access {
        id: format!("01KAQ8A1B2C3D4E5F6G7H8{n:04}"),
        time_ms,
        requester: "procurement".to_owned(),
        holder: "court".to_owned(),
        lists: vec![ListAt { list: "court/judgment-defaulters".to_owned(), epoch: 20_778, version: 1 }],
        purpose: "eligibility".to_owned(),
        registry: [1; 32],
        query: [2; 32],
        matter: [3; 32],
        cnf,
        expires_ms: time_ms + 60_000,
        subject: [4; 32],
        evidence: [5; 32],
    }
}

/// What the coordinator answers when it is asked for a proof.
#[derive(Clone)]
pub(crate) enum Answers {
    /// Proofs of this history.
    Proofs(History),
    /// Trouble, after a while.
    Unreachable(Duration),
}

pub(crate) struct Script {
    answers: Mutex<Answers>,
    /// Requests for a proof so far.
    asked: AtomicUsize,
    /// Streams opened so far, by the size they were opened from.
    opened: Mutex<Vec<u64>>,
    streams: Mutex<Vec<mpsc::UnboundedSender<Result<pb::WitnessResponse, Status>>>>,
    /// Sizes that were cosigned with the lines, in the order of arrival.
    cosigned: Mutex<Vec<(u64, String)>>,
    /// What the peer says to be cosigned.
    pub(crate) peer: Mutex<bytes::Bytes>,
}

impl Script {
    pub(crate) fn answer(&self, answers: Answers) {
        *self.answers.lock().unwrap() = answers;
    }

    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    pub(crate) fn opened(&self) -> Vec<u64> {
        self.opened.lock().unwrap().clone()
    }

    /// Sends a checkpoint on every stream, once there is one.
    pub(crate) async fn send(&self, message: pb::StreamedCheckpoint) {
        self.say(pb::witness_response::Message::Checkpoint(message)).await;
    }

    /// Sends what a quorum stands behind.
    pub(crate) async fn send_cosigned(&self, checkpoint: bytes::Bytes) {
        self.say(pb::witness_response::Message::Cosigned(pb::CosignedCheckpoint { checkpoint })).await;
    }

    async fn say(&self, message: pb::witness_response::Message) {
        let message = pb::WitnessResponse { message: Some(message) };
        for _ in 0..200 {
            if self.say_now(&message) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("nobody opened a stream");
    }

    fn say_now(&self, message: &pb::WitnessResponse) -> bool {
        let mut streams = self.streams.lock().unwrap();
        streams.retain(|stream| !stream.is_closed());
        streams.iter().for_each(|stream| drop(stream.send(Ok(message.clone()))));
        !streams.is_empty()
    }

    /// Sizes that were cosigned so far, with the lines.
    pub(crate) fn cosigned(&self) -> Vec<(u64, String)> {
        self.cosigned.lock().unwrap().clone()
    }

    /// Waits until a size was cosigned.
    pub(crate) async fn wait_cosigned(&self, size: u64) {
        for _ in 0..500 {
            if self.cosigned().iter().any(|(cosigned, _)| *cosigned == size) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{size} was not cosigned: {:?}", self.cosigned());
    }

    /// Waits until that many streams were opened.
    pub(crate) async fn wait_opened(&self, count: usize) {
        while self.opened().len() < count {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Whether a stream is still read.
    pub(crate) fn is_followed(&self) -> bool {
        self.streams.lock().unwrap().iter().any(|stream| !stream.is_closed())
    }
}

struct Liar(Arc<Script>);

type Messages = Pin<Box<dyn Stream<Item = Result<pb::WitnessResponse, Status>> + Send>>;
type Entries = Pin<Box<dyn Stream<Item = Result<pb::GetEntriesResponse, Status>> + Send>>;

#[tonic::async_trait]
impl LogService for Liar {
    type WitnessStream = Messages;
    type GetEntriesStream = Entries;

    async fn witness(
        &self,
        request: Request<Streaming<pb::WitnessRequest>>,
    ) -> Result<Response<Messages>, Status> {
        let mut said = request.into_inner();
        let Some(pb::witness_request::Message::Begin(begin)) = said.message().await?.unwrap().message else {
            panic!("a stream begins with from where")
        };
        let (sender, receiver) = mpsc::unbounded_channel();
        self.0.opened.lock().unwrap().push(begin.from_size);
        self.0.streams.lock().unwrap().push(sender);
        let script = self.0.clone();
        tokio::spawn(async move {
            while let Ok(Some(message)) = said.message().await {
                let Some(pb::witness_request::Message::Cosignature(it)) = message.message else { panic!() };
                script.cosigned.lock().unwrap().push((it.size, it.line));
            }
        });
        Ok(Response::new(Box::pin(UnboundedReceiverStream::new(receiver))))
    }

    async fn get_consistency(
        &self,
        request: Request<pb::GetConsistencyRequest>,
    ) -> Result<Response<pb::GetConsistencyResponse>, Status> {
        self.0.asked.fetch_add(1, Ordering::SeqCst);
        let answers = self.0.answers.lock().unwrap().clone();
        let pb::GetConsistencyRequest { from_size, to_size } = *request.get_ref();
        match answers {
            Answers::Proofs(history) if to_size <= history.size() => {
                // As long as a call over a network takes.
                tokio::time::sleep(Duration::from_millis(20)).await;
                let consistency = tacit_wire::concat32(&history.consistency(from_size, to_size));
                let checkpoint = history.checkpoint(history.size()).note().to_vec().into();
                Ok(Response::new(pb::GetConsistencyResponse { consistency, checkpoint }))
            }
            Answers::Proofs(_) => Err(tacit_wire::trouble(Reason::LogBehind, request.metadata())),
            Answers::Unreachable(after) => {
                tokio::time::sleep(after).await;
                Err(Status::unavailable("no route"))
            }
        }
    }

    async fn get_checkpoint(
        &self,
        _: Request<pb::GetCheckpointRequest>,
    ) -> Result<Response<pb::GetCheckpointResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn get_entries(&self, _: Request<pb::GetEntriesRequest>) -> Result<Response<Entries>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn publish_manifest(
        &self,
        _: Request<pb::PublishManifestRequest>,
    ) -> Result<Response<pb::PublishManifestResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn get_manifest(
        &self,
        _: Request<pb::GetManifestRequest>,
    ) -> Result<Response<pb::GetManifestResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn report_enrollment(
        &self,
        _: Request<pb::ReportEnrollmentRequest>,
    ) -> Result<Response<pb::ReportEnrollmentResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }
}

#[tonic::async_trait]
impl WitnessService for Liar {
    async fn get_cosigned(
        &self,
        _: Request<GetCosignedRequest>,
    ) -> Result<Response<GetCosignedResponse>, Status> {
        let checkpoint = self.0.peer.lock().unwrap().clone();
        Ok(Response::new(GetCosignedResponse { checkpoint }))
    }
}

/// A member with its database, and the coordinator it follows.
pub(crate) struct World {
    folder: TempDir,
    ca: DevCa,
    pub(crate) clock: ManualClock,
    pub(crate) script: Arc<Script>,
    pub(crate) coordinator: Channel,
    /// The requester whose permits are presented.
    pub(crate) peer: PeerIdentity,
    pub(crate) db: Db,
}

impl World {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = ManualClock::new(start_time());
        let ca = DevCa::create("demo".parse().unwrap(), clock.now()).unwrap();
        ca.save(folder.path()).unwrap();
        let party = |role: Role, member: &str| {
            let id = SpiffeId::new(ca.federation().clone(), role, member.parse().unwrap());
            ca.issue(&id, clock.now()).unwrap().save(folder.path(), member).unwrap();
            let files = CredentialFiles::in_folder(folder.path(), member);
            Credentials::load(files, Arc::new(clock.clone())).unwrap()
        };
        let (server, court) = (party(Role::Coordinator, "coordinator"), party(Role::Node, "court"));
        let peer = party(Role::Node, "procurement").status().own;
        let listener = MtlsListener::bind("127.0.0.1:0".parse().unwrap(), server.clone()).await.unwrap();
        let endpoint = format!("https://{}", listener.local_addr());
        let script = Arc::new(Script {
            answers: Mutex::new(Answers::Unreachable(Duration::ZERO)),
            asked: AtomicUsize::new(0),
            opened: Mutex::default(),
            streams: Mutex::default(),
            cosigned: Mutex::default(),
            peer: Mutex::default(),
        });
        let service = LogServiceServer::new(Liar(script.clone()));
        tokio::spawn(
            tune_server(tonic::transport::Server::builder())
                .add_service(service)
                .add_service(WitnessServiceServer::new(Liar(script.clone())))
                .serve_with_incoming(listener),
        );
        let coordinator = channel(&endpoint, server.spiffe().clone(), court).unwrap();
        let db = open(folder.path(), "court.db").await;
        Self { folder, ca, clock, script, coordinator, peer, db }
    }

    /// Another member, with a database of its own.
    pub(crate) async fn another(&self, name: &str) -> Witness {
        let db = open(self.folder.path(), name).await;
        self.started(WitnessConfig { db, ..self.config() }).await
    }

    pub(crate) async fn started(&self, config: WitnessConfig) -> Witness {
        let witness = Witness::start(config).await.unwrap();
        witness.set_witnesses(witnesses()).await;
        witness
    }

    pub(crate) fn config(&self) -> WitnessConfig {
        WitnessConfig {
            coordinator: self.coordinator.clone(),
            replicas: Vec::new(),
            log_key: log_key(),
            signer: cosigner("court/witness"),
            db: self.db.clone(),
            clock: Arc::new(self.clock.clone()),
            peers: vec![self.coordinator.clone()],
        }
    }

    pub(crate) async fn witness(&self) -> Witness {
        assert!(self.folder.path().exists());
        self.started(self.config()).await
    }

    /// Serves a member's witness, and reaches it as the requester.
    pub(crate) async fn serve(&self, witness: &Witness) -> Channel {
        self.serve_to(witness, Role::Node, "procurement").await
    }

    /// Serves a member's witness, and reaches it with a new certificate.
    pub(crate) async fn serve_to(&self, witness: &Witness, role: Role, member: &str) -> Channel {
        let credentials = |member| {
            let files = CredentialFiles::in_folder(self.folder.path(), member);
            Credentials::load(files, Arc::new(self.clock.clone())).unwrap()
        };
        let id = SpiffeId::new(self.ca.federation().clone(), role, member.parse().unwrap());
        self.ca.issue(&id, self.clock.now()).unwrap().save(self.folder.path(), "caller").unwrap();
        let court = credentials("court");
        let listener = MtlsListener::bind("127.0.0.1:0".parse().unwrap(), court.clone()).await.unwrap();
        let endpoint = format!("https://{}", listener.local_addr());
        tokio::spawn(
            tune_server(tonic::transport::Server::builder())
                .layer(tacit_wire::ReasonLayer)
                .layer(AddCheckpointLayer::new(witness.clone()))
                .add_service(WitnessServiceServer::new(Liar(self.script.clone())))
                .serve_with_incoming(listener),
        );
        channel(&endpoint, court.spiffe().clone(), credentials("caller")).unwrap()
    }

    /// The permits of this world's requester.
    pub(crate) fn permits(&self, count: usize) -> History {
        History::of_permits(count, self.peer.spki_sha256)
    }

    /// Sends a checkpoint on the stream and waits until the witness has it.
    pub(crate) async fn bring(&self, witness: &Witness, history: &History, from: u64, size: u64) {
        self.script.send(history.message(from, size)).await;
        self.script.send_cosigned(history.cosigned(size, self.clock.now())).await;
        for _ in 0..300 {
            if newest(witness) >= size && witness.standing().quorum.is_some() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("size {size} was not taken");
    }
}

async fn open(folder: &Path, name: &str) -> Db {
    let migrations = folder.join("migrations");
    std::fs::create_dir_all(&migrations).unwrap();
    std::fs::write(migrations.join("0001_init.sql"), SCHEMA).unwrap();
    let migrator = sqlx::migrate::Migrator::new(migrations.as_path()).await.unwrap();
    Db::open(&format!("sqlite:{}", folder.join(name).display()), &migrator).await.unwrap()
}

pub(crate) fn newest(witness: &Witness) -> u64 {
    witness.newest().map_or(0, |newest| newest.size())
}
