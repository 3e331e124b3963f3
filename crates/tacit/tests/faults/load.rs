//! Callers who ask and consent without pause, and write down everything that was acknowledged to them.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tacit_client::{ConsentAuthority, Deadlines, Grant, LogReader, Pseudonym};
use tacit_federation::{
    config::{AuditorFile, AuthorityFile, Environment, NodeFile, RoleFile as _},
    connect::{self, GatewayClient},
};
use tacit_ledger::{Hash, checkpoint::Checkpoint};
use tacit_model::{Clock, Millis, Schemes, SystemClock, Ulid, entropy::os_rng};
use tacit_policy::ConsentState;
use tacit_wire::gateway::{CheckRequest, Question, check_outcome::Outcome, list_answer::Answer};
use tokio::task::JoinSet;

use crate::support::{Federation, LIST, PURPOSE, is_listed};

/// Callers that ask.
const ASKERS: usize = 8;
/// Callers that change consents.
const CONSENTERS: usize = 2;
/// Changes of one consent before the next one is granted.
const CHANGES: u64 = 12;
/// How often who follows the log looks at it.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// How long callers wait for others.
const DEADLINES: Deadlines = Deadlines { call_ms: 5_000, patience_ms: 10_000 };

/// An answer that was given.
#[derive(Debug, Clone)]
pub(crate) struct Answered {
    pub(crate) record: String,
    pub(crate) index: u64,
}

/// A change of consent that was acknowledged.
#[derive(Debug, Clone)]
pub(crate) struct Changed {
    pub(crate) consent: Ulid,
    pub(crate) state: String,
    pub(crate) number: u64,
    pub(crate) record: String,
    pub(crate) index: u64,
}

/// What was acknowledged.
#[derive(Debug, Default)]
pub(crate) struct Acknowledged {
    pub(crate) answers: Vec<Answered>,
    pub(crate) changes: Vec<Changed>,
    /// Checkpoints that somebody was shown: size and root.
    pub(crate) heads: Vec<(u64, Hash)>,
}

impl Acknowledged {
    /// Reads what callers wrote down.
    pub(crate) fn read(path: &Path) -> Self {
        let mut all = Self::default();
        // A line without an end is being written now.
        let text = fs::read_to_string(path).unwrap();
        for line in text.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
            match line.split_whitespace().collect::<Vec<_>>()[..] {
                ["answer", record, index] => {
                    all.answers.push(Answered { record: record.to_owned(), index: index.parse().unwrap() })
                }
                ["consent", consent, state, number, record, index] => all.changes.push(Changed {
                    consent: consent.parse().unwrap(),
                    state: state.to_owned(),
                    number: number.parse().unwrap(),
                    record: record.to_owned(),
                    index: index.parse().unwrap(),
                }),
                ["head", size, root] => {
                    let root = hex::decode(root).unwrap().try_into().unwrap();
                    all.heads.push((size.parse().unwrap(), root));
                }
                _ => unreachable!("nobody writes such a line: {line}"),
            }
        }
        all
    }

    /// The last acknowledged change of each consent.
    pub(crate) fn newest(&self) -> HashMap<Ulid, &Changed> {
        let mut newest: HashMap<Ulid, &Changed> = HashMap::new();
        for change in &self.changes {
            let kept = newest.entry(change.consent).or_insert(change);
            if kept.number < change.number {
                *kept = change;
            }
        }
        newest
    }
}

/// What the callers share.
struct Shared {
    stop: AtomicBool,
    /// Answers that were not what the list says.
    wrong: AtomicU64,
    /// Answers and changes that were acknowledged.
    answers: AtomicU64,
    changes: AtomicU64,
    written: Mutex<File>,
}

/// Callers at work.
pub(crate) struct Load {
    shared: Arc<Shared>,
    callers: JoinSet<()>,
    /// Where they write down what was acknowledged.
    pub(crate) path: PathBuf,
}

