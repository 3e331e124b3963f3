//! The court's person, the supervision that asks about it, and the clock that lets days pass.

use std::{path::Path, sync::Arc, time::Duration};

use serde_json::{Value, json};
use tacit_desk::conformance::assert_documented;
use tacit_ledger::record::Record;
use tacit_model::{Clock as _, ListId, ManualClock, parse_ulid};
use tacit_node::{
    records::RecordState,
    redress::{NewRuling, Redress},
};
use tacit_policy::letter::{Case, LetterText, Level, Outcome, limits};
use tacit_testkit::{Federation, Options};
use tacit_wire::gateway::{
    LiftMeasureRequest, ListMeasuresRequest, Measure, Question, RegisterMeasureRequest,
    check_outcome::Outcome as Checked, lift_measure_response as lifted, list_answer::Answer,
    register_measure_response as registered,
};

pub(crate) const LIST: &str = "court/judgment-defaulters";
pub(crate) const FINANCE: &str = "finance";
const PURPOSE: &str = "securities-firm-direction";
/// The worked example of GB 11643-1999.
const CODE: &str = "11010519491231002X";
pub(crate) const DAY_MS: u64 = 86_400_000;
/// What stands in letters, and nowhere at the coordinator.
pub(crate) const OBJECTION: &str = "canary: I have paid the whole sum.";
pub(crate) const APPEAL: &str = "canary: it was paid to the bailiff.";
const REASONS: &str = "canary: the receipt is not in the file.";
/// How often something is looked for, a quarter of a second of the story each.
const PATIENCE: u32 = 600;

pub(crate) struct Story {
    federation: Federation,
    clock: ManualClock,
}

pub(crate) fn letters<'a>(matters: &'a Value, kind: &str) -> Vec<&'a Value> {
    matters["letters"].as_array().unwrap().iter().filter(|it| it["kind"] == kind).collect()
}

