//! Notice, objection, decision, appeal and removal, with every role at work.

#![cfg(test)]

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use tacit_client::LetterDraft;
use tacit_desk::conformance::assert_documented;
use tacit_federation::desk::DeskClient;
use tacit_model::{
    Clock, ListId, ManualClock, Reason, Ulid, entropy::seeded_rng, generate::generate_uscc, parse_ulid,
};
use tacit_node::{
    records::{RecordState, Records, RemovalReason},
    redress::{CaseView, NewRuling, Redress, Whose},
};
use tacit_policy::{
    letter::{Letter, LetterText, Level, Outcome, limits},
    registry::entry::Contested,
};
use tacit_testkit::{Federation, Options, word};
use tacit_wire::gateway::{CheckOutcome, Question, check_outcome, list_answer};

const LIST: &str = "court/judgment-defaulters";
const DAY_MS: u64 = 86_400_000;

struct Scene {
    federation: Federation,
    clock: ManualClock,
    code: String,
}

impl Scene {
    /// The court's listings are reviewed by the tax authority, and take effect on the day of the notice.
    async fn new(seed: u8, contested: Contested) -> Self {
        let clock = ManualClock::new("2026-11-23T04:00:00.000Z".parse().unwrap());
        let options =
            Options::quick().reading_ms(1_000).clock(Arc::new(clock.clone())).change(move |sample| {
                let list = sample.list.iter_mut().find(|list| list.id.as_str() == LIST).unwrap();
                (list.notice_days, list.contested) = (0, contested);
                list.review_body = Some("tax".parse().unwrap());
                for category in sample.category.iter_mut().filter(|it| it.adverse) {
                    (category.notice_days, category.contested) = (0, Contested::Flag);
                }
            });
        let federation = Federation::start("procurement", options).await.unwrap();
        let code = generate_uscc(&mut seeded_rng([seed; 32]));
        let scene = Self { federation, clock, code };
        // Nobody was notified, not even on paper.
        scene.federation.publish(LIST, scene.csv()).await.unwrap();
        scene.post("/v1/users", json!({}), 200).await;
        scene
    }

    fn csv(&self) -> String {
        let head = "code,category,decision_ref,decided_on,notified_on,effective_on,expires_on";
        format!("{head}\n{},101,(2026) No. 17,2026-10-01,,,\n", self.code)
    }

    fn desk(&self) -> DeskClient {
        self.federation.desk("portal").unwrap()
    }

    /// Asks the portal about the person.
    async fn post(&self, path: &str, mut body: Value, status: u16) -> Value {
        body["scheme"] = json!("CN-USCC");
        body["code"] = json!(self.code);
        let answer = self.desk().post(path, &body).await.unwrap();
        assert_documented(tacit_authority::openapi(), "POST", path, answer.status, &answer.body.to_string());
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
        answer.body
    }

    async fn matters(&self) -> Value {
        self.post("/v1/matters", json!({}), 200).await
    }

