//! What is on record about a subject: complete or noticed, and erased for good.

use std::path::PathBuf;

use sqlx::Row;
use tacit_blind::enroll::Enrolled;
use tacit_client::{ChainFinding, ClientError, Deadlines, Details, LogReader, ReadChain, SubjectChains};
use tacit_identity::Role;
use tacit_ledger::{checkpoint::VerifiedCheckpoint, cosignature::CosignatureSigner, record::Record};
use tacit_model::{Basis, Reason};
use tacit_policy::ConsentState;
use tacit_store::Dialect;
use tacit_wire::coordinator::{
    EraseRequest, GetSubjectLogRequest, SubjectEntry, SubjectFrom, WitnessBegin, WitnessCosignature,
    WitnessRequest, log_service_client::LogServiceClient, subject_service_client::SubjectServiceClient,
    witness_request::Message as Said, witness_response::Message as Heard,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::{consents::Portal, support::*};

const PATIENCE: Deadlines = Deadlines { call_ms: 5_000, patience_ms: 5_000 };

/// The portal's view of chains, over mTLS.
pub(crate) async fn chains(world: &World, running: &Running) -> SubjectChains {
    SubjectChains::new(world.channel(running, Role::Authority, "portal").await, log_key(), PATIENCE)
}

fn reading(subjects: &[([u8; 32], u64)]) -> GetSubjectLogRequest {
    let from = |(pseudonym, from_sequence): &([u8; 32], u64)| SubjectFrom {
        pseudonym: pseudonym.to_vec().into(),
        from_sequence: *from_sequence,
    };
    GetSubjectLogRequest { subjects: subjects.iter().map(from).collect() }
}

/// A subject with a permit, a refusal, a consent, its pause, and another permit.
struct Setting {
    world: World,
    running: Running,
    requester: Requester,
    enrolled: Vec<Enrolled>,
    chains: SubjectChains,
}

impl Setting {
    async fn new() -> Self {
        let world = World::new();
        let running = world.start_with_lists().await;
        let mut requester = Requester::new(&world, &running, "procurement").await;
        let enrolled = requester.enroll(0, 2).await;
        let chains = chains(&world, &running).await;
        let mut set = Self { world, running, requester, enrolled, chains };
        let drafts = vec![(set.requester.draft_of(&[LISTS[0], LISTS[2]], court()), &set.enrolled[0])];
        let checks = set.requester.prove(drafts);
        set.requester.authorize(&checks).await;
        let portal = Portal::new(&set.world, &set.running).await;
        portal.put(&portal.consent(9, set.enrolled[0].pseudonym())).await.unwrap();
        portal.change(9, ConsentState::Paused, 2).await.unwrap();
        // Somebody else in between.
        set.requester.ask(LISTS[0], COURT, &set.enrolled[1]).await.unwrap();
        set.requester.ask(LISTS[0], COURT, &set.enrolled[0]).await.unwrap();
        set
    }

    fn subject(&self) -> [u8; 32] {
        *self.enrolled[0].pseudonym()
    }

    async fn read(&self) -> ReadChain {
        self.chains.read(&self.subject()).await.unwrap()
    }

    fn verify(&self, chain: &ReadChain) -> Result<(), ChainFinding> {
        self.chains.verify(&self.subject(), chain).map(|_| ())
    }

    /// Where the chain with this change is found out.
    fn finding(&self, chain: &ReadChain, change: impl FnOnce(&mut Vec<SubjectEntry>)) -> ChainFinding {
        let mut changed = chain.clone();
        change(&mut changed.0[0].entries);
        self.verify(&changed).unwrap_err()
    }
}

fn court() -> Basis {
    Basis::Agreement(ulid(COURT))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_counts_every_record() {
    let mut set = Setting::new().await;
    let log = set.chains.log(&set.subject()).await.unwrap();
    assert_eq!((log.statement.records, log.erased), (5, 0));
    let kinds: Vec<_> = log.entries.iter().map(|entry| entry.record.kind()).collect();
    assert_eq!(kinds, ["access", "refused", "consent", "consent", "access"]);
    assert_eq!(log.entries.iter().map(|entry| entry.sequence).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    let size = entries(&set.world, &set.running).await.len() as u64;
    assert_eq!(log.statement.size, size);
    // Both items of a check tell its basis, and each why it was decided so.
    let Details::Check { exact, agreement, basis, rules } = &log.entries[0].details else { panic!() };
    assert_eq!((exact.as_str(), agreement, *basis), ("", &ulid(COURT).to_string(), court()));
    assert!(rules.len() > 3);
    let Details::Check { exact, basis, .. } = &log.entries[1].details else { panic!() };
    assert_eq!((exact.as_str(), *basis), ("basis_other_agreement", court()));
    let Details::Consent { consent, number } = &log.entries[3].details else { panic!() };
    assert_eq!((consent.id, *number), (ulid(9), 2));
    // A chain of several messages; the same subject many times in one request.
    let mut drafts = Vec::new();
    for _ in 0..130 {
        drafts.push((set.requester.draft(LISTS[0], COURT), &set.enrolled[0]));
    }
    let checks = set.requester.prove(drafts);
    set.requester.authorize(&checks).await;
    let chain = set.read().await;
    assert_eq!(chain.0.iter().map(|message| message.entries.len()).collect::<Vec<_>>(), [64, 64, 7]);
    let log = set.chains.verify(&set.subject(), &chain).unwrap();
    assert_eq!((log.statement.records, log.entries.len()), (135, 135));
    // Nobody has asked about this one.
    let log = set.chains.log(&[9; 32]).await.unwrap();
    assert_eq!((log.statement.records, log.entries.len()), (0, 0));
    assert!(!format!("{log:?}").contains("9, 9, 9"), "a pseudonym is not shown");
    // A part of it, from a place on.
    let channel = set.world.channel(&set.running, Role::Authority, "portal").await;
    let request = reading(&[(set.subject(), 132)]);
    let mut stream = SubjectServiceClient::new(channel).get_subject_log(request).await.unwrap().into_inner();
    let part = stream.message().await.unwrap().unwrap();
    assert_eq!(part.entries.iter().map(|entry| entry.sequence).collect::<Vec<_>>(), [134, 133, 132]);
    assert!(stream.message().await.unwrap().is_none());
    // The statement is what the log's key says, about this pseudonym alone.
    let mut changed = chain.clone();
    let statement = changed.0[0].statement.as_mut().unwrap();
    let text = String::from_utf8(statement.statement.to_vec()).unwrap().replace("records 135", "records 134");
    statement.statement = text.into_bytes().into();
    assert!(matches!(set.verify(&changed).unwrap_err(), ChainFinding::Statement(_)));
    let other = set.chains.read(set.enrolled[1].pseudonym()).await.unwrap();
    assert!(matches!(set.verify(&other).unwrap_err(), ChainFinding::OtherStatement("pseudonym")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_left_out_record_is_noticed() {
    let set = Setting::new().await;
    let chain = set.read().await;
    set.verify(&chain).unwrap();
    for left_out in 0..5 {
        // Newest first.
        let finding = set.finding(&chain, |entries| drop(entries.remove(4 - left_out)));
        let due = left_out as u64;
        assert!(
            matches!(finding, ChainFinding::Missing { sequence, records: 5 } if sequence == due),
            "{left_out}: {finding}"
        );
        assert_eq!(finding.reason(), Reason::LogInconsistent);
        // Those after it are counted down, so that no number is missing.
        let finding = set.finding(&chain, |entries| {
            entries.remove(4 - left_out);
            entries.iter_mut().filter(|entry| entry.sequence < due).for_each(|entry| entry.sequence += 1);
        });
        assert!(
            matches!(finding, ChainFinding::NotOpened { .. } | ChainFinding::Missing { .. }),
            "{left_out}: {finding}"
        );
    }
    let finding = set.finding(&chain, Vec::clear);
    assert_eq!(finding.to_string(), "record 4 of 5 is missing");
    // An old chain under a new statement lacks what came since.
    let mut set = set;
    set.requester.ask(LISTS[0], COURT, &set.enrolled[0]).await.unwrap();
    let mut newer = set.read().await;
    newer.0[0].entries.clone_from(&chain.0[0].entries);
    assert_eq!(set.verify(&newer).unwrap_err().to_string(), "record 5 of 6 is missing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reordered_chain_is_noticed() {
    let set = Setting::new().await;
    let chain = set.read().await;
    for (one, other) in [(0, 1), (1, 3), (0, 4)] {
        let finding = set.finding(&chain, |entries| entries.swap(one, other));
        let (due, found) = (4 - one as u64, 4 - other as u64);
        assert!(
            matches!(finding, ChainFinding::Misplaced { due: d, found: f } if (d, f) == (due, found)),
            "{one} and {other}: {finding}"
        );
        // Each says of itself that it is in its place.
        let finding = set.finding(&chain, |entries| {
            entries.swap(one, other);
            let sequence = entries[one].sequence;
            entries[one].sequence = entries[other].sequence;
            entries[other].sequence = sequence;
        });
        assert!(matches!(finding, ChainFinding::NotOpened { sequence } if sequence == due), "{finding}");
    }
    let finding = set.finding(&chain, |entries| entries.push(entries[0].clone()));
    assert!(matches!(finding, ChainFinding::Misplaced { .. }), "{finding}");
    // Another record, other details, a record that is not in the log.
    let both = [(set.subject(), 0), (*set.enrolled[1].pseudonym(), 0)];
    let [chain, others] = &set.chains.read_many(&both).await.unwrap()[..] else { panic!() };
    let others = others.0[0].entries[0].clone();
    let finding = set.finding(chain, |entries| entries[0].record = others.record);
    assert!(matches!(finding, ChainFinding::NotOpened { sequence: 4 }), "{finding}");
    let finding = set.finding(chain, |entries| entries[0].opening = None);
    assert!(matches!(finding, ChainFinding::Malformed { sequence: 4 }), "{finding}");
    let finding = set.finding(chain, |entries| entries[1].opening = entries[2].opening.clone());
    assert!(matches!(finding, ChainFinding::Malformed { sequence: 3 }), "{finding}");
    let finding = set.finding(chain, |entries| entries[0].record.as_mut().unwrap().index -= 1);
    assert!(matches!(finding, ChainFinding::NotLogged { sequence: 4, .. }), "{finding}");
}

/// Whether any file of the SQLite database holds these bytes.
fn on_disk(world: &World, bytes: &[u8]) -> Vec<PathBuf> {
    let path = PathBuf::from(world.url().strip_prefix("sqlite:").unwrap());
    ["", "-wal"]
        .map(|end| PathBuf::from(format!("{}{end}", path.display())))
        .into_iter()
        .filter(|path| {
            let file = std::fs::read(path).unwrap_or_default();
            file.windows(bytes.len()).any(|window| window == bytes)
        })
        .collect()
}

/// Key and sealed openings of the subject.
async fn secrets(set: &Setting) -> Vec<Vec<u8>> {
    let db = set.world.db().await;
    let mut conn = db.read().await.unwrap();
    let rows = sqlx::query(
        "SELECT c.opening_key, o.sealed FROM chain c JOIN subject s ON s.number = c.subject \
         JOIN opening o ON o.subject = c.subject WHERE s.pseudonym = $1",
    )
    .bind(set.subject().as_slice())
    .fetch_all(&mut *conn)
    .await
    .unwrap();
    let found = rows.iter().flat_map(|row| [row.get::<Vec<u8>, _>(0), row.get::<Vec<u8>, _>(1)]).collect();
    drop(conn);
    db.close().await;
    found
}

async fn verify_log(set: &Setting) {
    let channel = set.world.channel(&set.running, Role::Auditor, "audit-office").await;
    LogReader::new(channel, log_key(), PATIENCE).verify(|_, _| {}).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_erasure_the_log_verifies_and_the_openings_are_gone() {
    let mut set = Setting::new().await;
    let before = entries(&set.world, &set.running).await;
    let secret = secrets(&set).await;
    assert_eq!(secret.len(), 10);
    let sqlite = set.world.db().await.dialect() == Dialect::Sqlite;
    if sqlite {
        assert!(secret.iter().all(|bytes| !on_disk(&set.world, bytes).is_empty()));
    }
    let erased = set.chains.erase(&set.subject(), "consent-withdrawn").await.unwrap();
    assert_eq!((erased.ground.as_str(), erased.openings), ("consent-withdrawn", 5));
    assert_eq!(erased.authority, "portal");
    // The log is what it was, with one record more.
    let after = entries(&set.world, &set.running).await;
    assert_eq!(after[..before.len()], before);
    assert_eq!((after.len(), after[before.len()].kind()), (before.len() + 1, "erasure"));
    verify_log(&set).await;
    // Neither key nor openings are in the database's files.
    if sqlite {
        for (place, bytes) in secret.iter().enumerate() {
            assert_eq!(on_disk(&set.world, bytes), Vec::<PathBuf>::new(), "secret {place}");
        }
    }
    // Again is the same; later records are a chain that begins with the erasure, and gaps would still show.
    let again = set.chains.erase(&set.subject(), "unlawful").await.unwrap();
    assert_eq!((again.record, again.ground.as_str()), (erased.record, "consent-withdrawn"));
    set.requester.ask(LISTS[0], COURT, &set.enrolled[0]).await.unwrap();
    let chain = set.read().await;
    let log = set.chains.verify(&set.subject(), &chain).unwrap();
    assert_eq!((log.statement.records, log.erased), (7, 5));
    let kinds: Vec<_> = log.entries.iter().map(|entry| (entry.sequence, entry.record.kind())).collect();
    assert_eq!(kinds, [(5, "erasure"), (6, "access")]);
    assert!(chain.0[0].entries[1].previous.iter().all(|byte| *byte == 0), "it points at nothing erased");
    for (left_out, sequence) in [(1, 5), (0, 6)] {
        let finding = set.finding(&chain, |entries| drop(entries.remove(left_out)));
        assert!(matches!(finding, ChainFinding::Missing { sequence: s, .. } if s == sequence), "{finding}");
    }
    // What came since can be erased too, and nobody else lost anything.
    let second = set.chains.erase(&set.subject(), "retention-over").await.unwrap();
    assert_eq!(second.openings, 2);
    assert_eq!(set.chains.log(&set.subject()).await.unwrap().erased, 7);
    let other = set.chains.log(set.enrolled[1].pseudonym()).await.unwrap();
    assert_eq!((other.statement.records, other.erased), (1, 0));
    let refused = set.chains.erase(&[9; 32], "unlawful").await.unwrap_err();
    assert!(matches!(&refused, ClientError::Refused { .. }), "{refused}");
    assert_eq!(refused.reason(), Reason::NotFound);
    assert!(set.chains.erase(&set.subject(), "because").await.is_err());
    // The journal knows what was erased, and no pseudonym.
    let journal = std::fs::read_to_string(set.world.folder.path().join("erasures")).unwrap();
    assert_eq!(journal.lines().count(), 3);
    let hex: String = set.subject().iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(!journal.contains(&hex));
}

/// A quorum of witnesses that cosign what they are asked to, for as long as the coordinator runs.
async fn witnessed(world: &World, running: &Running) {
    for (role, member) in [(Role::Node, "court"), (Role::Custodian, "custodian")] {
        let name = format!("{member}/witness");
        let signer = CosignatureSigner::new(&name, key(&name)).unwrap();
        let (say, said) = mpsc::channel(8);
        let begin = WitnessBegin { from_size: 0, checkpoint: Default::default() };
        say.send(WitnessRequest { message: Some(Said::Begin(begin)) }).await.unwrap();
        let channel = world.channel(running, role, member).await;
        let stream = LogServiceClient::new(channel).witness(ReceiverStream::new(said)).await.unwrap();
        let (mut stream, now_s) = (stream.into_inner(), world.now().0 / 1000);
        tokio::spawn(async move {
            while let Ok(Some(message)) = stream.message().await {
                let Some(Heard::Checkpoint(head)) = message.message else { continue };
                if head.cosign {
                    let checkpoint = VerifiedCheckpoint::open(&head.checkpoint, &log_key()).unwrap();
                    let line = signer.cosign(&checkpoint, now_s).unwrap();
                    let cosignature = WitnessCosignature { size: checkpoint.size(), line };
                    let _ = say.send(WitnessRequest { message: Some(Said::Cosignature(cosignature)) }).await;
                }
            }
        });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erased_subject_stays_erased_after_a_backup_is_restored() {
    let mut set = Setting::new().await;
    let db = set.world.db().await;
    if db.dialect() != Dialect::Sqlite {
        eprintln!("SKIPPED: the test puts back a file, and this database is none");
        return;
    }
    let secret = secrets(&set).await;
    let backup = set.world.folder.path().join("backup.db");
    db.copy_to(&backup).await.unwrap();
    db.close().await;
    let erased = set.chains.erase(&set.subject(), "objection").await.unwrap();
    let path = PathBuf::from(set.world.url().strip_prefix("sqlite:").unwrap());
    for restored in 0..3 {
        set.running.stop().await;
        if restored == 0 {
            for end in ["", "-wal", "-shm"] {
                let _ = std::fs::remove_file(format!("{}{end}", path.display()));
            }
            std::fs::copy(&backup, &path).unwrap();
            assert!(secret.iter().all(|bytes| !on_disk(&set.world, bytes).is_empty()), "all is back");
        }
        // No witness has spoken yet.
        set.running = set.world.try_start().await.unwrap();
        set.chains = chains(&set.world, &set.running).await;
        // Erased again before anything was served; logged, once and under the id that the erasure had, when the
        // witnesses have seen the log.
        for bytes in &secret {
            assert_eq!(on_disk(&set.world, bytes), Vec::<PathBuf>::new());
        }
        if restored == 0 {
            assert_eq!(count(&set.world, &set.running, "erasure").await, 0);
        }
        witnessed(&set.world, &set.running).await;
        let log = set.chains.log(&set.subject()).await.unwrap();
        assert_eq!((log.statement.records, log.erased), (6 + restored, 5), "start {restored}");
        let Record::Erasure(record) = &log.entries[0].record else { panic!("the erasure comes first") };
        assert_eq!((record.id.clone(), record.openings), (erased.record.id.to_string(), 5));
        assert_eq!((record.authority.as_str(), record.ground.as_str()), ("portal", "objection"));
        verify_log(&set).await;
        // What comes afterwards is not erased by the next start.
        let portal = Portal::new(&set.world, &set.running).await;
        portal.put(&portal.consent(20 + restored, &set.subject())).await.unwrap();
    }
    assert_eq!(set.chains.log(&set.subject()).await.unwrap().entries.len(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_but_the_authority_reads_a_chain() {
    let set = Setting::new().await;
    let pseudonym = bytes::Bytes::copy_from_slice(&set.subject());
    for (role, member) in [
        // The very requester that the pseudonym belongs to, a holder that was asked, and everybody else.
        (Role::Node, "procurement"),
        (Role::Node, "court"),
        (Role::Custodian, "custodian"),
        (Role::Auditor, "audit-office"),
        (Role::Coordinator, "coordinator"),
        // A certificate of the role, for a member that has not got it.
        (Role::Authority, "procurement"),
    ] {
        let channel = set.world.channel(&set.running, role, member).await;
        let mut client = SubjectServiceClient::new(channel);
        let request = reading(&[(set.subject(), 0)]);
        let read = client.get_subject_log(request).await.map(|_| ()).unwrap_err();
        let request = EraseRequest { pseudonym: pseudonym.clone(), ground: "unlawful".to_owned() };
        let erased = client.erase(request).await.map(|_| ()).unwrap_err();
        for status in [read, erased] {
            assert_eq!(tacit_wire::reason_of(&status), Some(Reason::WrongRole), "{role} {member}");
        }
    }
    assert_eq!(set.chains.log(&set.subject()).await.unwrap().entries.len(), 5);
    assert_eq!(count(&set.world, &set.running, "erasure").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reading_is_on_record_before_it_is_answered_and_bounded_by_the_day() {
    let mut world = World::new();
    world.limits.reads_per_day = 5;
    let running = world.start_with_lists().await;
    let portal = chains(&world, &running).await;
    let some = |count: u8| (0..count).map(|n| ([n; 32], 0)).collect::<Vec<_>>();
    let size = entries(&world, &running).await.len() as u64;
    assert_eq!(portal.read_many(&some(3)).await.unwrap().len(), 3);
    let Some(Record::Audit(audit)) = entries(&world, &running).await.pop() else { panic!() };
    assert_eq!((audit.reader.as_str(), audit.pseudonyms, audit.from), ("portal", 3, size));
    // The same ones again count again; what does not fit is not begun, and is no record.
    let refused = portal.read_many(&some(3)).await.unwrap_err();
    assert_eq!(refused.reason(), Reason::QuotaReads);
    assert_eq!(count(&world, &running, "audit").await, 1);
    assert!(portal.read_many(&some(2)).await.is_ok());
    assert_eq!(portal.read_many(&some(1)).await.unwrap_err().reason(), Reason::QuotaReads);
    // Malformed ones cost nothing, and the next day begins anew.
    world.clock.advance_ms(86_400_000);
    for wrong in [Vec::new(), [some(2), some(1)].concat(), some(1).repeat(1025)] {
        assert!(portal.read_many(&wrong).await.is_err());
    }
    assert_eq!(count(&world, &running, "audit").await, 2);
    assert!(portal.read_many(&some(5)).await.is_ok());
}
