//! The testkit itself: one call gives a federation that answers, survives a crash, and ends.

// `cfg(test)` tells clippy that helpers without #[test] are tests too.
#![cfg(test)]

use tacit_model::{entropy::seeded_rng, generate::generate_uscc};
use tacit_testkit::{Federation, Options};
use tacit_wire::gateway::{Question, check_outcome::Outcome, list_answer::Answer};

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
