//! Measures on answers: registered by who acts, seen by the subject with proof, asked again when the answer is too old,
//! lifted when the list gives no ground any more, or shown as overdue.

#![cfg(test)]

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use tacit_client::LetterDraft;
use tacit_federation::desk::DeskClient;
use tacit_ledger::record::{Measure as Logged, Record};
use tacit_model::{Clock as _, ManualClock, entropy::seeded_rng, generate::generate_uscc};
use tacit_node::records::RemovalReason;
use tacit_policy::{Span, Unit, letter::Letter};
use tacit_testkit::{Federation, Options};
use tacit_wire::coordinator::{
    LiftMeasureRequest as Lift, RegisterMeasureRequest as Register, lift_measure_response,
    measure_service_client::MeasureServiceClient, register_measure_response,
};
use tacit_wire::gateway::{
    GetStatusRequest, LiftMeasureRequest, ListMeasuresRequest, Measure, MeasureCounts, Question,
    RegisterMeasureRequest, check_outcome::Outcome, lift_measure_response as lifted, list_answer::Answer,
    register_measure_response as registered,
};

const LIST: &str = "court/judgment-defaulters";
const OFFICE: &str = "head of the tender office";
const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;

/// A federation whose procurement office may keep an answer for an hour, on a clock that the test moves.
struct World {
    federation: Federation,
    clock: ManualClock,
}

impl World {
    async fn start(per_subject_per_day: u64) -> Self {
        let clock = ManualClock::new("2026-11-23T08:00:00.000Z".parse().unwrap());
        let options =
            Options::quick().reading_ms(1000).clock(Arc::new(clock.clone())).change(move |sample| {
                for it in sample.agreement.iter_mut().filter(|it| *it.requester == *"procurement") {
                    it.data_life = Span { value: 1, unit: Unit::Hour };
                    it.quotas.per_subject_per_day = per_subject_per_day;
                }
            });
        let federation = Federation::start("procurement", options).await.unwrap();
        Self { federation, clock }
    }

    /// Asks about a code; the record, and whether it is listed.
    async fn ask(&self, member: &str, purpose: &str, code: &str) -> (String, bool) {
        let question = Question {
            lists: vec![LIST.to_owned()],
            purpose: purpose.to_owned(),
            case_number: "2026-0417".to_owned(),
            officer: "li".to_owned(),
            scheme: String::new(),
        };
        let outcome = self.federation.ask(member, question, code).await.unwrap();
        let Some(Outcome::Answers(mut answers)) = outcome.outcome else { panic!("{outcome:?}") };
        let answer = answers.lists.pop().unwrap();
        (answer.record_id, matches!(answer.answer, Some(Answer::Listed(_))))
    }

    /// Registers a measure at the gateway; the reason when it is refused.
    async fn register(&self, request: RegisterMeasureRequest) -> Result<Measure, String> {
        let mut gateway = self.federation.gateway("procurement").unwrap();
        match gateway.register_measure(request).await.unwrap().into_inner().outcome.unwrap() {
            registered::Outcome::Measure(measure) => Ok(measure),
            registered::Outcome::Refusal(refusal) => Err(refusal.reason),
        }
    }

    async fn lift(&self, id: &str) -> Result<Measure, String> {
        let request = LiftMeasureRequest { measure_id: id.to_owned(), decider: "the deputy".to_owned() };
        let mut gateway = self.federation.gateway("procurement").unwrap();
        match gateway.lift_measure(request).await.unwrap().into_inner().outcome.unwrap() {
            lifted::Outcome::Measure(measure) => Ok(measure),
            lifted::Outcome::Refusal(refusal) => Err(refusal.reason),
        }
    }

    async fn measures(&self) -> Vec<Measure> {
        let mut gateway = self.federation.gateway("procurement").unwrap();
        let request = ListMeasuresRequest { all: true, cursor: String::new(), limit: 0 };
        gateway.list_measures(request).await.unwrap().into_inner().measures
    }

