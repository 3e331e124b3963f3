//! Lenders, employers, landlords and business partners: under private law, and so never without the consent of whom they
//! ask about, who sees each question.

// `cfg(test)` tells clippy that helpers without #[test] are tests too.
#![cfg(test)]

use serde_json::{Value, json};
use tacit_client::Grant;
use tacit_federation::desk::DeskClient;
use tacit_model::{Millis, SubjectCode, entropy::seeded_rng, generate::generate_uscc};
use tacit_policy::{ConsentState, Frequency, Unit};
use tacit_testkit::{Federation, Options, word};
use tacit_wire::gateway::{CheckOutcome, Question};

const LIST: &str = "court/judgment-defaulters";

fn question(purpose: &str) -> Question {
    Question {
        lists: vec![LIST.to_owned()],
        purpose: purpose.to_owned(),
        case_number: "APPLICATION-1".to_owned(),
        officer: "li".to_owned(),
        scheme: String::new(),
    }
}

/// What became of a question: the answer, or the word of the refusal.
fn said(outcome: CheckOutcome) -> String {
    word(&outcome).unwrap().to_owned()
}

async fn allow(federation: &Federation, requester: &str, purpose: &str, code: &str) -> tacit_model::Ulid {
    let portal = federation.authority("portal").await.unwrap();
    let subject: SubjectCode = federation.registry().schemes().parse("CN-USCC", code).unwrap().subject;
    let now = federation.clock().now();
    let grant = Grant {
        requester: requester.parse().unwrap(),
        lists: vec![LIST.parse().unwrap()],
        purposes: vec![purpose.parse().unwrap()],
        not_before: Millis(now.0 - 1000),
        expires: now.plus_ms(30 * 86_400_000),
        frequency: Frequency::new(4, Unit::Month).unwrap(),
        notice: [5; 32],
    };
    portal.grant(grant, &subject).await.unwrap().id
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_private_member_needs_consent_whatever_its_agreement_says() {
    let federation = Federation::start("credit-reference", Options::quick()).await.unwrap();
    let mut rng = seeded_rng([3; 32]);
    let codes: Vec<String> = (0..4).map(|_| generate_uscc(&mut rng)).collect();
    federation.publish(LIST, federation.records_csv(101, &codes[..2])).await.unwrap();
    for agreement in federation.registry().agreements() {
        assert!(!agreement.consent_required, "the agreement alone would do");
    }
    let asks = [
        ("lender", "loan-application"),
        ("employer", "job-application"),
        ("landlord", "lease-application"),
        ("enterprise", "partner-selection"),
        ("guild", "loan-application"),
    ];
    for (requester, purpose) in asks {
        let ask =
            async |code: &String| said(federation.ask(requester, question(purpose), code).await.unwrap());
        for code in [&codes[0], &codes[2]] {
            assert_eq!(ask(code).await, "consent_required", "{requester}");
        }
        let consent = allow(&federation, requester, purpose, &codes[0]).await;
        allow(&federation, requester, purpose, &codes[2]).await;
        assert_eq!(ask(&codes[0]).await, "listed", "{requester}");
        assert_eq!(ask(&codes[2]).await, "not_listed", "{requester}");
        // Nobody else's consent will do, and no other purpose.
        assert_eq!(ask(&codes[1]).await, "consent_required", "{requester}");
        let portal = federation.authority("portal").await.unwrap();
        assert_eq!(portal.show(consent).await.unwrap().uses, 1);
        portal.change(consent, ConsentState::Withdrawn).await.unwrap();
        assert_eq!(ask(&codes[0]).await, "consent_required", "{requester}");
    }
    let other = federation.ask("lender", question("job-application"), &codes[0]).await.unwrap();
    assert_eq!(said(other), "not_permitted");
    federation.shut_down().await.unwrap();
}

async fn post(desk: &DeskClient, path: &str, body: &Value) -> Value {
    let answer = desk.post(path, body).await.unwrap();
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    answer.body
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_sees_what_a_landlord_asked_and_looks_at_the_list_without_asking_anybody() {
    let federation = Federation::start("credit-reference", Options::quick().reading_ms(1000)).await.unwrap();
    let code = generate_uscc(&mut seeded_rng([5; 32]));
    federation.publish(LIST, federation.records_csv(101, [&code])).await.unwrap();
    let desk = federation.desk("portal").unwrap();
    let tenant = json!({ "scheme": "CN-USCC", "code": code });
    post(&desk, "/v1/users", &tenant).await;

    let ask = async || said(federation.ask("landlord", question("lease-application"), &code).await.unwrap());
    assert_eq!(ask().await, "consent_required");
    allow(&federation, "landlord", "lease-application", &code).await;
    assert_eq!(ask().await, "listed");
    // Their own report: no consent, no fee, as often as they like.
    for _ in 0..3 {
        let own = post(&desk, "/v1/checks", &json!({ "code": code, "list": LIST })).await;
        assert_eq!(own["answer"], "listed", "{own}");
    }

    federation.read_anew("portal").await.unwrap();
    let found = post(&desk, "/v1/findUsage", &tenant).await;
    let usage = found["usage"].as_array().unwrap();
    let seen: Vec<_> =
        usage.iter().map(|it| (it["receiver"].as_str().unwrap(), it["outcome"].as_str().unwrap())).collect();
    let due = [
        ("portal", "permitted"),
        ("portal", "permitted"),
        ("portal", "permitted"),
        ("landlord", "permitted"),
        ("landlord", "consent_given"),
        ("landlord", "refused"),
    ];
    assert_eq!(seen, due, "{found:#}");
    assert!(usage.iter().all(|it| it["proof"] == "verified"));
    assert_eq!(usage[3]["purpose"]["id"], "lease-application");
    assert_eq!(usage[3]["lists"][0]["id"], LIST);
    assert_eq!(
        (&usage[5]["reason"], &usage[5]["exact_reason"]),
        (&json!("consent_required"), &json!("consent_missing"))
    );
    federation.shut_down().await.unwrap();
}
