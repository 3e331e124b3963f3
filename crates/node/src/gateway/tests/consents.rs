use serde_json::{Value, json};

use super::support::Caller;
use crate::gateway::testing::{FakeAsker, codes};

/// A good request, with one field changed.
fn ask_with(field: &str, value: Value) -> String {
    let mut body = json!({
        "code": codes(1)[0], "lists": ["court/sealed"], "purposes": ["screening"], "days": 30,
        "frequency": "4 MONTH", "officer": "li.na"
    });
    body[field] = value;
    body.to_string()
}

#[tokio::test]
async fn a_request_for_consent_waits_and_is_found_again() {
    let caller = Caller::new(FakeAsker::new());
    let asked = caller.post("/v1/consents", ask_with("days", json!(30))).await;
    assert_eq!(asked.status, 200, "{}", asked.text);
    let asked = asked.json();
    assert_eq!((&asked["authority"], &asked["record"]["index"]), (&json!("portal"), &json!(41_900)));
    assert!(!asked.to_string().contains(&codes(1)[0]));
    let found = caller.post("/v1/consents/search", "{}").await.json();
    assert_eq!(found["requests"].as_array().unwrap().len(), 1);
    let one = &found["requests"][0];
    assert_eq!((&one["consent"], &one["state"]), (&asked["consent"], &json!("requested")));
    assert_eq!(one["meaning"], "The subject has not decided.");
    assert!(one.get("given").is_none());
    let by_id = |id: &Value| json!({ "consent": id }).to_string();
    let found = caller.post("/v1/consents/search", by_id(&asked["consent"])).await.json();
    assert_eq!(found["requests"], json!([one]));
    let other = by_id(&json!("01KAM2V7Q3ZJ6V6T1V8M3W9R5C"));
    assert_eq!(caller.post("/v1/consents/search", other).await.json()["requests"], json!([]));
    let of = json!({"code": codes(1)[0]}).to_string();
    let found = caller.post("/v1/consents/search", of).await.json();
    assert_eq!(found["requests"], json!([]));
}

#[tokio::test]
async fn a_request_for_consent_that_names_nothing_or_too_much_is_refused_by_its_field() {
    let caller = Caller::new(FakeAsker::new());
    for (field, value, status, reason) in [
        ("code", json!("91350100M000100Y44"), 422, "code_invalid"),
        ("lists", json!([]), 400, "malformed"),
        ("lists", json!(["court/none"]), 422, "unknown_list"),
        ("lists", json!(["court/*"]), 400, "malformed"),
        ("purposes", json!([]), 400, "purpose_required"),
        ("purposes", json!(["gossip"]), 422, "unknown_purpose"),
        ("days", json!(0), 400, "malformed"),
        ("days", json!(3661), 400, "malformed"),
        ("frequency", json!("often"), 400, "malformed"),
        ("officer", json!(""), 400, "malformed"),
        ("authority", json!("The Portal"), 400, "malformed"),
        ("surprise", json!(1), 400, "malformed"),
    ] {
        let told = caller.post("/v1/consents", ask_with(field, value.clone())).await;
        let body = told.problem(status, reason);
        assert!(
            body["field"].as_str().is_none_or(|named| named.starts_with(field)),
            "{field} {value}: {body}"
        );
    }
    caller.post("/v1/consents/search", json!({"code": "x"}).to_string()).await.problem(422, "code_invalid");
    let told = caller.post("/v1/consents/search", json!({"consent": "x"}).to_string()).await;
    assert_eq!(told.problem(400, "malformed")["field"], "consent");
}
