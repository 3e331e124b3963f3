//! The testkit itself: one call gives a federation that answers, survives a crash, and ends.

// `cfg(test)` tells clippy that helpers without #[test] are tests too.
#![cfg(test)]

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use tacit_ledger::{
    checkpoint::VerifiedCheckpoint, cosignature::CosignatureVerifier, note::NoteVerifier,
    submission::Submission,
};
use tacit_model::{
    entropy::seeded_rng,
    generate::{generate_rid, generate_uscc},
};
use tacit_testkit::{Federation, Options, word};
use tacit_wire::{
    coordinator::{GetCheckpointRequest, GetConsistencyRequest, log_service_client::LogServiceClient},
    gateway::{Question, check_outcome::Outcome, list_answer::Answer},
};
use tonic::{body::Body, client::GrpcService as _, transport::Channel};

const LIST: &str = "court/judgment-defaulters";

fn question() -> Question {
    Question {
        lists: vec![LIST.to_owned()],
        purpose: "screening".to_owned(),
        case_number: "T-1".to_owned(),
        officer: "li".to_owned(),
        scheme: String::new(),
    }
}

async fn is_listed(federation: &Federation, code: &str) -> bool {
    let outcome = federation.ask("procurement", question(), code).await.unwrap();
    match outcome.outcome {
        Some(Outcome::Answers(answers)) => match &answers.lists[0].answer {
            Some(Answer::Listed(_)) => true,
            Some(Answer::NotListed(_)) => false,
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_call_gives_a_federation_that_answers_and_survives_a_crash() {
    let mut federation = Federation::start("procurement", Options::quick()).await.unwrap();
    let mut rng = seeded_rng([3; 32]);
    let codes: Vec<String> = (0..50).map(|_| generate_uscc(&mut rng)).collect();
    federation.publish(LIST, federation.records_csv(101, &codes[..25])).await.unwrap();
    assert!(is_listed(&federation, &codes[3]).await);
    assert!(!is_listed(&federation, &codes[30]).await);

    federation.kill("coordinator");
    federation.restart("coordinator").await.unwrap();
    assert!(is_listed(&federation, &codes[4]).await);

    let log = federation.auditor("auditor-a").unwrap().verify(|_, _| {}).await.unwrap();
    assert_eq!(log.kinds["access"], 3);
    federation.shut_down().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_minimal_sample_answers_too() {
    let federation = Federation::start("minimal", Options::quick()).await.unwrap();
    let code = generate_uscc(&mut seeded_rng([4; 32]));
    federation.publish("registrar/struck-off", federation.records_csv(1, [&code])).await.unwrap();
    let question = Question {
        lists: vec!["registrar/struck-off".to_owned()],
        purpose: "licence-application".to_owned(),
        ..question()
    };
    let outcome = federation.ask("licensing", question, &code).await.unwrap();
    assert!(matches!(outcome.outcome, Some(Outcome::Answers(_))), "{outcome:?}");
}

/// What becomes of questions in the sample `defaulters`: the table of its measures, as far as requesters see it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sample_of_defaulters_answers_whom_law_allows_and_nobody_else() {
    let federation = Federation::start("defaulters", Options::quick()).await.unwrap();
    let mut rng = seeded_rng([5; 32]);
    let [listed, other]: [String; 2] = std::array::from_fn(|_| generate_rid(&mut rng));
    let [trains, flights] = ["railway/refused-passengers", "airline/refused-passengers"];
    for (list, category) in [(LIST, 101), (trains, 501), (flights, 502)] {
        federation.publish(list, federation.records_csv(category, [&listed])).await.unwrap();
    }
    let ask = async |requester: &str, list: &str, purpose: &str, code: &str| {
        let (lists, purpose) = (vec![list.to_owned()], purpose.to_owned());
        let outcome =
            federation.ask(requester, Question { lists, purpose, ..question() }, code).await.unwrap();
        word(&outcome).unwrap().to_owned()
    };
    for (requester, list, purpose, due) in [
        ("railway", LIST, "air-and-soft-sleeper-travel", "listed"),
        ("airline", LIST, "air-and-soft-sleeper-travel", "consent_required"),
        ("police", LIST, "refusal-prosecution", "listed"),
        ("appointments", LIST, "civil-service-recruitment", "listed"),
        // Nobody agreed to what rests on the memorandum alone, and no law makes a school ask.
        ("appointments", LIST, "public-institution-recruitment", "not_permitted"),
        ("city", LIST, "private-school", "not_permitted"),
        ("railway", flights, "ticket-sale", "listed"),
        ("airline", trains, "ticket-sale", "consent_required"),
    ] {
        assert_eq!(ask(requester, list, purpose, &listed).await, due, "{requester}: {purpose}");
    }
    let travel = "air-and-soft-sleeper-travel";
    assert_eq!(ask("railway", LIST, travel, &other).await, "not_listed");
    // An objection stays the record: it is not answered until the objection is decided.
    let (court, list) = (federation.records("court").await.unwrap(), LIST.parse().unwrap());
    for (contested, due) in [(true, "not_listed"), (false, "listed")] {
        court.set_contested(&list, &listed, contested, "judge-3").await.unwrap();
        federation.seal(LIST).await.unwrap();
        assert_eq!(ask("railway", LIST, travel, &listed).await, due, "contested: {contested}");
    }
    federation.shut_down().await.unwrap();
}

async fn add_checkpoint(mut witness: Channel, submission: &Submission) -> (StatusCode, Bytes) {
    std::future::poll_fn(|cx| witness.poll_ready(cx)).await.unwrap();
    let body = Body::new(Full::new(Bytes::from(submission.to_bytes())));
    let response = witness.call(Request::post("/add-checkpoint").body(body).unwrap()).await.unwrap();
    (response.status(), response.into_body().collect().await.unwrap().to_bytes())
}

/// Asks the witness where it stands until a proof from there comes in time, and gives what it answered.
async fn brought(federation: &Federation, member: &str) -> Option<(VerifiedCheckpoint, Bytes)> {
    let coordinator = federation.registry().coordinator().clone();
    let key = federation.registry().member(&coordinator).unwrap().keys.log.unwrap();
    let log_key = NoteVerifier::new(&format!("{coordinator}/log"), key.0).unwrap();
    let mut log = LogServiceClient::new(federation.channel("auditor-a", &coordinator).unwrap());
    let witness = federation.channel("auditor-a", member).unwrap();
    let mut old_size = 0;
    for _ in 0..50 {
        let newest = log.get_checkpoint(GetCheckpointRequest {}).await.unwrap().into_inner().checkpoint;
        let checkpoint = VerifiedCheckpoint::open(&newest, &log_key).unwrap();
        let proof = if old_size == 0 {
            Vec::new()
        } else {
            let asked = GetConsistencyRequest { from_size: old_size, to_size: checkpoint.size() };
            let proof = log.get_consistency(asked).await.unwrap().into_inner().consistency;
            tacit_wire::chunks32("consistency", &proof, 63).unwrap()
        };
        let submission = Submission { old_size, proof, checkpoint: newest.to_vec() };
        match add_checkpoint(witness.clone(), &submission).await {
            (StatusCode::OK, line) => return Some((checkpoint, line)),
            (StatusCode::CONFLICT, newest) => {
                old_size = std::str::from_utf8(&newest).unwrap().trim_end().parse().unwrap();
            }
            _ => return None,
        }
    }
    None
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_witness_takes_checkpoints_over_https() {
    let federation = Federation::start("procurement", Options::quick()).await.unwrap();
    for member in ["court", "tax", "custodian"] {
        let (checkpoint, line) = brought(&federation, member).await.unwrap();
        let entry = federation.registry().member(&member.parse().unwrap()).unwrap();
        let verifier = CosignatureVerifier::new(&format!("{member}/witness"), entry.keys.witness.unwrap().0);
        let line = std::str::from_utf8(&line).unwrap();
        verifier.unwrap().verify_line(&checkpoint, line).unwrap();
    }
    federation.shut_down().await.unwrap();
}
