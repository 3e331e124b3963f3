//! A federation whose court lists somebody, and what people at the portal and at the bodies do.

use std::{path::Path, sync::Arc, time::Duration};

use serde_json::{Value, json};
use tacit_desk::conformance::assert_documented;
use tacit_federation::desk::DeskClient;
use tacit_model::{
    Clock, ListId, ManualClock, Ulid, entropy::seeded_rng, generate::generate_uscc, parse_ulid,
};
use tacit_node::{
    records::{RecordState, Records},
    redress::{CaseView, NewRuling, Redress, Whose},
};
use tacit_policy::{
    letter::{Letter, LetterText, Level, Outcome, limits},
    registry::entry::Contested,
};
use tacit_store::conformance;
use tacit_testkit::{Federation, Options};
use tacit_wire::gateway::{CheckOutcome, Question, check_outcome, list_answer};

pub(super) const LIST: &str = "court/judgment-defaulters";
pub(super) const DAY_MS: u64 = 86_400_000;

pub(super) struct Scene {
    pub(super) federation: Federation,
    pub(super) clock: ManualClock,
    pub(super) code: String,
}

impl Scene {
    /// The court's listings are reviewed by the tax authority, and take effect on the day of the notice.
    pub(super) async fn new(seed: u8, contested: Contested) -> Self {
        let clock = ManualClock::new("2026-11-23T04:00:00.000Z".parse().unwrap());
        let options =
            Options::quick().reading_ms(1_000).clock(Arc::new(clock.clone())).database(database).change(
                move |sample| {
                    let list = sample.list.iter_mut().find(|list| list.id.as_str() == LIST).unwrap();
                    (list.notice_days, list.contested) = (0, contested);
                    list.review_body = Some("tax".parse().unwrap());
                    for category in sample.category.iter_mut().filter(|it| it.adverse) {
                        (category.notice_days, category.contested) = (0, Contested::Flag);
                    }
                },
            );
        let federation = Federation::start("procurement", options).await.unwrap();
        let code = generate_uscc(&mut seeded_rng([seed; 32]));
        let scene = Self { federation, clock, code };
        // Nobody was notified, not even on paper.
        scene.federation.publish(LIST, scene.csv()).await.unwrap();
        scene.post("/v1/users", json!({}), 200).await;
        scene
    }

    pub(super) fn csv(&self) -> String {
        let head = "code,category,decision_ref,decided_on,notified_on,effective_on,expires_on";
        format!("{head}\n{},101,(2026) No. 17,2026-10-01,,,\n", self.code)
    }

    pub(super) fn desk(&self) -> DeskClient {
        self.federation.desk("portal").unwrap()
    }

    /// Asks the portal about the person.
    pub(super) async fn post(&self, path: &str, mut body: Value, status: u16) -> Value {
        body["scheme"] = json!("CN-USCC");
        body["code"] = json!(self.code);
        let answer = self.desk().post(path, &body).await.unwrap();
        assert_documented(tacit_authority::openapi(), "POST", path, answer.status, &answer.body.to_string());
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
        answer.body
    }

    pub(super) async fn matters(&self) -> Value {
        self.post("/v1/matters", json!({}), 200).await
    }

    /// Waits, while time passes, until the portal shows it.
    pub(super) async fn shown(&self, what: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..400 {
            let matters = self.matters().await;
            if what(&matters) {
                assert_eq!(matters["findings"], json!([]));
                return matters;
            }
            self.pass().await;
        }
        panic!("{}", self.matters().await);
    }

    pub(super) async fn state(&self, state: &str) -> Value {
        self.shown(|it| it["objections"][0]["state"] == state).await["objections"][0].clone()
    }

