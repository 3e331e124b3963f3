//! A withdrawal is the end: whatever stands still and whichever clock jumps while it is made, no access record under the
//! consent follows it in the log, and who has a clock that is off decides nothing.

use std::{
    collections::BTreeMap,
    fs,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use rand_core::Rng;
use tacit_client::{ClientError, ConsentAuthority, Deadlines, LogReader, Pseudonym};
use tacit_federation::{
    config::{AuthorityFile, Environment, RoleFile as _},
    connect::{self, GatewayClient},
};
use tacit_ledger::record::Record;
use tacit_model::{
    Basis, Clock, SystemClock, Ulid,
    entropy::{os_rng, seeded_rng},
    generate::generate_uscc,
};
use tacit_wire::gateway::{CheckRequest, Question, check_outcome::Outcome, list_answer::Answer};
use tokio::task::JoinSet;

use crate::{
    load::{self, auditor, pseudonym},
    replicas::second_address,
    skewed::SkewedRole,
    support::{self, Federation, PATIENCE},
};

const LIST: &str = "tax/serious-violations";
const PURPOSE: &str = "vendor-selection";
/// Who asks about one subject at once.
const ASKERS: usize = 3;
/// Trials between two readings of the log.
const BATCH: usize = 16;
/// Whose threads may stand still and whose clock may jump.
const ROLES: [&str; 4] = ["coordinator", "coordinator-2", "tax", "custodian"];
/// Without whom nothing is answered here: where the requester asks, and the holder, and who has the table.
const NEEDED: [&str; 3] = ["coordinator-2", "tax", "custodian"];
/// Until somebody whose clock is off is taken to have noticed it: what was under way before may end.
const UNDER_WAY: Duration = Duration::from_millis(100);
const JUMPS: [i64; 2] = [3_600_000, 2 * 86_400_000];
const DEADLINES: Deadlines = Deadlines { call_ms: 5_000, patience_ms: 30_000 };

/// What goes wrong in a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Trouble {
    None,
    Pause,
    Forward,
    Back,
}

/// A question that ended.
#[derive(Debug, Clone)]
struct Asked {
    begun: Instant,
    ended: Instant,
    /// The record that the answer has.
    answer: Option<(String, u64)>,
    /// What was said in its place.
    said: String,
}

/// One trial that ended.
struct Trial {
    consent: Ulid,
    subject: Pseudonym,
    withdrawn: u64,
    asked: Vec<Asked>,
}

struct Scene {
    federation: Federation,
    roles: BTreeMap<&'static str, SkewedRole>,
    /// At each of the two replicas.
    authorities: [ConsentAuthority; 2],
    log: LogReader,
}