    /// Waits, while time passes, until the portal shows it.
    async fn shown(&self, what: impl Fn(&Value) -> bool) -> Value {
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

    async fn state(&self, state: &str) -> Value {
        self.shown(|it| it["objections"][0]["state"] == state).await["objections"][0].clone()
    }

    async fn pass(&self) {
        self.clock.advance_ms(250);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    async fn at(&self, member: &str) -> Redress {
        self.federation.redress(member, self.federation.clock()).await.unwrap()
    }

    /// Waits until a member has this case.
    async fn case(&self, member: &str, level: Level, what: impl Fn(&CaseView) -> bool) -> CaseView {
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

    async fn notify(&self) {
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

    async fn records(&self) -> Records {
        self.federation.records("court").await.unwrap()
    }

    async fn state_of_record(&self) -> RecordState {
        self.records().await.show(&list(), &self.code).await.unwrap().unwrap().state()
    }

    /// Publishes what is decided by now, and asks.
    async fn check(&self) -> CheckOutcome {
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

    async fn crash(&mut self, member: &str) {
        self.federation.kill(member);
        self.federation.restart(member).await.unwrap();
    }

    /// Has the portal send the court or another member a letter of our own making.
    async fn forge(&self, to: &str, letter: &Letter) {
        let portal = self.federation.authority("portal").await.unwrap();
        let subject = self.federation.registry().schemes().parse("CN-USCC", &self.code).unwrap().subject;
        let content = letter.to_bytes().unwrap();
        let sealed = portal.seal_letter_about(&to.parse().unwrap(), &subject, &content).await.unwrap();
        portal.post_letter(&sealed).await.unwrap();
    }

    /// Why a letter that came to a member counts for nothing.
    async fn problem(&self, member: &str, what: &str) {
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

fn list() -> ListId {
    LIST.parse().unwrap()
}

fn ruling(outcome: Outcome) -> NewRuling {
    NewRuling {
        outcome,
        corrected: None,
        reasons: LetterText::new("The payment is proven.", limits::REASONS).unwrap(),
        by: LetterText::new("Judge Li", limits::BY).unwrap(),
    }
}

fn letters<'a>(matters: &'a Value, kind: &str) -> Vec<&'a Value> {
    matters["letters"].as_array().unwrap().iter().filter(|it| it["kind"] == kind).collect()
}

fn id(value: &Value) -> Ulid {
    parse_ulid(value.as_str().unwrap()).unwrap()
}

fn contested(outcome: &CheckOutcome) -> bool {
    let Some(check_outcome::Outcome::Answers(answers)) = &outcome.outcome else { panic!("{outcome:?}") };
    match &answers.lists[0].answer {
        Some(list_answer::Answer::Listed(listed)) => listed.contested,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn notice_objection_with_a_stay_appeal_and_removal_and_a_crash_between_every_two_steps() {
    let mut scene = Scene::new(81, Contested::Withhold).await;
    // Nothing adverse is answered before the notice, and an import that knows of none does not undo it.
    assert_eq!(word(&scene.check().await), Some("not_listed"));
    scene.notify().await;
    let twice = scene.at("court").await.notify(&list(), Whose::Code(&scene.code), "clerk").await;
    assert_eq!(twice.unwrap_err().reason(), Reason::Conflict);
    assert_eq!(word(&scene.check().await), Some("listed"));
    assert_eq!(scene.federation.import(LIST, scene.csv()).await.unwrap().unchanged, 1);
    assert_eq!(word(&scene.check().await), Some("listed"));
    scene.crash("court").await;

    let matters = scene.shown(|it| !letters(it, "listing-notice").is_empty()).await;
    let notice = letters(&matters, "listing-notice")[0].clone();
    assert_eq!((&notice["from"], &notice["problem"]), (&json!("court"), &json!("")));
    let mut prove = json!({ "record_id": notice["record_id"] });
    prove = scene.post("/v1/proofs", prove, 200).await;
    assert_eq!(prove["usage"]["receiver"], "court");

    // The objection leaves with a reading, reaches the court, and is a stay.
    let body = json!({ "notice": notice["letter"]["id"], "text": "I have paid." });
    let filed = scene.post("/v1/objections", body.clone(), 200).await;
    assert_eq!((&filed["goes_to"], &filed["list"]), (&json!("court"), &json!(LIST)));
    scene.post("/v1/objections", body, 409).await;
    let objection = id(&filed["objection"]);
    scene.crash("portal").await;
    let case = scene.case("court", Level::First, |case| case.case.id == objection).await;
    assert_eq!(case.case.decide_by().to_string(), "2026-12-08");
    assert_eq!(scene.state_of_record().await, RecordState::Contested);
    assert_eq!(word(&scene.check().await), Some("not_listed"));
    let received = scene.state("received").await;
    assert_eq!((&received["owed"], &received["owed_by"]), (&json!("decision"), &json!("2026-12-08")));
    assert_eq!((case.is_overdue(), &received["overdue"]), (false, &json!(false)));
    // The same queue, looked at on the day after the last one.
    let later: Arc<dyn Clock> = Arc::new(ManualClock::new(scene.clock.now().plus_ms(16 * DAY_MS)));
    let late = scene.federation.redress("court", &later).await.unwrap();
    assert!(late.cases(Level::First, false).await.unwrap()[0].is_overdue());

    // An appeal needs a decision; a decision is made once.
    let appeal = json!({ "objection": objection.to_string(), "text": "It was paid to the bailiff." });
    scene.post("/v1/appeals", appeal.clone(), 409).await;
    let court = scene.at("court").await;
    let odd = NewRuling {
        corrected: LetterText::new("the sum", limits::CORRECTED).ok(),
        ..ruling(Outcome::Upheld)
    };
    assert_eq!(court.decide(Level::First, objection, odd).await.unwrap_err().reason(), Reason::Malformed);
    court.decide(Level::First, objection, ruling(Outcome::Upheld)).await.unwrap();
    let again = court.decide(Level::First, objection, ruling(Outcome::Annulled)).await;
    assert_eq!(again.unwrap_err().reason(), Reason::Conflict);
    scene.crash("court").await;
    let decided = scene.state("decided").await;
    assert_eq!((&decided["outcome"], &decided["appeal_until"]), (&json!("upheld"), &json!("2026-12-08")));
    // The stay goes on as long as an appeal may be written, and throughout one.
    assert_eq!(word(&scene.check().await), Some("not_listed"));

    let filed = scene.post("/v1/appeals", appeal.clone(), 200).await;
    assert_eq!(filed["goes_to"], "tax");
    scene.post("/v1/appeals", appeal, 409).await;
    scene.crash("portal").await;
    scene.case("tax", Level::Review, |case| case.case.id == objection).await;
    scene.case("court", Level::First, |case| case.case.word() == "appealed").await;
    assert_eq!(scene.state("appealed").await["owed"], "review");
    scene.crash("tax").await;
    assert_eq!(word(&scene.check().await), Some("not_listed"));

    let tax = scene.at("tax").await;
    tax.decide(Level::Review, objection, ruling(Outcome::Annulled)).await.unwrap();
    let again = tax.decide(Level::Review, objection, ruling(Outcome::Upheld)).await;
    assert_eq!(again.unwrap_err().reason(), Reason::Conflict);
    scene.crash("tax").await;
    let case = scene.case("court", Level::First, |case| case.case.word() == "reviewed").await;
    assert_eq!((case.days_to_correction, case.is_late(), case.due), (Some(0), false, None));
    assert_eq!(scene.state_of_record().await, RecordState::Removed);
    let view = scene.records().await.show(&list(), &scene.code).await.unwrap().unwrap();
    let removed = view.history.last().unwrap();
    assert_eq!((removed.action.as_str(), removed.reason.as_str()), ("removed", "annulled"));
    assert_eq!(word(&scene.check().await), Some("not_listed"));

    let matters = scene.shown(|it| !letters(it, "removal").is_empty()).await;
    assert_eq!(matters["objections"][0]["state"], "reviewed");
    assert_eq!(matters["objections"][0]["outcome"], "annulled");
    // Every letter once, each with its record, and nothing wrong with any.
    for kind in ["listing-notice", "objection", "objection-received", "removal", "review-decision"] {
        assert_eq!(letters(&matters, kind).len(), 1, "{kind}: {matters}");
    }
    assert_eq!((letters(&matters, "decision").len(), letters(&matters, "appeal").len()), (2, 2));
    for letter in matters["letters"].as_array().unwrap() {
        assert!(!letter["record_id"].as_str().unwrap().is_empty() && letter["problem"] == "", "{letter}");
    }

    // The same body does not review twice: the appeal once more, as another letter.
    let mut appeal = letters(&matters, "appeal")[0]["letter"].clone();
    appeal["id"] = json!("01KAM2V7Q3ZJ6V6T1V8M3W9R5C");
    let appeal: Letter = serde_json::from_value(appeal).unwrap();
    scene.forge("tax", &appeal).await;
    scene.problem("tax", "does not review twice").await;
    assert_eq!(scene.at("tax").await.cases(Level::Review, true).await.unwrap().len(), 1);
    scene.federation.shut_down().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_objection_at_the_wrong_door_arrives_and_what_others_decide_counts_for_nothing() {
    let scene = Scene::new(82, Contested::Flag).await;
    scene.notify().await;
    // Handed in at the procurement office, which does not hold the list.
    let office = scene.at("procurement").await;
    office.hand_in(&list(), &scene.code, "I have paid.").await.unwrap();
    assert_eq!(
        office.hand_in(&list(), "no code", "I have paid.").await.unwrap_err().reason(),
        Reason::CodeInvalid
    );
    assert_eq!(office.hand_in(&list(), &scene.code, " ").await.unwrap_err().reason(), Reason::Malformed);
    let own = scene.at("court").await.hand_in(&list(), &scene.code, "I have paid.").await;
    assert_eq!(own.unwrap_err().reason(), Reason::UnknownList);
    let case = scene.case("court", Level::First, |_| true).await;
    let arrived = case.letters.iter().find_map(|it| it.letter.as_ref()).unwrap();
    let body = serde_json::to_value(&arrived.body).unwrap();
    assert_eq!((&body["handed_in"], &body["text"]), (&json!("procurement"), &json!("I have paid.")));
    assert_eq!(scene.state_of_record().await, RecordState::Contested);
    // The list's rule is the flag: it is answered, and says so.
    assert!(contested(&scene.check().await));

    // The tax authority reviews; it does not decide first, and not before the court did.
    let subject = scene.federation.registry().schemes().parse("CN-USCC", &scene.code).unwrap().subject;
    let tax = scene.federation.correspondent("tax").await.unwrap();
    let decision = |level: &str, id: &str| {
        let letter = json!({
            "type": "tacit-letter/v1", "id": id, "thread": case.case.id.to_string(),
            "written": scene.clock.now().to_rfc3339(), "subject": case.case.subject,
            "body": { "kind": "decision", "level": level, "list": LIST, "outcome": "annulled",
                "reasons": "So we think.", "by": "Clerk", "decided_on": "2026-11-23" },
        });
        serde_json::from_value::<Letter>(letter).unwrap()
    };
    let send = |content: Vec<u8>| {
        let draft = LetterDraft { content, case: "T-2".to_owned(), officer: "wang".to_owned() };
        let (tax, subject) = (&tax, &subject);
        async move { tax.send_letter(&draft, subject).await.unwrap() }
    };
    send(decision("first", "01KAM2V7Q3ZJ6V6T1V8M3W9R5A").to_bytes().unwrap()).await;
    send(b"no letter at all".to_vec()).await;
    let matters = scene
        .shown(|it| it["letters"].as_array().unwrap().iter().filter(|it| it["problem"] != "").count() == 2)
        .await;
    let foreign = letters(&matters, "decision")[0];
    assert_eq!(foreign["problem"], "the letter is not from the body that decides about this list");
    assert_eq!(letters(&matters, "")[0]["letter"], Value::Null);
    // Its review is forwarded as it signed it, and the court does not take it: nothing was decided that was appealed.
    send(decision("review", "01KAM2V7Q3ZJ6V6T1V8M3W9R5B").to_bytes().unwrap()).await;
    scene.problem("court", "nothing was decided yet").await;
    // Nor what only says that it is the reviewing body's.
    let mut forged = json!({
        "type": "tacit-letter/v1", "id": "01KAM2V7Q3ZJ6V6T1V8M3W9R5D", "thread": case.case.id.to_string(),
        "written": scene.clock.now().to_rfc3339(), "subject": case.case.subject,
        "body": { "kind": "review-decision", "list": LIST, "decision": {
            "sender": "tax", "member": "tax", "pseudonym": "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=",
            "content": "", "signature": "" } },
    });
    let content = decision("review", "01KAM2V7Q3ZJ6V6T1V8M3W9R5E").to_bytes().unwrap();
    forged["body"]["decision"]["content"] = json!(String::from_utf8(content).unwrap());
    forged["body"]["decision"]["signature"] = json!(format!("{}==", "A".repeat(86)));
    scene.forge("court", &serde_json::from_value(forged).unwrap()).await;
    scene.problem("court", "not signed by whom it names").await;
    assert_eq!(scene.state_of_record().await, RecordState::Contested);

    // The portal shows what is overdue.
    scene.state("received").await;
    scene.post("/v1/objections", json!({ "list": LIST, "text": "Once more." }), 409).await;
    scene.clock.advance_ms(16 * DAY_MS);
    let matters = scene.matters().await;
    let objection = &matters["objections"][0];
    assert_eq!((&objection["owed"], &objection["overdue"]), (&json!("decision"), &json!(true)), "{matters}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_noticed_objected_to_or_appealed_is_refused_with_its_reason() {
    let scene = Scene::new(83, Contested::Flag).await;
    let court = scene.at("court").await;
    let tax_list: ListId = "tax/trusted-taxpayers".parse().unwrap();
    for (list, code, reason) in [
        (&tax_list, scene.code.as_str(), Reason::UnknownList),
        (&list(), "91350100M000100Y44", Reason::CodeInvalid),
        (&list(), "91350100M000100Y43", Reason::NotFound),
    ] {
        let refused = court.notify(list, Whose::Code(code), "clerk").await.unwrap_err();
        assert_eq!(refused.reason(), reason, "{refused}");
        assert!(!refused.to_string().contains(code), "{refused}");
    }
    let favorable = scene.at("tax").await.notify(&tax_list, Whose::Due, "clerk").await.unwrap_err();
    assert_eq!(favorable.reason(), Reason::RuleForbids);
    let nobody = court.decide(Level::First, Ulid::from_parts(1, 1), ruling(Outcome::Upheld)).await;
    assert_eq!(nobody.unwrap_err().reason(), Reason::NotFound);

    let long = "字".repeat(8_001);
    for (path, body, status, reason) in [
        ("/v1/objections", json!({ "list": LIST, "text": " " }), 400, "malformed"),
        ("/v1/objections", json!({ "list": LIST, "text": long }), 400, "malformed"),
        ("/v1/objections", json!({ "text": "x" }), 400, "malformed"),
        ("/v1/objections", json!({ "list": "court", "text": "x" }), 400, "malformed"),
        ("/v1/objections", json!({ "list": "court/none", "text": "x" }), 422, "unknown_list"),
        ("/v1/objections", json!({ "notice": "01KAM2V7Q3ZJ6V6T1V8M3W9R5C", "text": "x" }), 404, "not_found"),
        ("/v1/appeals", json!({ "objection": "01KAM2V7Q3ZJ6V6T1V8M3W9R5C", "text": "x" }), 404, "not_found"),
        ("/v1/appeals", json!({ "objection": "1", "text": "x" }), 400, "malformed"),
    ] {
        assert_eq!(scene.post(path, body, status).await["reason"], reason, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_is_corrected_as_decided_and_a_removal_without_an_objection_is_told_too() {
    let scene = Scene::new(84, Contested::Flag).await;
    scene.notify().await;
    scene.post("/v1/objections", json!({ "list": LIST, "text": "The sum is wrong." }), 200).await;
    let case = scene.case("court", Level::First, |_| true).await.case;
    let court = scene.at("court").await;
    let silent = court.decide(Level::First, case.id, ruling(Outcome::Corrected)).await;
    assert_eq!(silent.unwrap_err().reason(), Reason::Malformed);
    let decision = NewRuling {
        corrected: LetterText::new("The decision is No. 18.", limits::CORRECTED).ok(),
        ..ruling(Outcome::Corrected)
    };
    court.decide(Level::First, case.id, decision).await.unwrap();
    // Decided and not done: it is owed within three days, and late after that.
    let owed = scene.case("court", Level::First, |it| it.case.word() == "decided").await;
    assert_eq!((owed.days_to_correction, owed.is_late()), (Some(0), false));
    let at = |days: u64| -> Arc<dyn Clock> {
        Arc::new(ManualClock::new(scene.clock.now().plus_ms(days * DAY_MS)))
    };
    let late = scene.federation.redress("court", &at(4)).await.unwrap();
    assert!(late.cases(Level::First, false).await.unwrap()[0].is_late());
    let corrected = scene.csv().replace("No. 17", "No. 18").replace(",,,\n", ",2026-11-23,,\n");
    assert_eq!(scene.federation.import(LIST, corrected).await.unwrap().changed, 1);
    let done = scene.case("court", Level::First, |it| {
        it.case.ruling().is_some_and(|ruling| ruling.carried_out_on.is_some())
    });
    assert_eq!((done.await.days_to_correction), Some(0));
    let decided = scene.state("decided").await;
    assert_eq!(decided["outcome"], "corrected");
    let matters = scene.matters().await;
    let said = &letters(&matters, "decision")[0]["letter"]["body"];
    assert_eq!(said["corrected"], "The decision is No. 18.");

    // The duty is fulfilled: the subject hears of it, once, whatever restarts.
    let reason = RemovalReason::Fulfilled;
    scene.records().await.remove(&list(), &scene.code, reason, "clerk").await.unwrap();
    let matters = scene.shown(|it| !letters(it, "removal").is_empty()).await;
    let removal = letters(&matters, "removal")[0];
    let body = &removal["letter"]["body"];
    assert_eq!((&removal["from"], &body["reason"]), (&json!("court"), &json!("fulfilled")));
    assert_eq!((&body["removed_on"], &body["decision"]), (&json!("2026-11-23"), &Value::Null));
    assert_eq!(word(&scene.check().await), Some("not_listed"));
    let mut scene = scene;
    scene.crash("court").await;
    for _ in 0..20 {
        scene.pass().await;
    }
    assert_eq!(letters(&scene.matters().await, "removal").len(), 1);
    scene.federation.shut_down().await.unwrap();
}
