//! A hub, a keeper, two holders, and who asks them.

pub(crate) mod hub;
pub(crate) mod keeper;
pub(crate) mod registry;
pub(crate) mod store;
pub(crate) mod table;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tacit_blind::encoding::b3;
use tacit_client::{
    AuthorityConfig, AuthorityKeys, Connections, ConsentAuthority, Deadlines, LogReader, Question, Requester,
    RequesterConfig, RequesterKeys, RowOutcome, Subject,
};
use tacit_ledger::note::NoteVerifier;
use tacit_model::entropy::seeded_rng;
use tacit_model::generate::generate_uscc;
use tacit_model::{ManualClock, Millis, Schemes, SubjectCode};
use tacit_policy::Registry;
use tacit_wire::coordinator::authorization_service_server::AuthorizationServiceServer;
use tacit_wire::coordinator::consent_service_server::ConsentServiceServer;
use tacit_wire::coordinator::enrollment_service_server::EnrollmentServiceServer;
use tacit_wire::coordinator::log_service_server::LogServiceServer;
use tacit_wire::custodian::bucket_service_server::BucketServiceServer;
use tacit_wire::custodian::pseudonym_service_server::PseudonymServiceServer;
use tacit_wire::holder::evaluation_service_server::EvaluationServiceServer;
use tonic::Status;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint, Server};
use zeroize::Zeroizing;

use hub::Hub;
use keeper::Keeper;
use registry::key;
use store::MemoryStore;
use table::{Holder, Tables};

/// 2026-11-21T22:29:03.223Z.
pub(crate) const NOW: Millis = Millis(1_795_300_143_223);
pub(crate) const CNF: [u8; 32] = [0xcf; 32];
const LARGEST: usize = 64 << 20;

/// Calls that fail, each once: before anything was done, or after. And lies that are told.
#[derive(Clone, Default)]
pub(crate) struct Faults(Arc<Mutex<HashMap<String, u32>>>);

impl Faults {
    pub(crate) fn plan(&self, what: &str, times: u32) {
        self.0.lock().unwrap().insert(what.to_owned(), times);
    }

    pub(crate) fn due(&self, what: &str) -> bool {
        match self.0.lock().unwrap().get_mut(what) {
            Some(left) if *left > 0 => {
                *left -= 1;
                true
            }
            _ => false,
        }
    }

    pub(crate) fn fail(&self, what: &str) -> Result<(), Status> {
        if self.due(what) { Err(Status::unavailable("as the test wants it")) } else { Ok(()) }
    }
}

