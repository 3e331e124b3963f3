use serde_json::{Value, json};

use super::support::Caller;
use crate::gateway::testing::{FakeAsker, codes, measure, receipts};

/// A good registration, with one field changed.
fn with(field: &str, value: Value) -> String {
    let mut body = json!({
        "record": receipts()[0].record.id.to_string(), "measure": 1, "decider": "head of office"
    });
    body[field] = value;
    body.to_string()
}

#[tokio::test]
async fn a_measure_is_registered_lifted_and_listed_without_code_and_answer() {
    let caller = Caller::new(FakeAsker::new());
    let until = "2027-11-22T00:00:00.000Z";
    let told = caller.post("/v1/measures", with("until", json!(until))).await;
    assert_eq!(told.status, 200, "{}", told.text);
    let body = told.json();
    assert!(body["notice"].as_str().unwrap().starts_with("An answer is not a decision"));
    let one = &body["measure"];
    assert_eq!((&one["state"], &one["until"]), (&json!("standing"), &json!(until)));
    assert_eq!((&one["decider"], &one["registration"]["index"]), (&json!("head of office"), &json!(41_950)));
    assert!(one.get("lift_by").is_none() && !told.text.contains(&codes(1)[0]));

    let id = measure().registered.unwrap().record.id;
    let decider = json!({ "decider": "the deputy" }).to_string();
    let lifted = caller.post(&format!("/v1/measures/{id}/lift"), decider.clone()).await.json();
    assert_eq!(lifted["measure"]["state"], "lifted");
    let none = "/v1/measures/01KAM2V7Q3ZJ6V6T1V8M3W9R5C/lift";
    caller.post(none, decider.clone()).await.problem(404, "not_found");
    caller.post("/v1/measures/none/lift", decider).await.problem(400, "malformed");
    caller.post(&format!("/v1/measures/{id}/lift"), "{}").await.problem(400, "malformed");

    for (search, count) in [(json!({}), 1), (json!({ "all": true }), 2)] {
        let found = caller.post("/v1/measures/search", search.to_string()).await.json();
        assert_eq!(found["measures"].as_array().unwrap().len(), count, "{search}");
    }
    let status = caller.get("/v1/status").await.json();
    assert_eq!(status["measures"], json!({ "standing": 3, "unconfirmed": 1, "due": 2, "overdue": 1 }));
}

#[tokio::test]
async fn a_measure_that_names_nothing_or_too_much_is_refused_by_its_field() {
    let caller = Caller::new(FakeAsker::new());
    for (field, value) in [
        ("record", json!("none")),
        ("list", json!("court")),
        ("measure", json!(0)),
        ("until", json!("2027-11-22")),
        ("until", json!("2026-11-21T02:32:09.481Z")),
        ("until", json!("2226-11-21T02:32:09.481Z")),
        ("decider", json!("")),
        ("decider", json!("a\nb")),
        ("decider", json!("x".repeat(201))),
        ("code", json!("x")),
    ] {
        let told = caller.post("/v1/measures", with(field, value.clone())).await;
        assert_eq!(told.problem(400, "malformed")["field"], field, "{value}");
    }
    let other = with("record", json!("01KAM2V7Q3ZJ6V6T1V8M3W9R5C"));
    caller.post("/v1/measures", other).await.problem(422, "answer_not_listed");
    for search in [json!({ "limit": 1001 }), json!({ "cursor": "next" }), json!({ "code": "x" })] {
        caller.post("/v1/measures/search", search.to_string()).await.problem(400, "malformed");
    }
}