impl Load {
    /// Starts asking about these codes, of which every other one is listed, and changing consents.
    pub(crate) async fn start(federation: &Federation, codes: &[String]) -> Self {
        let path = federation.folder().join("acknowledged");
        let shared = Arc::new(Shared {
            stop: AtomicBool::new(false),
            wrong: AtomicU64::new(0),
            answers: AtomicU64::new(0),
            changes: AtomicU64::new(0),
            written: Mutex::new(File::options().create(true).append(true).open(&path).unwrap()),
        });
        let mut callers = JoinSet::new();
        let codes: Arc<[String]> = codes.into();
        for asker in 0..ASKERS {
            // A connection each: what one of them breaks is only its own.
            let client = gateway(federation);
            callers.spawn(ask(Arc::clone(&shared), client, Arc::clone(&codes), asker));
        }
        for caller in 0..CONSENTERS {
            let authority = authority(federation).await;
            let subject = pseudonym(&authority, &codes[caller]).await;
            callers.spawn(consent(Arc::clone(&shared), authority, subject));
        }
        Self { shared, callers, path }
    }

    /// Somebody more looks at the log's newest checkpoint again and again, and writes down what is shown.
    pub(crate) fn follow(&mut self, log: LogReader) {
        let shared = Arc::clone(&self.shared);
        self.callers.spawn(async move {
            let mut known = 0;
            while !shared.stop.load(Ordering::SeqCst) {
                // Nothing is shown while the coordinator cannot be reached.
                if let Ok(head) = log.checkpoint().await
                    && head.size() != known
                {
                    known = head.size();
                    shown(&shared, head.checkpoint());
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        });
    }

    /// How many operations were acknowledged so far.
    pub(crate) fn count(&self) -> u64 {
        self.answers() + self.changes()
    }

    /// How many answers.
    pub(crate) fn answers(&self) -> u64 {
        self.shared.answers.load(Ordering::SeqCst)
    }

    /// How many changes of consent.
    pub(crate) fn changes(&self) -> u64 {
        self.shared.changes.load(Ordering::SeqCst)
    }

    /// How many answers contradicted the list.
    pub(crate) fn wrong(&self) -> u64 {
        self.shared.wrong.load(Ordering::SeqCst)
    }

    /// Lets every caller end what it is doing.
    pub(crate) async fn end(mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        while let Some(ended) = self.callers.join_next().await {
            ended.unwrap();
        }
    }
}

/// A client of the requester's gateway, as the command line is one.
pub(crate) fn gateway(federation: &Federation) -> GatewayClient {
    let file = NodeFile::load(Path::new(&federation.file("procurement.toml")), Environment::Ignored).unwrap();
    connect::gateway(&file, "cli").unwrap()
}

/// The consent authority.
pub(crate) async fn authority(federation: &Federation) -> ConsentAuthority {
    authority_with(federation, DEADLINES).await
}

/// The consent authority with a patience of its own.
pub(crate) async fn authority_with(federation: &Federation, deadlines: Deadlines) -> ConsentAuthority {
    let file = AuthorityFile::load(Path::new(&federation.file("portal.toml")), Environment::Ignored).unwrap();
    connect::authority(&file, &clock(), deadlines).await.unwrap()
}

/// An auditor.
pub(crate) fn auditor(federation: &Federation) -> LogReader {
    let file =
        AuditorFile::load(Path::new(&federation.file("auditor-a.toml")), Environment::Ignored).unwrap();
    connect::auditor(&file, &clock(), DEADLINES).unwrap()
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

/// A subject's pseudonym for the requester.
pub(crate) async fn pseudonym(authority: &ConsentAuthority, code: &str) -> Pseudonym {
    let parsed = Schemes::default().parse("CN-USCC", code).unwrap();
    let requester = "procurement".parse().unwrap();
    authority.pseudonyms(&requester, &[parsed.subject]).await.unwrap()[0]
}

/// What everybody asks.
pub(crate) fn question(case: &str) -> Question {
    Question {
        lists: vec![LIST.to_owned()],
        purpose: PURPOSE.to_owned(),
        case_number: case.to_owned(),
        officer: "officer-1".to_owned(),
        scheme: String::new(),
    }
}

/// A year of consent to one list.
pub(crate) fn terms() -> Grant {
    let now = SystemClock.now();
    Grant {
        requester: "procurement".parse().unwrap(),
        lists: vec!["tax/serious-violations".parse().unwrap()],
        purposes: vec!["vendor-selection".parse().unwrap()],
        not_before: now,
        expires: Millis(now.0 + 365 * 86_400_000),
        frequency: "1000 DAY".parse().unwrap(),
        notice: [7; 32],
    }
}

/// Asks one question; the record and whether the answer is the right one, or nothing when there is no answer.
pub(crate) async fn ask_once(
    client: &mut GatewayClient,
    code: &str,
    case: &str,
    listed: bool,
) -> Option<(Answered, bool)> {
    let request = CheckRequest { question: Some(question(case)), code: code.to_owned() };
    let outcome = client.check(request).await.ok()?.into_inner().outcome?;
    let Some(Outcome::Answers(answers)) = outcome.outcome else { return None };
    let answer = answers.lists.into_iter().next()?;
    let right = match answer.answer {
        Some(Answer::Listed(_)) => listed,
        Some(Answer::NotListed(_)) => !listed,
        _ => return None,
    };
    Some((Answered { record: answer.record_id, index: answer.record_index }, right))
}

async fn ask(shared: Arc<Shared>, mut client: GatewayClient, codes: Arc<[String]>, asker: usize) {
    let mut place = asker;
    while !shared.stop.load(Ordering::SeqCst) {
        place = (place + ASKERS + 1) % codes.len();
        match ask_once(&mut client, &codes[place], "T-9", is_listed(place)).await {
            Some((answered, right)) => {
                write(&shared, &format!("answer {} {}\n", answered.record, answered.index));
                shared.wrong.fetch_add(u64::from(!right), Ordering::SeqCst);
                shared.answers.fetch_add(1, Ordering::SeqCst);
            }
            // Somebody is down: what was asked may be in the log, but nobody was told an answer.
            None => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

async fn consent(shared: Arc<Shared>, authority: ConsentAuthority, subject: Pseudonym) {
    while !shared.stop.load(Ordering::SeqCst) {
        let Ok(granted) = authority.grant_under(terms(), subject, &mut os_rng()).await else {
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        acknowledged(&shared, &granted);
        for change in 0..CHANGES {
            if shared.stop.load(Ordering::SeqCst) {
                return;
            }
            let state = match change {
                _ if change + 1 == CHANGES => ConsentState::Withdrawn,
                _ if change % 2 == 0 => ConsentState::Paused,
                _ => ConsentState::Resumed,
            };
            match authority.change(granted.id, state).await {
                Ok(changed) => acknowledged(&shared, &changed),
                // A change may have been made although nobody heard of it: the next one fits it or is refused.
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }
}

fn acknowledged(shared: &Shared, change: &tacit_client::Acknowledged) {
    let (record, state) = (&change.record, change.state.as_str());
    let line = format!("consent {} {state} {} {} {}\n", change.id, change.number, record.id, record.index);
    write(shared, &line);
    let note = std::str::from_utf8(&change.checkpoint).unwrap();
    let (text, _signatures) = note.split_once("\n\n").unwrap();
    shown(shared, &Checkpoint::parse(&format!("{text}\n")).unwrap());
    shared.changes.fetch_add(1, Ordering::SeqCst);
}

/// Somebody was shown a checkpoint.
fn shown(shared: &Shared, head: &Checkpoint) {
    write(shared, &format!("head {} {}\n", head.size, hex::encode(head.root)));
}

fn write(shared: &Shared, line: &str) {
    shared.written.lock().unwrap().write_all(line.as_bytes()).unwrap();
}
