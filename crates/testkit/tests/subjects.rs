//! What a person gets to know: checks by others, refused attempts, consents and their own checks, from the store of the
//! authority that reads the log for all of its users together.

#![cfg(test)]

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};
use tacit_client::{Grant, Receipt};
use tacit_desk::conformance::assert_documented;
use tacit_federation::{
    desk::{DeskAnswer, DeskClient},
    sample::SampleAgreement,
};
use tacit_ledger::{
    checkpoint::VerifiedCheckpoint,
    merkle::leaf_hash,
    note::NoteVerifier,
    record::{Audit, Record},
};
use tacit_model::{Millis, entropy::seeded_rng, generate::generate_uscc};
use tacit_policy::{ConsentState, registry::entry::Role};
use tacit_testkit::{Federation, Options};
use tacit_wire::gateway::{CheckOutcome, Question, check_outcome::Outcome, list_answer::Answer};
use zeroize::Zeroizing;

const COURT: &str = "court/judgment-defaulters";
const TAX: &str = "tax/serious-violations";

/// Two authorities beside each other, each reading every second or so.
async fn federation() -> Federation {
    let options = Options::quick().reading_ms(1000).change(|sample| {
        let portal = sample.member.iter().find(|it| it.has(Role::Authority)).unwrap().clone();
        let second = tacit_federation::sample::SampleMember { id: "chamber".parse().unwrap(), ..portal };
        sample.member.push(second);
        let is_ours = |it: &&SampleAgreement| *it.requester == *"portal" && *it.holder == *"court";
        let agreement = sample.agreement.iter().find(is_ours).unwrap().clone();
        sample.agreement.push(SampleAgreement { requester: "chamber".parse().unwrap(), ..agreement });
    });
    Federation::start("procurement", options).await.unwrap()
}

fn question(list: &str, purpose: &str) -> Question {
    Question {
        lists: vec![list.to_owned()],
        purpose: purpose.to_owned(),
        case_number: "T-1".to_owned(),
        officer: "li".to_owned(),
        scheme: String::new(),
    }
}

fn refused(outcome: &CheckOutcome) -> String {
    let answers = match &outcome.outcome {
        Some(Outcome::Answers(answers)) => answers,
        Some(Outcome::Refusal(refusal)) => return refusal.reason.clone(),
        other => panic!("{other:?}"),
    };
    match &answers.lists[0].answer {
        Some(Answer::Refusal(refusal)) => refusal.reason.clone(),
        other => panic!("{other:?}"),
    }
}

fn person(code: &str) -> Value {
    json!({ "scheme": "CN-USCC", "code": code })
}

/// POST; the answer is one that the interface's document promises.
async fn post(desk: &DeskClient, path: &str, body: &Value) -> DeskAnswer {
    let answer = desk.post(path, body).await.unwrap();
    assert_documented(tacit_authority::openapi(), "POST", path, answer.status, &answer.body.to_string());
    answer
}

/// GET, in the same way.
async fn get(desk: &DeskClient, path: &str) -> DeskAnswer {
    let answer = desk.get(path).await.unwrap();
    assert_documented(tacit_authority::openapi(), "GET", path, answer.status, &answer.body.to_string());
    answer
}

async fn ask(desk: &DeskClient, path: &str, body: &Value) -> Value {
    let DeskAnswer { status, body } = post(desk, path, body).await;
    assert_eq!(status, 200, "{path}: {body}");
    body
}

async fn heartbeat(desk: &DeskClient) -> Value {
    get(desk, "/v1/heartbeat").await.body
}