    pub(super) async fn pass(&self) {
        self.clock.advance_ms(250);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    pub(super) async fn at(&self, member: &str) -> Redress {
        self.federation.redress(member, self.federation.clock()).await.unwrap()
    }

    /// The same, as it is looked at days later.
    pub(super) async fn later(&self, days: u64, member: &str) -> Redress {
        let later: Arc<dyn Clock> = Arc::new(ManualClock::new(self.clock.now().plus_ms(days * DAY_MS)));
        self.federation.redress(member, &later).await.unwrap()
    }

    /// Waits until a member has this case.
    pub(super) async fn case(
        &self,
        member: &str,
        level: Level,
        what: impl Fn(&CaseView) -> bool,
    ) -> CaseView {
        let redress = self.at(member).await;
        for _ in 0..400 {
            let cases = redress.cases(level, true).await.unwrap();
            if let Some(case) = cases.into_iter().find(&what) {
                return case;
            }
            self.pass().await;
        }
        panic!("{:?} {:?}", redress.cases(level, true).await, redress.letters().await);
    }

    pub(super) async fn notify(&self) {
        let court = self.at("court").await;
        let noticed = court.notify(&list(), Whose::Due, "clerk").await.unwrap();
        assert_eq!(noticed.written.len(), 1);
        assert_eq!(court.notify(&list(), Whose::Due, "clerk").await.unwrap().written, []);
        for _ in 0..400 {
            if court.waiting(&noticed.written).await.unwrap() == 0 {
                return;
            }
            self.pass().await;
        }
        panic!("the notice is not in the log");
    }

    /// Has the person object to the listing, and waits until the court has it.
    pub(super) async fn object(&self) -> Ulid {
        let filed = self.post("/v1/objections", json!({ "list": LIST, "text": "I have paid." }), 200).await;
        let objection = id(&filed["objection"]);
        self.case("court", Level::First, |case| case.case.id == objection).await;
        objection
    }

    pub(super) async fn records(&self) -> Records {
        self.federation.records("court").await.unwrap()
    }

    pub(super) async fn state_of_record(&self) -> RecordState {
        self.records().await.show(&list(), &self.code).await.unwrap().unwrap().state()
    }

    /// Publishes what is decided by now, and asks.
    pub(super) async fn check(&self) -> CheckOutcome {
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
        let question = Question {
            lists: vec![LIST.to_owned()],
            purpose: "screening".to_owned(),
            case_number: "T-1".to_owned(),
            officer: "li".to_owned(),
            scheme: String::new(),
        };
        self.federation.ask("procurement", question, &self.code).await.unwrap()
    }

    pub(super) async fn crash(&mut self, member: &str) {
        self.federation.kill(member);
        self.federation.restart(member).await.unwrap();
    }

    /// Has the portal send the court or another member a letter of our own making.
    pub(super) async fn forge(&self, to: &str, letter: &Letter) {
        let portal = self.federation.authority("portal").await.unwrap();
        let subject = self.federation.registry().schemes().parse("CN-USCC", &self.code).unwrap().subject;
        let content = letter.to_bytes().unwrap();
        let sealed = portal.seal_letter_about(&to.parse().unwrap(), &subject, &content).await.unwrap();
        portal.post_letter(&sealed).await.unwrap();
    }

    /// Why a letter that came to a member counts for nothing.
    pub(super) async fn problem(&self, member: &str, what: &str) {
        let redress = self.at(member).await;
        for _ in 0..400 {
            let letters = redress.letters().await.unwrap();
            if letters.iter().any(|it| it.problem.as_deref().is_some_and(|it| it.contains(what))) {
                return;
            }
            self.pass().await;
        }
        panic!("{:?}", redress.letters().await);
    }
}

/// PostgreSQL where the tests are run on it.
fn database(folder: &Path, member: &str) -> Option<String> {
    conformance::on_postgres().then(|| conformance::url(folder, member))
}

pub(super) fn list() -> ListId {
    LIST.parse().unwrap()
}

pub(super) fn ruling(outcome: Outcome) -> NewRuling {
    NewRuling {
        outcome,
        corrected: None,
        reasons: LetterText::new("The payment is proven.", limits::REASONS).unwrap(),
        by: LetterText::new("Judge Li", limits::BY).unwrap(),
    }
}

pub(super) fn letters<'a>(matters: &'a Value, kind: &str) -> Vec<&'a Value> {
    matters["letters"].as_array().unwrap().iter().filter(|it| it["kind"] == kind).collect()
}

pub(super) fn id(value: &Value) -> Ulid {
    parse_ulid(value.as_str().unwrap()).unwrap()
}

pub(super) fn contested(outcome: &CheckOutcome) -> bool {
    let Some(check_outcome::Outcome::Answers(answers)) = &outcome.outcome else { panic!("{outcome:?}") };
    match &answers.lists[0].answer {
        Some(list_answer::Answer::Listed(listed)) => listed.contested,
        other => panic!("{other:?}"),
    }
}
