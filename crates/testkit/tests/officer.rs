//! What an officer's desk learns from the node: with an answer, of a request for consent, and of the node itself.

// `cfg(test)` tells clippy that helpers without #[test] are tests too.
#![cfg(test)]

use serde_json::{Value, json};
use tacit_client::Narrower;
use tacit_desk::conformance::assert_documented;
use tacit_federation::found::OFFICER_APPLICATION;
use tacit_model::{Millis, entropy::seeded_rng, generate::generate_uscc, parse_ulid};
use tacit_node::gateway::openapi;
use tacit_testkit::{Federation, Options};

const LIST: &str = "tax/serious-violations";
const DAY_MS: u64 = 86_400_000;

struct Desk<'f>(&'f Federation);

impl Desk<'_> {
    async fn post(&self, path: &str, body: Value, status: u16) -> Value {
        let desk = self.0.node_desk("procurement", OFFICER_APPLICATION).unwrap();
        let answer = desk.post(path, &body).await.unwrap();
        assert_documented(openapi(), "POST", path, answer.status, &answer.body.to_string());
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
        answer.body
    }

    async fn get(&self, member: &str, path: &str) -> Value {
        let answer = self.0.node_desk(member, OFFICER_APPLICATION).unwrap().get(path).await.unwrap();
        assert_documented(openapi(), "GET", path, answer.status, &answer.body.to_string());
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.body
    }

    /// The one request for consent of this id.
    async fn request(&self, id: &Value) -> Value {
        let found = self.post("/v1/consents/search", json!({ "consent": id }), 200).await;
        assert_eq!(found["requests"].as_array().unwrap().len(), 1, "{found}");
        found["requests"][0].clone()
    }
}

fn time(value: &Value) -> Millis {
    value.as_str().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_officer_asks_for_consent_is_told_when_it_is_given_and_reads_what_an_answer_allows() {
    let federation = Federation::start("procurement", Options::quick()).await.unwrap();
    let mut rng = seeded_rng([7; 32]);
    let [listed, other] = [(); 2].map(|()| generate_uscc(&mut rng));
    federation.publish(LIST, federation.records_csv(201, [&listed])).await.unwrap();
    let desk = Desk(&federation);

    let lists = desk.get("procurement", "/v1/lists").await;
    let list = lists["lists"].as_array().unwrap().iter().find(|it| it["list"] == LIST).unwrap().clone();
    let needs: Vec<_> =
        list["purposes"].as_array().unwrap().iter().map(|it| &it["consent_required"]).collect();
    assert_eq!(needs, [false, true], "{list}");
    assert!(
        list["measures"].as_array().unwrap().iter().all(|it| !it["legal_basis"].as_str().unwrap().is_empty())
    );

    // Without consent nothing is answered; it is asked for here.
    let question = |code: &str, purpose: &str| json!({ "code": code, "lists": [LIST], "purpose": purpose, "case_number": "T-1", "officer": "li" });
    let refused = desk.post("/v1/checks", question(&listed, "vendor-selection"), 200).await;
    assert_eq!(refused["answers"][0]["problem"]["reason"], "consent_required");
    assert_eq!(refused["terms"], json!([]));
    let ask = |code: &str| {
        json!({ "code": code, "lists": [LIST], "purposes": ["vendor-selection"], "days": 90, "frequency": "4 MONTH",
            "officer": "li" })
    };
    let asked = desk.post("/v1/consents", ask(&listed), 200).await["consent"].clone();
    let denied = desk.post("/v1/consents", ask(&other), 200).await["consent"].clone();
    let waits = desk.request(&asked).await;
    assert_eq!(
        (&waits["state"], waits.get("decided"), waits.get("given")),
        (&json!("requested"), None, None)
    );

    let portal = federation.authority("portal").await.unwrap();
    let before = federation.clock().now();
    let request = portal.request(parse_ulid(asked.as_str().unwrap()).unwrap()).await.unwrap();
    let narrower =
        Narrower { expires: Some(before.plus_ms(30 * DAY_MS)), notice: [9; 32], ..Narrower::default() };
    portal.allow(&request, narrower).await.unwrap();
    portal.refuse(parse_ulid(denied.as_str().unwrap()).unwrap()).await.unwrap();
    let given = desk.request(&asked).await;
    assert_eq!(given["state"], "given");
    assert!(time(&given["decided"]) >= before && time(&given["decided"]) >= time(&given["requested"]));
    assert_eq!(given["given"]["lists"], json!([LIST]));
    assert_eq!(time(&given["given"]["expires"]), before.plus_ms(30 * DAY_MS));
    let denied = desk.request(&denied).await;
    assert_eq!((&denied["state"], denied.get("given")), (&json!("refused"), None));
    assert!(time(&denied["decided"]) >= before);

    // What is allowed on an answer is what its agreement says: under consent, nothing.
    let answer = desk.post("/v1/checks", question(&listed.to_lowercase(), "vendor-selection"), 200).await;
    assert_eq!((&answer["read_as"], &answer["answers"][0]["answer"]), (&json!(listed), &json!("listed")));
    let terms = &answer["terms"][0];
    assert_eq!((&terms["list"], &terms["measures"]), (&json!(LIST), &json!([])));
    let as_of = time(&answer["answers"][0]["as_of"]);
    assert_eq!(time(&terms["usable_until"]), as_of.plus_ms(7 * DAY_MS));
    let purpose = "public-procurement-eligibility";
    let answer = desk.post("/v1/checks", question(&listed, purpose), 200).await;
    let terms = &answer["terms"][0];
    let named: Vec<_> = terms["measures"].as_array().unwrap().iter().map(|it| &it["title"]).collect();
    assert!(!named.is_empty() && terms["measures"][0]["measure"] == 1, "{terms}");
    let as_of = time(&answer["answers"][0]["as_of"]);
    assert_eq!(time(&terms["usable_until"]), as_of.plus_ms(30 * DAY_MS));
    // The measure that was named can be registered under that number.
    let record = &answer["answers"][0]["record"]["id"];
    let register = json!({ "record": record, "measure": 1, "decider": "head of the tender office" });
    let registered = desk.post("/v1/measures", register, 200).await;
    assert_eq!(
        (&registered["measure"]["words"], &registered["measure"]["agreement"]),
        (named[0], &terms["agreement"])
    );
    // Nothing rests on an answer that does not name the subject.
    let answer = desk.post("/v1/checks", question(&other, purpose), 200).await;
    assert_eq!(
        (&answer["answers"][0]["answer"], &answer["terms"][0]["measures"]),
        (&json!("not_listed"), &json!([]))
    );

    let status = desk.get("procurement", "/v1/status").await;
    assert!(
        status["quorum"]["log_size"].as_u64().unwrap() > 0 && status.get("stopped").is_none(),
        "{status}"
    );
    assert!(status["letters_waiting"].is_u64() && status["measures"]["standing"] == 1, "{status}");
    let status = desk.get("tax", "/v1/status").await;
    let held = status["held"].as_array().unwrap();
    let sealed = |list: &str| held.iter().find(|it| it["list"] == list).unwrap().get("sealed_at").cloned();
    assert!(time(&sealed(LIST).unwrap()) <= federation.clock().now());
    assert_eq!(sealed("tax/trusted-taxpayers"), None, "{status}");
    // Who only keeps lists has a desk too, and no list to ask.
    assert_eq!(desk.get("court", "/v1/lists").await["lists"], json!([]));
    assert_eq!(desk.get("court", "/v1/status").await["member"], "court");
    federation.shut_down().await.unwrap();
}