/// The kinds of letters, each once.
pub(crate) fn kinds(matters: &Value) -> Vec<&str> {
    let mut kinds: Vec<_> =
        matters["letters"].as_array().unwrap().iter().map(|it| it["kind"].as_str().unwrap()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

impl Story {
    pub(crate) async fn new(database: fn(&Path, &str) -> Option<String>) -> Self {
        let clock = ManualClock::new("2026-11-23T04:00:00.000Z".parse().unwrap());
        let options = Options::quick().reading_ms(1_000).clock(Arc::new(clock.clone())).database(database);
        let federation = Federation::start("defaulters", options).await.unwrap();
        let story = Self { federation, clock };
        let head = "code,category,decision_ref,decided_on,notified_on,effective_on,expires_on";
        let csv = format!("{head}\n{CODE},101,(2026) No. 17,2026-10-01,,,\n");
        story.federation.publish(LIST, csv).await.unwrap();
        story.post("/v1/users", json!({}), 200).await;
        story
    }

    pub(crate) fn list(&self) -> ListId {
        LIST.parse().unwrap()
    }

    async fn pass(&self) {
        self.clock.advance_ms(250);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    /// Lets days pass, and the roles notice it.
    pub(crate) async fn days(&self, days: u64) {
        self.clock.advance_ms(days * DAY_MS);
        for _ in 0..10 {
            self.pass().await;
        }
    }

    /// Asks the portal about the person.
    pub(crate) async fn post(&self, path: &str, mut body: Value, status: u16) -> Value {
        body["scheme"] = json!("CN-RID");
        body["code"] = json!(CODE);
        let answer = self.federation.desk("portal").unwrap().post(path, &body).await.unwrap();
        assert_documented(tacit_authority::openapi(), "POST", path, answer.status, &answer.body.to_string());
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
        answer.body
    }

    /// Waits, while time passes, until the portal shows it.
    pub(crate) async fn shown(&self, what: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..PATIENCE {
            let matters = self.post("/v1/matters", json!({}), 200).await;
            if what(&matters) {
                assert_eq!(matters["findings"], json!([]));
                return matters;
            }
            self.pass().await;
        }
        panic!("{}", self.post("/v1/matters", json!({}), 200).await);
    }

    pub(crate) async fn at(&self, member: &str) -> Redress {
        self.federation.redress(member, self.federation.clock()).await.unwrap()
    }

    /// Waits until a member's case is so.
    pub(crate) async fn case(&self, member: &str, level: Level, what: impl Fn(&Case) -> bool) {
        let redress = self.at(member).await;
        for _ in 0..PATIENCE {
            if redress.cases(level, true).await.unwrap().iter().any(|it| what(&it.case)) {
                return;
            }
            self.pass().await;
        }
        panic!("{:?} {:?}", redress.cases(level, true).await, redress.letters().await);
    }

    pub(crate) async fn decide(&self, member: &str, level: Level, objection: &Value, outcome: Outcome) {
        let ruling = NewRuling {
            outcome,
            corrected: None,
            reasons: LetterText::new(REASONS, limits::REASONS).unwrap(),
            by: LetterText::new("Judge Li", limits::BY).unwrap(),
        };
        let id = parse_ulid(objection.as_str().unwrap()).unwrap();
        self.at(member).await.decide(level, id, ruling).await.unwrap();
    }

    pub(crate) async fn record_state(&self) -> RecordState {
        let records = self.federation.records("court").await.unwrap();
        records.show(&self.list(), CODE).await.unwrap().unwrap().state()
    }

    /// Publishes what is decided by now, and asks: the word, and the record of the question.
    pub(crate) async fn check(&self) -> (&'static str, String) {
        let seal = self.federation.seal(LIST);
        tokio::pin!(seal);
        loop {
            tokio::select! {
                sealed = &mut seal => {
                    sealed.unwrap();
                    break;
                }
                () = self.pass() => {}
            };
        }
        let mut last = None;
        // After days of silence the log waits for its witnesses first.
        for _ in 0..PATIENCE {
            let question = Question {
                lists: vec![LIST.to_owned()],
                purpose: PURPOSE.to_owned(),
                case_number: "APPOINTMENT-7".to_owned(),
                officer: "li".to_owned(),
                scheme: "CN-RID".to_owned(),
            };
            let outcome = self.federation.ask(FINANCE, question, CODE).await.unwrap();
            if let Some(Checked::Answers(answers)) = &outcome.outcome {
                let answer = &answers.lists[0];
                match answer.answer {
                    Some(Answer::Listed(_)) => return ("listed", answer.record_id.clone()),
                    Some(Answer::NotListed(_)) => return ("not_listed", answer.record_id.clone()),
                    _ => {}
                }
            }
            last = Some(outcome);
            self.pass().await;
        }
        panic!("{last:?}");
    }

    pub(crate) async fn register(&self, answer: &str) -> Measure {
        let request = RegisterMeasureRequest {
            record_id: answer.to_owned(),
            list_id: String::new(),
            measure: 1,
            until_ms: 0,
            decider: "head of the supervision".to_owned(),
        };
        let mut gateway = self.federation.gateway(FINANCE).unwrap();
        match gateway.register_measure(request).await.unwrap().into_inner().outcome.unwrap() {
            registered::Outcome::Measure(measure) => measure,
            registered::Outcome::Refusal(refusal) => panic!("{refusal:?}"),
        }
    }

    pub(crate) async fn lift(&self, id: &str) -> Measure {
        let mut last = None;
        for _ in 0..PATIENCE {
            let request = LiftMeasureRequest { measure_id: id.to_owned(), decider: "the deputy".to_owned() };
            let mut gateway = self.federation.gateway(FINANCE).unwrap();
            match gateway.lift_measure(request).await.unwrap().into_inner().outcome.unwrap() {
                lifted::Outcome::Measure(measure) => return measure,
                lifted::Outcome::Refusal(refusal) => last = Some(refusal),
            }
            self.pass().await;
        }
        panic!("{last:?}");
    }

    pub(crate) async fn measure_until(&self, id: &str, what: impl Fn(&Measure) -> bool) -> Measure {
        let mut last = None;
        for _ in 0..PATIENCE {
            let request = ListMeasuresRequest { all: true, cursor: String::new(), limit: 0 };
            let mut gateway = self.federation.gateway(FINANCE).unwrap();
            let measures = gateway.list_measures(request).await.unwrap().into_inner().measures;
            let found = measures.into_iter().find(|it| it.measure_id == id).unwrap();
            if what(&found) {
                return found;
            }
            last = Some(found);
            self.pass().await;
        }
        panic!("{last:?}");
    }

    /// What the portal tells the person of its records, once everything up to now was read.
    pub(crate) async fn usage(&self) -> Vec<Value> {
        let (desk, now) = (self.federation.desk("portal").unwrap(), self.clock.now().to_rfc3339());
        for _ in 0..PATIENCE {
            let heartbeat = desk.get("/v1/heartbeat").await.unwrap().body;
            if heartbeat["as_of"].as_str().is_some_and(|as_of| *as_of > *now) {
                break;
            }
            self.pass().await;
        }
        let usage = self.post("/v1/findUsage", json!({}), 200).await;
        assert_eq!(usage["findings"], json!([]));
        usage["usage"].as_array().unwrap().clone()
    }

    /// All records of the pseudonym that a record is about, as an auditor follows it.
    pub(crate) async fn followed(&self, record: &str) -> Vec<Record> {
        let reader = self.federation.auditor("auditor-a").unwrap();
        let auditor = self.federation.audit("auditor-a").await.unwrap();
        let size = reader.checkpoint().await.unwrap().size();
        let mut index = None;
        let read = reader.entries(0, size, |entry| {
            if entry.record.as_ref().is_ok_and(|it| it.id() == record) {
                index = Some(entry.index);
            }
            Ok::<_, tacit_client::ClientError>(())
        });
        read.await.unwrap();
        let followed = auditor.follow(index.unwrap()).await.unwrap();
        assert_eq!(followed.log.entries.len() as u64, followed.log.statement.records);
        followed.log.entries.into_iter().map(|entry| entry.record).collect()
    }

    /// Ends it, and looks for the letters' words in all that the coordinator keeps.
    pub(crate) async fn end(self) {
        let folder = self.federation.folder().to_owned();
        let kept = folder.join("data");
        for needle in [OBJECTION, APPEAL, REASONS, CODE] {
            let mut scanned = 0;
            for entry in std::fs::read_dir(&kept).unwrap().map(Result::unwrap) {
                let name = entry.file_name().to_string_lossy().into_owned();
                if name.starts_with("coordinator") && entry.path().is_file() {
                    let bytes = std::fs::read(entry.path()).unwrap();
                    assert!(!bytes.windows(needle.len()).any(|it| it == needle.as_bytes()), "{name}");
                    scanned += bytes.len();
                }
            }
            assert!(scanned > 0 || tacit_store::conformance::on_postgres());
        }
        self.federation.shut_down().await.unwrap();
    }
}
