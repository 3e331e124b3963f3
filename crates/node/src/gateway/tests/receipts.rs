use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde_json::json;

use super::support::Caller;
use crate::gateway::testing::{FakeAsker, receipts};

#[tokio::test]
async fn receipts_come_page_by_page_and_tell_no_answer() {
    let caller = Caller::new(FakeAsker::new());
    let mut found = Vec::new();
    let mut cursor = String::new();
    loop {
        let body = json!({"limit": 2, "cursor": cursor}).to_string();
        let page = caller.post("/v1/receipts/search", body).await.json();
        found.extend(page["receipts"].as_array().unwrap().clone());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    let due: Vec<_> = receipts().iter().map(|it| it.record.id.to_string()).collect();
    let ids: Vec<_> = found.iter().map(|it| it["record"]["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids, due);
    assert_eq!(
        found[1],
        json!({
            "record": {"id": due[1], "index": 101}, "recorded": "2026-11-21T02:32:10.481Z",
            "lists": ["court/defaulters"], "purpose": "screening", "case_number": "2026-1", "officer": "li.na"
        })
    );
}

#[tokio::test]
async fn receipts_are_found_by_case_officer_list_purpose_and_time() {
    let caller = Caller::new(FakeAsker::new());
    for (search, count) in [
        (json!({}), 5),
        (json!({"case_number": "2026-0"}), 3),
        (json!({"case_number": "2026-9"}), 0),
        (json!({"from": "2026-11-21T02:32:10.481Z", "until": "2026-11-21T02:32:12.481Z"}), 2),
        (json!({"officer": "li.na"}), 5),
        (json!({"officer": "li"}), 0),
        (json!({"list": "court/defaulters", "purpose": "screening"}), 5),
        (json!({"list": "court/others"}), 0),
        (json!({"purpose": "gossip"}), 0),
    ] {
        let page = caller.post("/v1/receipts/search", search.to_string()).await.json();
        assert_eq!(page["receipts"].as_array().unwrap().len(), count, "{search}");
    }
    for (search, field) in [
        (json!({"case_number": "x".repeat(201)}), "case_number"),
        (json!({"from": "yesterday"}), "from"),
        (json!({"until": "2026-11-21"}), "until"),
        (json!({"cursor": "next"}), "cursor"),
        (json!({"limit": 1001}), "limit"),
        (json!({"officer": "x".repeat(201)}), "officer"),
        (json!({"purpose": "x".repeat(201)}), "purpose"),
        (json!({"list": "defaulters"}), "list"),
        (json!({"newest_first": "yes"}), "newest_first"),
        (json!({"subject": "x"}), "subject"),
    ] {
        let told = caller.post("/v1/receipts/search", search.to_string()).await;
        assert_eq!(told.problem(400, "malformed")["field"], field, "{search}");
    }
}

#[tokio::test]
async fn the_newest_receipts_come_first_when_that_is_asked_for() {
    let caller = Caller::new(FakeAsker::new());
    let search = json!({"newest_first": true, "limit": 2});
    let page = caller.post("/v1/receipts/search", search.to_string()).await.json();
    let mut due: Vec<_> = receipts().iter().map(|it| it.record.id.to_string()).collect();
    due.reverse();
    assert_eq!(page["receipts"][1]["record"]["id"], due[1]);
    assert_eq!(page["next_cursor"], due[1]);
    let search = json!({"newest_first": true, "limit": 2, "cursor": due[1]});
    let page = caller.post("/v1/receipts/search", search.to_string()).await.json();
    assert_eq!(page["receipts"][0]["record"]["id"], due[2]);
}

#[tokio::test]
async fn one_receipt_is_handed_out_by_its_record_with_a_warning() {
    let caller = Caller::new(FakeAsker::new());
    let record = receipts()[0].record.id;
    let body = caller.get(&format!("/v1/receipts/{record}")).await.json();
    assert_eq!(BASE64.decode(body["file"].as_str().unwrap()).unwrap(), b"tacit-receipt");
    assert_eq!(body["summary"]["record"]["id"], record.to_string());
    assert!(body["warning"].as_str().unwrap().contains("for the subject, a court or an auditor"));

    caller.get("/v1/receipts/01KAM2V7Q3ZJ6V6T1V8M3W9R5C").await.problem(404, "not_found");
    // No code is one: a record id that cannot be is named, not repeated.
    let told = caller.get("/v1/receipts/01KAM2V7Q3ZJ6V6T1V8M3W9R5!").await;
    assert_eq!(told.problem(400, "malformed")["field"], "record_id");
    caller.get("/v1/receipts/").await.problem(404, "not_found");
    caller.get("/v1/receipts/a/b").await.problem(404, "not_found");
    let told = caller.post(&format!("/v1/receipts/{record}"), "{}").await;
    assert_eq!(told.problem(405, "malformed")["message"], "This address takes GET.");
}