    /// Waits until the measure is as it should be, while a minute passes every fifth of a second.
    async fn until(&self, id: &str, what: impl Fn(&Measure) -> bool) -> Measure {
        for _ in 0..150 {
            let found = self.measures().await.into_iter().find(|it| it.measure_id == id).unwrap();
            if what(&found) {
                return found;
            }
            self.clock.advance_ms(60_000);
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        panic!("{:?}", self.measures().await);
    }

    async fn counts(&self) -> MeasureCounts {
        let mut gateway = self.federation.gateway("procurement").unwrap();
        gateway.get_status(GetStatusRequest {}).await.unwrap().into_inner().measures.unwrap()
    }

    async fn remove(&self, code: &str) {
        let records = self.federation.records("court").await.unwrap();
        let list = LIST.parse().unwrap();
        records.remove(&list, code, RemovalReason::Fulfilled, "clerk").await.unwrap();
        self.federation.seal(LIST).await.unwrap();
    }

    /// What the person is told, newest first, once everything up to now was read.
    async fn told(&self, desk: &DeskClient, code: &str) -> Vec<Value> {
        let person = json!({ "scheme": "CN-USCC", "code": code });
        let now = self.clock.now().to_rfc3339();
        for _ in 0..300 {
            let heartbeat = desk.get("/v1/heartbeat").await.unwrap().body;
            if heartbeat["as_of"].as_str().is_some_and(|as_of| *as_of > *now) {
                let found = desk.post("/v1/findUsage", &person).await.unwrap();
                assert_eq!(found.status, 200, "{}", found.body);
                assert_eq!(found.body["findings"], json!([]));
                return found.body["usage"].as_array().unwrap().clone();
            }
            self.clock.advance_ms(1_000);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("no reading");
    }

    /// The person's letters of a kind, once there is one.
    async fn letters(&self, desk: &DeskClient, code: &str, kind: &str) -> Vec<Value> {
        let person = json!({ "scheme": "CN-USCC", "code": code });
        for _ in 0..60 {
            self.told(desk, code).await;
            let found = desk.post("/v1/matters", &person).await.unwrap();
            assert_eq!(found.status, 200, "{}", found.body);
            let letters = found.body["letters"].as_array().unwrap();
            let of_kind: Vec<_> = letters.iter().filter(|it| it["kind"] == kind).cloned().collect();
            if !of_kind.is_empty() {
                return of_kind;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        panic!("no {kind}");
    }

    /// A member that registered no such measure writes that it did, and that it lifted it.
    async fn forge(&self, member: &str, code: &str, measure: &str) {
        let writer = self.federation.correspondent(member).await.unwrap();
        let subject = self.federation.registry().schemes().parse("CN-USCC", code).unwrap().subject;
        let registered = json!({
            "kind": "adverse-action", "list": LIST, "measure": measure, "answer": measure, "agency": "We",
            "words": "Exclusion", "by": "Clerk", "legal_basis": "Article 1", "registered_on": "2026-11-23",
            "objections": "Room 12",
        });
        let lifted = json!({
            "kind": "measure-lifted", "list": LIST, "measure": measure, "agency": "We", "words": "Exclusion",
            "by": "Clerk", "lifted_on": "2026-11-23",
        });
        for (id, body) in [("01KAM2V7Q3ZJ6V6T1V8M3W9R5A", registered), ("01KAM2V7Q3ZJ6V6T1V8M3W9R5B", lifted)]
        {
            let letter = json!({
                "type": "tacit-letter/v1", "id": id, "thread": id, "written": self.clock.now().to_rfc3339(),
                "subject": { "scheme": "CN-USCC", "code": code }, "body": body,
            });
            let content = serde_json::from_value::<Letter>(letter).unwrap().to_bytes().unwrap();
            let draft = LetterDraft { content, case: "T-2".to_owned(), officer: "wang".to_owned() };
            writer.send_letter(&draft, &subject).await.unwrap();
        }
    }

    /// The person's letters of a kind from the procurement office, once there is one.
    async fn own_letters(&self, desk: &DeskClient, code: &str, kind: &str) -> Vec<Value> {
        for _ in 0..60 {
            let mut found = self.letters(desk, code, kind).await;
            found.retain(|it| it["from"] == "procurement");
            if !found.is_empty() {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        panic!("no {kind}");
    }

    async fn logged(&self) -> Vec<Logged> {
        let reader = self.federation.auditor("auditor-a").unwrap();
        let size = reader.checkpoint().await.unwrap().size();
        let mut found = Vec::new();
        let read = reader.entries(0, size, |entry| {
            if let Ok(Record::Measure(measure)) = entry.record {
                found.push(measure);
            }
            Ok::<_, tacit_client::ClientError>(())
        });
        read.await.unwrap();
        found
    }
}

fn wanted(record: &str) -> RegisterMeasureRequest {
    RegisterMeasureRequest {
        record_id: record.to_owned(),
        list_id: String::new(),
        measure: 1,
        until_ms: 0,
        decider: OFFICE.to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_measure_is_told_to_the_subject_asked_again_found_without_ground_and_lifted() {
    let mut world = World::start(10).await;
    let mut rng = seeded_rng([51; 32]);
    let [me, other, free] = [0; 3].map(|_| generate_uscc(&mut rng));
    let csv = world.federation.records_csv(101, [&me, &other]);
    world.federation.publish(LIST, csv).await.unwrap();
    let desk = world.federation.desk("portal").unwrap();
    desk.post("/v1/users", &json!({ "scheme": "CN-USCC", "code": me })).await.unwrap();

    let (answer, listed) = world.ask("procurement", "screening", &me).await;
    assert!(listed);
    // What cannot rest on an answer is refused here, before anything leaves the agency.
    let (free_answer, listed) = world.ask("procurement", "screening", &free).await;
    assert!(!listed);
    assert_eq!(world.register(wanted(&free_answer)).await.unwrap_err(), "answer_not_listed");
    let unknown = RegisterMeasureRequest { measure: 9, ..wanted(&answer) };
    assert_eq!(world.register(unknown).await.unwrap_err(), "measure_unknown");
    let nobody = wanted("01KAM2V7Q3ZJ6V6T1V8M3W9R5C");
    assert_eq!(world.register(nobody).await.unwrap_err(), "not_found");
    assert_eq!(world.logged().await, []);

    let measure = world.register(wanted(&answer)).await.unwrap();
    assert_eq!((&measure.state[..], &measure.answer), ("standing", &answer));
    assert_eq!(measure.words, "Exclusion from the tender that the case number names");
    // The same again is the same; another one in its place is not.
    assert_eq!(world.register(wanted(&answer)).await.unwrap(), measure);
    let someone = RegisterMeasureRequest { decider: "somebody".to_owned(), ..wanted(&answer) };
    assert_eq!(world.register(someone).await.unwrap_err(), "conflict");
    let logged = world.logged().await;
    assert_eq!(logged.len(), 1);
    assert_eq!((&logged[0].id, &logged[0].answer, logged[0].measure), (&measure.measure_id, &answer, 1));

    // The letter about it is as durable as the measure.
    world.federation.kill("procurement");
    world.federation.restart("procurement").await.unwrap();

    // The subject sees it, by whom it was decided, by which law, and how to contest it.
    let told = world.told(&desk, &me).await;
    let told = told.iter().find(|it| it["outcome"] == "measure_registered").unwrap();
    let seen = &told["measure"];
    assert_eq!((&seen["state"], &seen["decider"]), (&json!("standing"), &json!(OFFICE)));
    assert_eq!((&seen["words"], &seen["answer"]), (&json!(measure.words), &json!(answer)));
    assert_eq!((&told["receiver"], &told["proof"]), (&json!("procurement"), &json!("verified")));
    assert_eq!(told["lists"][0]["id"], LIST);
    assert!(told["legal_basis"]["citation"].as_str().is_some_and(|it| !it.is_empty()));
    assert!(!seen["objections"].as_str().unwrap().is_empty());
    assert!(told["note"].as_str().unwrap().starts_with("An answer is not a decision"));
    let proof = json!({ "scheme": "CN-USCC", "code": me, "record_id": measure.measure_id });
    let proof = desk.post("/v1/proofs", &proof).await.unwrap();
    assert_eq!((proof.status, &proof.body["proof"]["opening"]["kind"]), (200, &json!("measure")));

    // A letter tells it too: who acts, what, who decided, by which law, on which list, and where to contest it.
    let letters = world.own_letters(&desk, &me, "adverse-action").await;
    let (post, letter) = (&letters[0], &letters[0]["letter"]);
    let body = &letter["body"];
    assert_eq!((letters.len(), &post["from"], &post["problem"]), (1, &json!("procurement"), &json!("")));
    assert_eq!((&body["measure"], &body["answer"]), (&json!(measure.measure_id), &json!(answer)));
    assert_eq!((&body["words"], &body["by"]), (&json!(measure.words), &json!(OFFICE)));
    assert_eq!((&body["list"], &body["until"]), (&json!(LIST), &Value::Null));
    assert_eq!(body["legal_basis"], told["legal_basis"]["citation"]);
    assert_eq!(body["objections"], seen["objections"]);
    assert!(!body["agency"].as_str().unwrap().is_empty());
    assert_eq!(letter["thread"], letter["id"]);
    let proof = json!({ "scheme": "CN-USCC", "code": me, "record_id": post["record_id"] });
    let proof = desk.post("/v1/proofs", &proof).await.unwrap();
    assert_eq!((proof.status, &proof.body["proof"]["opening"]["kind"]), (200, &json!("notice")));
    // Who did not register the measure says nothing about it.
    world.forge("tax", &me, &measure.measure_id).await;
    let forged = world.letters(&desk, &me, "measure-lifted").await;
    assert_eq!((forged.len(), &forged[0]["from"]), (1, &json!("tax")));
    assert_eq!(forged[0]["problem"], "the letter is about a measure that its sender did not lift");
    let forged = world.letters(&desk, &me, "adverse-action").await;
    assert_eq!((forged.len(), &forged[1]["from"]), (2, &json!("tax")));
    assert_eq!(forged[1]["problem"], "the letter is about a measure that its sender did not register");

    // Both sides know it after a restart, and when the answer is too old the list is asked again.
    world.federation.kill("procurement");
    world.federation.restart("procurement").await.unwrap();
    world.federation.kill("coordinator");
    world.federation.restart("coordinator").await.unwrap();
    assert_eq!(world.measures().await, std::slice::from_ref(&measure));
    world.clock.advance_ms(HOUR_MS + 1);
    let again = world.until(&measure.measure_id, |it| it.said == "listed").await;
    assert_eq!(again.state, "standing");
    assert!(again.ask_again_ms >= again.asked_ms + HOUR_MS && again.asked_ms > measure.registered_ms);

    // The record goes: the next question finds no ground, and three days are left.
    world.remove(&me).await;
    world.clock.advance_ms(HOUR_MS + 1);
    let due = world.until(&measure.measure_id, |it| it.state == "due").await;
    assert_eq!(
        (&due.said[..], due.lift_by_ms - due.asked_ms, due.overdue),
        ("not_listed", 3 * DAY_MS, false)
    );
    let counts = world.counts().await;
    assert_eq!((counts.standing, counts.due, counts.overdue), (0, 1, 0));
    world.clock.advance_ms(3 * DAY_MS + 1);
    let overdue = world.until(&measure.measure_id, |it| it.overdue).await;
    assert_eq!(overdue.state, "due");
    assert_eq!(world.counts().await.overdue, 1);

    assert_eq!(world.lift("01KAM2V7Q3ZJ6V6T1V8M3W9R5C").await.unwrap_err(), "not_found");
    let mut lifted = world.lift(&measure.measure_id).await;
    // After so long a pause the log waits for its witnesses first.
    for _ in 0..50 {
        if lifted.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        lifted = world.lift(&measure.measure_id).await;
    }
    let lifted = lifted.unwrap();
    assert_eq!((&lifted.state[..], lifted.overdue, lifted.lift_by_ms), ("lifted", false, 0));
    assert_eq!(world.lift(&measure.measure_id).await.unwrap(), lifted);
    assert_eq!(world.counts().await, MeasureCounts::default());
    let logged = world.logged().await;
    assert_eq!(logged.len(), 2);
    assert_eq!((&logged[1].state[..], &logged[1].registered), ("lifted", &measure.measure_id));

    let told = world.told(&desk, &me).await;
    let of = |outcome: &str| told.iter().find(|it| it["outcome"] == outcome).unwrap();
    assert_eq!(of("measure_lifted")["measure"]["decider"], "the deputy");
    assert_eq!(of("measure_registered")["measure"]["state"], "lifted");
    assert!(told.iter().all(|it| it["proof"] == "verified"));
    let own = world.own_letters(&desk, &me, "measure-lifted").await;
    assert_eq!((own.len(), &own[0]["problem"]), (1, &json!("")));
    let body = &own[0]["letter"]["body"];
    assert_eq!((&body["measure"], &body["by"]), (&json!(measure.measure_id), &json!("the deputy")));
    assert_eq!(own[0]["letter"]["thread"], letter["id"]);
    assert_eq!(world.own_letters(&desk, &me, "adverse-action").await.len(), 1);
    world.federation.shut_down().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_coordinator_takes_measures_on_own_answers_alone_while_they_are_kept() {
    let world = World::start(10).await;
    let federation = &world.federation;
    let me = generate_uscc(&mut seeded_rng([52; 32]));
    federation.publish(LIST, federation.records_csv(101, [&me])).await.unwrap();
    let (answer, _) = world.ask("procurement", "screening", &me).await;
    let authority = federation.authority("portal").await.unwrap();
    let subject = authority.registry().schemes().parse("CN-USCC", &me).unwrap().subject;
    let pseudonym = async |requester: &str| {
        let names = authority.pseudonyms(&requester.parse().unwrap(), std::slice::from_ref(&subject)).await;
        names.unwrap()[0].pseudonym
    };
    let own = pseudonym("procurement").await;
    let good = Register {
        answer: answer.clone(),
        pseudonym: own.to_vec().into(),
        list: LIST.to_owned(),
        measure: 1,
        until_ms: 0,
        decider: OFFICE.to_owned(),
        salt_details: vec![1; 32].into(),
    };
    let register = async |member: &str, request: Register| {
        let mut client = MeasureServiceClient::new(federation.channel(member, "coordinator").unwrap());
        let outcome = client.register_measure(request).await?.into_inner().outcome.unwrap();
        Ok::<_, tonic::Status>(match outcome {
            register_measure_response::Outcome::Logged(logged) => Ok(logged.record.unwrap()),
            register_measure_response::Outcome::Refusal(refusal) => Err(refusal.reason),
        })
    };
    let lift = async |member: &str, id: &str| {
        let mut client = MeasureServiceClient::new(federation.channel(member, "coordinator").unwrap());
        let salt_details = vec![2; 32].into();
        let request = Lift { measure_id: id.to_owned(), decider: OFFICE.to_owned(), salt_details };
        match client.lift_measure(request).await.unwrap().into_inner().outcome.unwrap() {
            lift_measure_response::Outcome::Logged(logged) => Ok(logged.record.unwrap()),
            lift_measure_response::Outcome::Refusal(refusal) => Err(refusal.reason),
        }
    };
    // Another requester's answer looks like none; so does a wrong pseudonym, or a list that was not asked.
    let theirs = Register { pseudonym: pseudonym("tax").await.to_vec().into(), ..good.clone() };
    for (member, request, reason) in [
        ("tax", good.clone(), "not_found"),
        ("tax", theirs.clone(), "not_found"),
        ("procurement", theirs, "not_found"),
        ("procurement", Register { list: "court/debarred".to_owned(), ..good.clone() }, "not_found"),
        (
            "procurement",
            Register { answer: "01KAM2V7Q3ZJ6V6T1V8M3W9R5C".to_owned(), ..good.clone() },
            "not_found",
        ),
        ("procurement", Register { measure: 2, ..good.clone() }, "measure_unknown"),
        ("procurement", Register { measure: 0, ..good.clone() }, "measure_unknown"),
        ("procurement", Register { until_ms: 1, ..good.clone() }, "malformed"),
        ("procurement", Register { until_ms: u64::MAX, ..good.clone() }, "malformed"),
    ] {
        assert_eq!(register(member, request.clone()).await.unwrap().unwrap_err(), reason, "{request:?}");
    }
    for request in [
        Register { decider: String::new(), ..good.clone() },
        Register { decider: "a\nb".to_owned(), ..good.clone() },
        Register { decider: "x".repeat(201), ..good.clone() },
        Register { salt_details: vec![1; 31].into(), ..good.clone() },
        Register { pseudonym: vec![1; 31].into(), ..good.clone() },
        Register { answer: "none".to_owned(), ..good.clone() },
        Register { list: "court".to_owned(), ..good.clone() },
    ] {
        assert_eq!(register("procurement", request).await.unwrap_err().code(), tonic::Code::InvalidArgument);
    }
    // No role but a requester's node calls it.
    let status = register("custodian", good.clone()).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::PermissionDenied);
    assert_eq!(world.logged().await, []);

    let record = register("procurement", good.clone()).await.unwrap().unwrap();
    let again = register("procurement", good.clone()).await.unwrap().unwrap();
    assert_eq!((again.index, &again.record), (record.index, &record.record));
    for other in [
        Register { salt_details: vec![3; 32].into(), ..good.clone() },
        Register { until_ms: 2_000_000_000_000, ..good.clone() },
    ] {
        assert_eq!(register("procurement", other).await.unwrap().unwrap_err(), "conflict");
    }
    let id = Record::parse(&record.record).unwrap().id().to_owned();
    assert_eq!(lift("tax", &id).await.unwrap_err(), "not_found");
    let lifted = lift("procurement", &id).await.unwrap();
    assert_eq!(lift("procurement", &id).await.unwrap().index, lifted.index);
    // The first registration again is a lost answer, not another measure.
    assert_eq!(register("procurement", good.clone()).await.unwrap().unwrap().index, record.index);

    // An answer that is not kept any more carries none.
    let (late, _) = world.ask("procurement", "screening", &me).await;
    world.clock.advance_ms(HOUR_MS + 1);
    let late_request = Register { answer: late.clone(), ..good };
    let mut refused = register("procurement", late_request.clone()).await;
    for _ in 0..50 {
        if refused.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        refused = register("procurement", late_request.clone()).await;
    }
    assert_eq!(refused.unwrap().unwrap_err(), "answer_too_old");
    assert_eq!(world.register(wanted(&late)).await.unwrap_err(), "answer_too_old");
    world.federation.shut_down().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_an_answer_a_measure_is_unconfirmed_and_asked_again_and_a_stated_end_ends_it() {
    let mut world = World::start(1).await;
    let mut rng = seeded_rng([53; 32]);
    let [long, short] = [0; 2].map(|_| generate_uscc(&mut rng));
    let csv = world.federation.records_csv(101, [&long, &short]);
    world.federation.publish(LIST, csv).await.unwrap();
    let (answer, _) = world.ask("procurement", "screening", &long).await;
    let standing = world.register(wanted(&answer)).await.unwrap();
    let (answer, _) = world.ask("procurement", "screening", &short).await;
    let until_ms = world.clock.now().0 + 30 * 60_000;
    let ending = world.register(RegisterMeasureRequest { until_ms, ..wanted(&answer) }).await.unwrap();
    assert_eq!(ending.ask_again_ms, until_ms);

    // The quota of the day allows one question about each.
    world.clock.advance_ms(HOUR_MS + 1);
    let unconfirmed = world.until(&standing.measure_id, |it| it.state == "unconfirmed").await;
    assert_eq!(unconfirmed.said, "quota_subject");
    let counts = world.counts().await;
    assert_eq!((counts.standing, counts.unconfirmed, counts.due), (0, 1, 0));
    let ended = world.until(&ending.measure_id, |it| it.state == "ended").await;
    assert_eq!((ended.ask_again_ms, &ended.said[..]), (0, ""));
    // It is asked again after a restart, on the next day.
    world.federation.kill("procurement");
    world.clock.advance_ms(15 * HOUR_MS);
    world.federation.restart("procurement").await.unwrap();
    let confirmed = world.until(&standing.measure_id, |it| it.state == "standing").await;
    assert_eq!(confirmed.said, "listed");
    // Nobody wrote anything but the two registrations.
    assert_eq!(world.logged().await.len(), 2);
    world.federation.shut_down().await.unwrap();
}