fn outcomes(answer: &Value) -> Vec<(String, String)> {
    let of = |usage: &Value| {
        let text = |field: &str| usage[field].as_str().unwrap().to_owned();
        (text("receiver"), text("outcome"))
    };
    answer["usage"].as_array().unwrap().iter().map(of).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_reading_the_person_sees_everything_with_proofs_and_nobody_else_does() {
    let federation = federation().await;
    let mut rng = seeded_rng([31; 32]);
    let codes: Vec<String> = (0..4).map(|_| generate_uscc(&mut rng)).collect();
    let me = &codes[0];
    federation.publish(COURT, federation.records_csv(101, &codes[..1])).await.unwrap();
    federation.publish(TAX, federation.records_csv(201, &codes[1..2])).await.unwrap();
    let (portal, chamber) = (federation.desk("portal").unwrap(), federation.desk("chamber").unwrap());
    let new = ask(&portal, "/v1/users", &person(me)).await;
    assert_eq!((new["new"].clone(), new["as_of"].clone()), (json!(true), Value::Null));

    // Permitted; refused for want of consent; allowed by consent; withdrawn; refused.
    let authority = federation.authority("portal").await.unwrap();
    let subject = authority.registry().schemes().parse("CN-USCC", me).unwrap().subject;
    federation.ask("procurement", question(COURT, "screening"), me).await.unwrap();
    let outcome = federation.ask("procurement", question(TAX, "vendor-selection"), me).await.unwrap();
    assert_eq!(refused(&outcome), "consent_required");
    let now = federation.clock().now();
    let grant = Grant {
        requester: "procurement".parse().unwrap(),
        lists: vec![TAX.parse().unwrap()],
        purposes: vec!["vendor-selection".parse().unwrap()],
        not_before: now,
        expires: now.plus_ms(86_400_000),
        frequency: "5 DAY".parse().unwrap(),
        notice: [1; 32],
    };
    let given = authority.grant(grant, &subject).await.unwrap();
    federation.ask("procurement", question(TAX, "vendor-selection"), me).await.unwrap();
    authority.change(given.id, ConsentState::Withdrawn).await.unwrap();
    // Their own check: listed, with a receipt.
    let own = ask(&portal, "/v1/checks", &json!({ "code": me, "list": COURT })).await;
    assert_eq!(own["answer"], "listed", "{own}");
    assert_eq!(own["notice"], "An answer is not a decision.");
    let own_record = own["record_id"].as_str().unwrap();

    federation.read_anew("portal").await.unwrap();
    let found = ask(&portal, "/v1/findUsage", &person(me)).await;
    let due = [
        ("portal", "permitted"),
        ("procurement", "consent_withdrawn"),
        ("procurement", "permitted"),
        ("procurement", "consent_given"),
        ("procurement", "refused"),
        ("procurement", "permitted"),
    ];
    let due: Vec<_> = due.map(|(who, what)| (who.to_owned(), what.to_owned())).to_vec();
    assert_eq!(outcomes(&found), due, "{found:#}");
    let usage = found["usage"].as_array().unwrap();
    assert!(usage.iter().all(|it| it["proof"] == "verified"));
    assert_eq!(usage[0]["record"]["id"], *own_record);
    assert_eq!(usage[0]["purpose"]["id"], "subject-access");
    assert!(usage[1]["note"].as_str().unwrap().contains("given before stay"), "{}", usage[1]);
    assert_eq!(usage[2]["basis"], format!("consent:{}", given.id));
    let refusal = &usage[4];
    assert_eq!((&refusal["reason"], &refusal["lists"][0]["id"]), (&json!("consent_required"), &json!(TAX)));
    assert!(
        !refusal["exact_reason"].as_str().unwrap().is_empty()
            && !refusal["rules"].as_array().unwrap().is_empty()
    );
    assert!(usage[5]["legal_basis"]["citation"].as_str().is_some_and(|it| !it.is_empty()));
    assert_eq!((&found["not_read_yet"], &found["findings"]), (&json!([]), &json!([])));

    // Pages and periods, as in the data tracker: entries are numbered from 1.
    let mut page = person(me);
    (page["offset"], page["limit"]) = (json!(3), json!(2));
    let paged = ask(&portal, "/v1/findUsage", &page).await;
    assert_eq!((outcomes(&paged), &paged["total"]), (due[2..4].to_vec(), &json!(6)));
    let mut period = person(me);
    (period["from"], period["until"]) = (usage[4]["logtime"].clone(), usage[2]["logtime"].clone());
    assert_eq!(outcomes(&ask(&portal, "/v1/findUsage", &period).await), due[3..5]);
    let ends = ask(&portal, "/v1/usagePeriod", &person(me)).await;
    assert_eq!((&ends["earliest"], &ends["latest"]), (&usage[5]["logtime"], &usage[0]["logtime"]));
    for (field, value) in [("offset", json!(0)), ("limit", json!(1001)), ("from", json!("yesterday"))] {
        let mut wrong = person(me);
        wrong[field] = value;
        let answer = post(&portal, "/v1/findUsage", &wrong).await;
        assert_eq!((answer.status, &answer.body["field"]), (400, &json!(field)));
    }

    // One entry with its proof, verified with the log's key alone.
    let mut prove = person(me);
    prove["record_id"] = refusal["record"]["id"].clone();
    let proven = ask(&portal, "/v1/proofs", &prove).await["proof"].clone();
    verify(&federation, &proven);
    // The receipt of the own check, verified by nobody's word.
    let receipt = get(&portal, &format!("/v1/receipts/{own_record}")).await;
    let file = base64_of(&receipt.body["file"]);
    let receipt = Receipt::from_bytes(&file).unwrap();
    assert_eq!(Record::parse(receipt.record()).unwrap().id(), own_record);

    // Somebody else's log is empty; another authority sees nothing of its neighbor's users.
    assert_eq!(ask(&portal, "/v1/findUsage", &person(&codes[2])).await["total"], 0);
    federation.read_anew("chamber").await.unwrap();
    let theirs = heartbeat(&chamber).await;
    assert_eq!((&theirs["users"], &theirs["chains"]), (&json!(0), &json!(0)));
    let none = get(&chamber, &format!("/v1/receipts/{own_record}")).await;
    assert_eq!((none.status, &none.body["reason"]), (404, &json!("not_found")));
    // And neither ends a consent of the other, nor erases a chain with one.
    let other = federation.authority("chamber").await.unwrap();
    assert!(other.change(given.id, ConsentState::Withdrawn).await.is_err());
    let theirs = other.pseudonyms(&"procurement".parse().unwrap(), &[subject]).await.unwrap();
    let erased = other.chains().erase(&theirs[0].pseudonym, "objection").await.unwrap_err();
    assert_eq!(erased.reason().as_str(), "not_permitted");

    // A list without an agreement says so; nobody without a token learns anything.
    let refused = post(&chamber, "/v1/checks", &json!({ "code": me, "list": TAX })).await;
    assert_eq!((refused.status, &refused.body["reason"]), (403, &json!("not_permitted")), "{}", refused.body);
    assert!(refused.body["message"].as_str().unwrap().contains("no agreement"));
    let at = federation.desk_at("portal").unwrap();
    for token in ["", &"0".repeat(64)] {
        let stranger = DeskClient::new(at, Zeroizing::new(token.to_owned()));
        for path in ["/v1/findUsage", "/v1/users", "/v1/checks", "/v1/nothing"] {
            let answer = post(&stranger, path, &person(me)).await;
            assert_eq!((answer.status, &answer.body["reason"]), (401, &json!("unauthenticated")), "{path}");
        }
    }

    // What a wrong call gets is documented too, and so is the interface, for anybody on this machine.
    for (path, body, status, reason) in [
        ("/v1/users", json!({ "scheme": "CN-USCC", "code": "1" }), 422, "code_invalid"),
        ("/v1/users", json!({ "scheme": "none", "code": me }), 422, "code_scheme_unknown"),
        ("/v1/checks", json!({ "code": me, "list": "court" }), 400, "malformed"),
        ("/v1/checks", json!({ "code": me, "list": "court/nothing" }), 422, "unknown_list"),
        ("/v1/proofs", json!({ "scheme": "CN-USCC", "code": me, "record_id": "none" }), 404, "not_found"),
        ("/v1/findUsage", json!({ "scheme": "CN-USCC", "code": "1".repeat(70_000) }), 413, "too_large"),
        ("/v1/heartbeat", json!({}), 405, "malformed"),
        ("/v1/nothing", json!({}), 404, "not_found"),
    ] {
        let answer = post(&portal, path, &body).await;
        assert_eq!(
            (answer.status, &answer.body["reason"]),
            (status, &json!(reason)),
            "{path}: {}",
            answer.body
        );
    }
    let stranger = DeskClient::new(at, Zeroizing::new(String::new()));
    let document = get(&stranger, "/v1/openapi.json").await;
    assert_eq!(document.body, serde_json::from_str::<Value>(tacit_authority::openapi()).unwrap());
    assert_eq!(get(&stranger, "/healthz").await.body, json!({ "status": "ok" }));

    // In the public log: how many pseudonyms each authority read, and had evaluated. Never which.
    let mut reads: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for record in records(&federation).await {
        if let Record::Audit(Audit { reader, pseudonyms, .. }) = record {
            reads.entry(reader).or_default().push(pseudonyms);
        }
    }
    // One user and then two, for each of the four members that ask and the court, which may write; the chamber had none.
    let asking = 5;
    assert!(reads["portal"].iter().all(|count| [asking, 2 * asking].contains(count)), "{reads:?}");
    assert_eq!(reads.keys().collect::<Vec<_>>(), ["portal"]);
    federation.shut_down().await.unwrap();
}

fn base64_of(value: &Value) -> Vec<u8> {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    STANDARD.decode(value.as_str().unwrap()).unwrap()
}

/// The record is in the log under the checkpoint, which the log's key signed, and is about the pseudonym.
fn verify(federation: &Federation, proof: &Value) {
    let hash = |value: &Value| -> [u8; 32] {
        let text = value.as_str().unwrap();
        std::array::from_fn(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap())
    };
    let array = |value: &Value| -> [u8; 32] { base64_of(value).try_into().unwrap() };
    let coordinator = federation.registry().coordinator();
    let key = federation.registry().member(coordinator).unwrap().keys.log.unwrap();
    let key = NoteVerifier::new(&format!("{coordinator}/log"), key.0).unwrap();
    let checkpoint =
        VerifiedCheckpoint::open(proof["checkpoint"].as_str().unwrap().as_bytes(), &key).unwrap();
    let record = proof["record"].as_str().unwrap().as_bytes();
    let path: Vec<_> = proof["inclusion"].as_array().unwrap().iter().map(hash).collect();
    checkpoint.verify_inclusion(&leaf_hash(record), proof["index"].as_u64().unwrap(), &path).unwrap();
    let Record::Refused(record) = Record::parse(record).unwrap() else { panic!() };
    let opened = tacit_blind::commit::subject(
        &array(&proof["salt"]),
        &array(&proof["pseudonym"]),
        proof["sequence"].as_u64().unwrap(),
        &hash(&proof["previous"]),
    );
    assert_eq!(opened, record.subject);
}

async fn records(federation: &Federation) -> Vec<Record> {
    let reader = federation.auditor("auditor-a").unwrap();
    let size = reader.checkpoint().await.unwrap().size();
    let mut records = Vec::new();
    let read = reader.entries(0, size, |entry| {
        records.push(entry.record.unwrap());
        Ok::<_, tacit_client::ClientError>(())
    });
    read.await.unwrap();
    records
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_authority_that_was_stopped_tells_what_it_has_and_reads_on() {
    let mut federation = Federation::start("procurement", Options::quick().reading_ms(1000)).await.unwrap();
    let code = generate_uscc(&mut seeded_rng([32; 32]));
    federation.publish(COURT, federation.records_csv(101, [&code])).await.unwrap();
    let portal = federation.desk("portal").unwrap();
    ask(&portal, "/v1/users", &person(&code)).await;
    federation.ask("procurement", question(COURT, "screening"), &code).await.unwrap();
    federation.read_anew("portal").await.unwrap();
    assert_eq!(ask(&portal, "/v1/findUsage", &person(&code)).await["total"], 1);
    // Without the coordinator it starts and tells what it has, and says that it is old.
    federation.kill("portal");
    federation.stop("coordinator").await.unwrap();
    federation.restart("portal").await.unwrap();
    let portal = federation.desk("portal").unwrap();
    let before = ask(&portal, "/v1/findUsage", &person(&code)).await;
    assert_eq!(before["total"], 1);
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert_eq!(heartbeat(&portal).await["status"], "LATE");
    federation.restart("coordinator").await.unwrap();
    federation.ask("procurement", question(COURT, "screening"), &code).await.unwrap();
    federation.read_anew("portal").await.unwrap();
    let after = ask(&portal, "/v1/findUsage", &person(&code)).await;
    assert_eq!(after["total"], 2);
    assert!(after["as_of"].as_str() > before["as_of"].as_str());
    assert_eq!(heartbeat(&portal).await["status"], "OK");
    let _: Millis = after["as_of"].as_str().unwrap().parse().unwrap();
    federation.shut_down().await.unwrap();
}