pub(crate) struct World {
    pub(crate) clock: ManualClock,
    pub(crate) faults: Faults,
    pub(crate) registry: Arc<Registry>,
    pub(crate) hub: Hub,
    pub(crate) keeper: Keeper,
    pub(crate) tables: Tables,
    pub(crate) store: Arc<MemoryStore>,
    channel: Channel,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(registry::registry()).await
    }

    pub(crate) async fn with(registry: Arc<Registry>) -> Self {
        let clock = ManualClock::new(NOW);
        let faults = Faults::default();
        let hub = Hub::new(clock.clone(), Arc::clone(&registry), faults.clone());
        let tables = Tables::default();
        let keeper = Keeper::new(tables.clone(), faults.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let holder = Holder { tables: tables.clone(), faults: faults.clone() };
        let server = Server::builder()
            .add_service(EnrollmentServiceServer::new(hub.clone()))
            .add_service(AuthorizationServiceServer::new(hub.clone()).max_decoding_message_size(LARGEST))
            .add_service(ConsentServiceServer::new(hub.clone()))
            .add_service(LogServiceServer::new(hub.clone()))
            .add_service(PseudonymServiceServer::new(keeper.clone()))
            .add_service(BucketServiceServer::new(keeper.clone()).max_decoding_message_size(LARGEST))
            .add_service(EvaluationServiceServer::new(holder).max_decoding_message_size(LARGEST))
            .serve_with_incoming(TcpIncoming::from(listener).with_nodelay(Some(true)));
        tokio::spawn(server);
        let channel = Endpoint::from_shared(format!("http://{address}")).unwrap().connect_lazy();
        Self { clock, faults, registry, hub, keeper, tables, store: Arc::default(), channel }
    }

    /// Seals a list with these codes on it, as the next epoch, and logs its manifest.
    pub(crate) fn seal(&self, list: &str, epoch: u64, codes: &[SubjectCode]) {
        let manifest = self.tables.seal(list, epoch, codes, self.now());
        self.hub.log_manifest(manifest);
    }

    pub(crate) fn now(&self) -> Millis {
        tacit_model::Clock::now(&self.clock)
    }

    /// A requester over the world's store.
    pub(crate) fn requester(&self) -> Requester {
        self.requester_with(Deadlines { call_ms: 20_000, patience_ms: 3_000 })
    }

    pub(crate) fn requester_with(&self, deadlines: Deadlines) -> Requester {
        let mut connections = Connections::fixed(CNF, self.channel.clone(), self.channel.clone());
        for holder in ["court", "customs"] {
            connections = connections.with_holder(holder.parse().unwrap(), self.channel.clone());
        }
        let config =
            RequesterConfig { member: "procurement".parse().unwrap(), log_key: log_key(), deadlines };
        let keys =
            RequesterKeys { signing: key("procurement"), store: Zeroizing::new([7; 32]), letters: None };
        let (store, clock) = (self.store.clone(), Arc::new(self.clock.clone()));
        Requester::new(config, keys, Arc::clone(&self.registry), connections, store, clock)
    }

    pub(crate) fn authority(&self) -> ConsentAuthority {
        let deadlines = Deadlines { call_ms: 5_000, patience_ms: 2_000 };
        let config = AuthorityConfig { member: "portal".parse().unwrap(), log_key: log_key(), deadlines };
        let keys = AuthorityKeys { signing: key("portal"), blind: Zeroizing::new([8; 32]), letters: None };
        let (one, two) = (self.channel.clone(), self.channel.clone());
        ConsentAuthority::new(
            config,
            keys,
            Arc::clone(&self.registry),
            one,
            two,
            Arc::new(self.clock.clone()),
        )
    }

    pub(crate) fn log_reader(&self) -> LogReader {
        LogReader::new(self.channel.clone(), log_key(), Deadlines { call_ms: 5_000, patience_ms: 2_000 })
    }
}

pub(crate) fn log_key() -> NoteVerifier {
    NoteVerifier::new("hub/log", key("hub/log").verifying_key()).unwrap()
}

pub(crate) fn question(lists: &[&str]) -> Question {
    Question {
        lists: lists.iter().map(|list| list.parse().unwrap()).collect(),
        purpose: "screening".parse().unwrap(),
        case: "2026-117".to_owned(),
        officer: "officer-3".to_owned(),
    }
}

/// Distinct valid codes.
pub(crate) fn codes(count: usize, seed: u8) -> Vec<SubjectCode> {
    let mut rng = seeded_rng([seed; 32]);
    let schemes = Schemes::default();
    (0..count).map(|_| schemes.parse("CN-USCC", &generate_uscc(&mut rng)).unwrap().subject).collect()
}

pub(crate) fn subjects(codes: &[SubjectCode]) -> Vec<Subject> {
    (0..).zip(codes).map(|(row, code)| Subject { row, code: code.clone() }).collect()
}

/// What a row says, for comparing: one word per list.
pub(crate) fn words(outcome: &RowOutcome) -> Vec<String> {
    use tacit_client::{Answer, Outcome};
    match &outcome.outcome {
        Outcome::Answers(answers) => answers
            .iter()
            .map(|answer| match &answer.answer {
                Answer::Listed(_) => "listed".to_owned(),
                Answer::NotListed => "not listed".to_owned(),
                Answer::Refused(refusal) => refusal.reason.to_string(),
            })
            .collect(),
        Outcome::Refused(refusal) => vec![format!("row {}", refusal.reason)],
        Outcome::NotAnswered(reason) => vec![format!("lost {reason}")],
    }
}

pub(crate) fn seed(name: &str) -> [u8; 32] {
    b3("tacit test key", &[name.as_bytes()])
}