async fn authority_at(federation: &Federation, address: Option<&str>) -> ConsentAuthority {
    let mut file =
        AuthorityFile::load(federation.file("portal.toml").as_ref(), Environment::Ignored).unwrap();
    if let Some(address) = address {
        file.coordinator.endpoint = format!("https://{address}");
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    connect::authority(&file, &clock, DEADLINES).await.unwrap()
}

impl Scene {
    async fn new() -> Self {
        let mut federation = Federation::found();
        federation.move_to_postgresql();
        let second = second_address(&federation);
        let text = fs::read_to_string(federation.file("coordinator.toml")).unwrap();
        let (before, rest) = text.split_once("listen = \"").unwrap();
        let (_, after) = rest.split_once('"').unwrap();
        let other = format!("{before}listen = \"{second}\"{after}");
        fs::write(federation.file("coordinator-2.toml"), other).unwrap();
        let mut roles = BTreeMap::new();
        for role in ROLES {
            roles.insert(role, SkewedRole::start(federation.file(&format!("{role}.toml"))).await);
        }
        for member in ["court", "procurement"] {
            federation.start(member);
        }
        let records = federation.file("records.csv");
        let listed = generate_uscc(&mut seeded_rng([5; 32]));
        let columns = "code,category,decision_ref,decided_on,notified_on,effective_on,expires_on";
        fs::write(
            &records,
            format!("{columns}\n{listed},201,T-1,2026-01-10,2026-01-15,2026-02-20,2027-01-20\n"),
        )
        .unwrap();
        let tax = federation.file("tax.toml");
        federation.tacit_json(&["list", "import", LIST, &records, "--config", &tax]);
        federation.tacit_json(&["list", "seal", LIST, "--config", &tax]);
        let authorities =
            [authority_at(&federation, None).await, authority_at(&federation, Some(&second)).await];
        let log = auditor(&federation);
        Self { federation, roles, authorities, log }
    }

    /// Gives a consent, asks under it, and withdraws it while the trouble lasts.
    async fn trial(&self, code: &str, trouble: Trouble, role: &str, rng: &mut impl Rng) -> Trial {
        let mut moment = |most: u32| Duration::from_millis(u64::from(rng.next_u32() % most));
        let (lead, hold, after) = (moment(40), Duration::from_millis(150) + moment(250), moment(60));
        let (given_at, withdrawn_at) = (moment(2).as_millis() as usize, moment(2).as_millis() as usize);
        let jump = JUMPS[moment(2).as_millis() as usize];
        let given_at = &self.authorities[given_at];
        let subject = pseudonym(given_at, code).await;
        let given = given_at.grant_under(load::terms(), subject, &mut os_rng()).await.unwrap();

        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let mut askers = JoinSet::new();
        for _ in 0..ASKERS {
            let client = load::gateway(&self.federation);
            askers.spawn(ask(client, code.to_owned(), Arc::clone(&asked), Arc::clone(&stop)));
        }
        let begun = Instant::now();
        while !asked.lock().unwrap().iter().any(|it: &Asked| it.answer.is_some()) {
            if begun.elapsed() > PATIENCE {
                let mut said = BTreeMap::<String, usize>::new();
                for it in asked.lock().unwrap().iter() {
                    *said.entry(it.said.clone()).or_default() += 1;
                }
                // Why exactly is in the newest records.
                let chain = self.authorities[0].chains().log(&subject.pseudonym).await.unwrap();
                let newest = chain.entries.iter().rev().take(3).map(|it| (&it.record, &it.details));
                panic!("nothing is answered under a consent: {said:?}: {:#?}", newest.collect::<Vec<_>>());
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        tokio::time::sleep(lead).await;
        let of = &self.roles[role];
        let from = Instant::now();
        match trouble {
            Trouble::None => {}
            Trouble::Pause => of.pause(hold),
            Trouble::Forward => of.set_off(jump),
            Trouble::Back => of.set_off(-jump),
        }
        let withdraw = async {
            tokio::time::sleep(after).await;
            let begun = Instant::now();
            // A change that nobody acknowledged may have been made: the same one again tells its record.
            loop {
                match self.authorities[withdrawn_at].withdraw(given.id).await {
                    Ok(withdrawn) => return withdrawn,
                    Err(error) => assert!(begun.elapsed() < PATIENCE, "it cannot be withdrawn: {error}"),
                }
            }
        };
        let undo = async {
            tokio::time::sleep(hold).await;
            let until = Instant::now();
            of.set_off(0);
            until
        };
        let (withdrawn, until) = tokio::join!(withdraw, undo);
        let acknowledged = Instant::now();
        // Everybody asks once more.
        let enough = |asked: &[Asked]| asked.iter().filter(|it| it.begun > acknowledged).count() >= ASKERS;
        while !enough(&asked.lock().unwrap()) {
            assert!(acknowledged.elapsed() < PATIENCE, "questions do not end");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        stop.store(true, Ordering::SeqCst);
        while let Some(ended) = askers.join_next().await {
            ended.unwrap();
        }
        let asked = std::mem::take(&mut *asked.lock().unwrap());
        for one in asked.iter().filter(|one| one.answer.is_some()) {
            assert!(one.begun <= acknowledged, "answered after the withdrawal: {trouble:?} of {role}");
            let off = matches!(trouble, Trouble::Forward | Trouble::Back) && NEEDED.contains(&role);
            let within = one.begun > from + UNDER_WAY && one.ended < until;
            assert!(
                !(off && within),
                "answered although the clock of {role} was off: {trouble:?} by {jump} ms"
            );
        }
        Trial { consent: given.id, subject, withdrawn: withdrawn.record.index, asked }
    }

    /// Holds trials against the log, as an auditor reads it, and the chains of their subjects, as the authority does.
    async fn hold(&self, trials: &[Trial], known: &mut u64) -> (usize, usize) {
        let mut accesses = BTreeMap::new();
        let mut newest = 0;
        let size = self.log.checkpoint().await.unwrap().size();
        self.log
            .entries(*known, size - *known, |entry| -> Result<(), ClientError> {
                let record = entry.record.unwrap();
                assert!(record.time_ms() >= newest, "times of records fall");
                newest = record.time_ms();
                if let Record::Access(access) = record {
                    accesses.insert(entry.index, access.id);
                }
                Ok(())
            })
            .await
            .unwrap();
        *known = size;
        assert!(newest <= SystemClock.now().0 + 15_000, "a record is dated ahead");
        let (mut answers, mut under) = (0, 0);
        for trial in trials {
            for (record, index) in trial.asked.iter().filter_map(|asked| asked.answer.as_ref()) {
                assert_eq!(accesses.get(index), Some(record), "an answer without its record");
                answers += 1;
            }
            let chain = self.authorities[0].chains().log(&trial.subject.pseudonym).await.unwrap();
            for entry in &chain.entries {
                let basis = match (&entry.record, &entry.details) {
                    (Record::Access(_), tacit_client::Details::Check { basis, .. }) => *basis,
                    _ => continue,
                };
                assert_eq!(basis, Basis::Consent(trial.consent));
                assert!(entry.index < trial.withdrawn, "an access record follows the withdrawal");
                under += 1;
            }
        }
        (answers, under)
    }
}

/// Asks without pause; what was answered must not be listed.
async fn ask(mut client: GatewayClient, code: String, asked: Arc<Mutex<Vec<Asked>>>, stop: Arc<AtomicBool>) {
    while !stop.load(Ordering::SeqCst) {
        let question = Question {
            lists: vec![LIST.to_owned()],
            purpose: PURPOSE.to_owned(),
            case_number: "T-1".to_owned(),
            officer: "officer-1".to_owned(),
            scheme: String::new(),
        };
        let begun = Instant::now();
        let outcome = client.check(CheckRequest { question: Some(question), code: code.clone() }).await;
        let ended = Instant::now();
        let (outcome, mut said) = match outcome {
            Ok(response) => (response.into_inner().outcome.and_then(|it| it.outcome), String::new()),
            Err(status) => (None, format!("{:?}, {}", tacit_wire::reason_of(&status), status.message())),
        };
        let answer = match outcome {
            Some(Outcome::Answers(answers)) => {
                let answer = answers.lists.into_iter().next().unwrap();
                match answer.answer {
                    Some(Answer::NotListed(_)) => Some((answer.record_id, answer.record_index)),
                    Some(Answer::Listed(_)) => panic!("nobody is listed here"),
                    other => {
                        said = format!("{other:?}");
                        None
                    }
                }
            }
            Some(other) => {
                said = format!("{other:?}");
                None
            }
            None => None,
        };
        let pause = if answer.is_some() { 5 } else { 25 };
        asked.lock().unwrap().push(Asked { begun, ended, answer, said });
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn on_postgresql_no_access_follows_a_withdrawal_whatever_pauses_and_whichever_clock_jumps() {
    let why = "withdrawals over two coordinators: TACIT_TEST_POSTGRES names no server";
    if tacit_store::conformance::is_skipped(tacit_store::Dialect::Postgres, why) {
        return;
    }
    let runs = support::runs(32, 1_000);
    let mut seed = [0; 32];
    os_rng().fill_bytes(&mut seed);
    if let Ok(given) = std::env::var("TACIT_SOAK_SEED") {
        seed = hex::decode(given).unwrap().try_into().unwrap();
    }
    eprintln!("TACIT_SOAK_SEED={}", hex::encode(seed));
    let mut rng = seeded_rng(seed);
    let scene = Scene::new().await;
    let (mut known, mut trials) = (0, Vec::new());
    let (mut answers, mut under, mut questions) = (0, 0, 0);
    let mut troubles = BTreeMap::<Trouble, usize>::new();
    for run in 0..runs {
        let kinds = [Trouble::None, Trouble::Pause, Trouble::Pause, Trouble::Forward, Trouble::Back];
        let trouble = kinds[rng.next_u32() as usize % kinds.len()];
        let role = ROLES[rng.next_u32() as usize % ROLES.len()];
        *troubles.entry(trouble).or_default() += 1;
        let code = generate_uscc(&mut rng);
        let begun = Instant::now();
        trials.push(scene.trial(&code, trouble, role, &mut rng).await);
        support::progress(&format!(
            "trial {} of {runs}: {trouble:?} of {role}, {} ms",
            run + 1,
            begun.elapsed().as_millis()
        ));
        if trials.len() == BATCH || run + 1 == runs {
            let (answered, accessed) = scene.hold(&trials, &mut known).await;
            (answers, under) = (answers + answered, under + accessed);
            questions += trials.drain(..).map(|trial| trial.asked.len()).sum::<usize>();
        }
    }
    scene.federation.verify_log();
    let of = |trouble| troubles.get(&trouble).copied().unwrap_or(0);
    let figures = format!(
        "{} pauses, {} clock jumps forward and {} back; {questions} questions, {answers} answers, {under} access records \
         under the consents: 0 after a withdrawal, 0 answers without a record, 0 answers by a clock that was off",
        of(Trouble::Pause),
        of(Trouble::Forward),
        of(Trouble::Back)
    );
    support::report(
        "a consent withdrawn while parties pause and clocks jump, two replicas, PostgreSQL",
        runs,
        &figures,
    );
}
