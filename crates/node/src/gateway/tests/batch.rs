use std::{collections::BTreeMap, time::Duration};

use axum::body::{Body, Bytes};
use futures::{StreamExt as _, stream};
use serde_json::{Value, json};
use tacit_client::Outcome;
use tacit_model::Reason;

use super::support::{Caller, question, request};
use crate::gateway::{
    GatewayLimits,
    testing::{FakeAsker, codes, listed},
};

fn lines(rows: impl IntoIterator<Item = String>) -> String {
    let mut text = question().to_string();
    for row in rows {
        text.push('\n');
        text.push_str(&row);
    }
    text
}

fn by_line(lines: &[Value]) -> BTreeMap<u64, &Value> {
    lines.iter().filter_map(|line| line["line"].as_u64().map(|number| (number, line))).collect()
}

#[tokio::test]
async fn every_row_leaves_one_line_and_bad_ones_are_named() {
    let codes = codes(5);
    let list = "court/defaulters".parse().unwrap();
    let asker = FakeAsker::new()
        .says(&codes[1], Outcome::Answers(vec![crate::gateway::testing::answer(&list, listed())]))
        .says(&codes[2], Outcome::Refused(Reason::QuotaNewSubjects.into()))
        .says(&codes[3], Outcome::NotAnswered(Reason::Unavailable));
    let caller = Caller::new(asker);
    let body = lines([
        json!({"row": 10, "code": codes[0]}).to_string(),
        json!({"row": 11, "code": codes[1]}).to_string(),
        json!({"row": 12, "code": codes[2]}).to_string(),
        json!({"row": 13, "code": codes[3]}).to_string(),
        json!({"code": codes[4]}).to_string(),
        String::new(),
        json!({"row": 15, "code": "913501"}).to_string(),
        "{\"row\": 16, \"code\":".to_owned(),
        json!({"row": 17}).to_string(),
        json!({"row": 18, "code": codes[0], "name": "x"}).to_string(),
        json!({"row": 10, "code": codes[0]}).to_string(),
        json!({"row": 20, "code": "9".repeat(200_000)}).to_string(),
    ]);
    let told = caller.post("/v1/checks/batch", body).await;
    assert_eq!(told.status, 200);
    assert_eq!(told.headers["content-type"], "application/x-ndjson");
    let lines = told.lines();
    let end = &lines.last().unwrap()["end"];
    assert_eq!(
        (
            &end["rows"],
            &end["answered"],
            &end["refused"],
            &end["not_answered"],
            &end["invalid"],
            &end["complete"]
        ),
        (&json!(11), &json!(4), &json!(1), &json!(1), &json!(5), &json!(true))
    );
    assert_eq!(lines.len(), 12);
    let rows = by_line(&lines);
    assert_eq!(rows.keys().copied().collect::<Vec<_>>(), [2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13]);
    assert_eq!(rows[&3]["answers"][0]["answer"], "listed");
    assert_eq!(
        (&rows[&4]["row"], &rows[&4]["problem"]["reason"]),
        (&json!(12), &json!("quota_new_subjects"))
    );
    assert_eq!(rows[&5]["problem"]["reason"], "not_answered");
    assert_eq!(rows[&5]["problem"]["records"].as_array().unwrap().len(), 1);
    assert!(rows[&6]["row"].is_null() && rows[&6]["answers"].is_array());
    assert_eq!((&rows[&8]["row"], &rows[&8]["problem"]["reason"]), (&json!(15), &json!("code_invalid")));
    assert_eq!(rows[&8]["problem"]["message"], "Expected 18 characters, got 6.");
    for (line, field) in [(9, Value::Null), (10, json!("code")), (11, json!("name"))] {
        assert_eq!(
            (&rows[&line]["problem"]["reason"], &rows[&line]["problem"]["field"]),
            (&json!("malformed"), &field)
        );
    }
    assert_eq!(rows[&12]["row"], 10);
    assert_eq!(rows[&13]["problem"]["reason"], "too_large");
    assert!(codes.iter().all(|code| !told.text.contains(code)));
}

#[tokio::test]
async fn a_bad_question_is_refused_before_any_row_is_read() {
    let caller = Caller::new(FakeAsker::new());
    let mut without = question();
    without["case_number"] = json!("");
    for path in ["/v1/checks/batch", "/v1/checks/plan"] {
        caller.post(path, without.to_string()).await.problem(400, "case_required");
        caller.post(path, "").await.problem(400, "malformed");
        caller.post(path, "\n\n").await.problem(400, "malformed");
        caller.post(path, "{\"row\":1}\n").await.problem(400, "malformed");
        caller.post(path, "x".repeat(200_000)).await.problem(413, "too_large");
        let json = request("POST", path, "application/json").body(lines([]).into()).unwrap();
        caller.send(json).await.problem(415, "malformed");
        let named = request("POST", path, "application/jsonl").body(lines([]).into()).unwrap();
        assert_eq!(caller.send(named).await.status, 200);
    }
}

#[tokio::test]
async fn rows_beyond_the_bound_are_reported_and_not_asked() {
    let caller = Caller::with(FakeAsker::new(), GatewayLimits { rows: 2, ..GatewayLimits::default() });
    let body = lines(codes(4).iter().map(|code| json!({"code": code}).to_string()));
    let told = caller.post("/v1/checks/batch", body.clone()).await.lines();
    let rows = by_line(&told);
    assert!(rows[&3]["answers"].is_array());
    assert_eq!(
        (&rows[&4]["problem"]["reason"], &rows[&5]["problem"]["reason"]),
        (&json!("too_many"), &json!("too_many"))
    );
    caller.post("/v1/checks/plan", body).await.problem(413, "too_many");
}

#[tokio::test]
async fn a_plan_counts_and_asks_nobody() {
    let caller = Caller::new(FakeAsker::new());
    let mut rows: Vec<_> = codes(3).iter().map(|code| json!({"code": code}).to_string()).collect();
    rows.push("{}".to_owned());
    let wrong = format!("{}!", &codes(1)[0][..17]);
    rows.push(json!({"row": 7, "code": wrong}).to_string());
    let body = caller.post("/v1/checks/plan", lines(rows)).await.json();
    assert_eq!((&body["checks"], &body["invalid"], &body["new_subjects"]), (&json!(3), &json!(2), &json!(3)));
    let invalid = &body["invalid_rows"];
    assert_eq!((invalid.as_array().map(Vec::len), &invalid[0]["line"]), (Some(2), &json!(5)), "{body}");
    assert_eq!((&invalid[0]["problem"]["field"], &invalid[0]["row"]), (&json!("code"), &Value::Null));
    assert_eq!((&invalid[1]["row"], &invalid[1]["problem"]["reason"]), (&json!(7), &json!("code_invalid")));
    assert!(!body.to_string().contains(&wrong), "a code is not repeated");
    assert_eq!(body["limits"][0]["lists"], json!(["court/defaulters"]));
    assert_eq!(body["limits"][0]["checks_per_minute"], 200);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_answered_as_far_as_it_came() {
    let caller = Caller::new(FakeAsker::new());
    let first = lines([json!({"code": codes(1)[0]}).to_string()]) + "\n";
    let parts = [Ok(first), Err(std::io::Error::other("gone"))];
    let told = caller.post("/v1/checks/batch", Body::from_stream(stream::iter(parts))).await.lines();
    assert!(by_line(&told)[&2]["answers"].is_array());
    let end = &told.last().unwrap()["end"];
    assert_eq!(
        (&end["complete"], &end["problem"]["reason"], &end["answered"]),
        (&json!(false), &json!("malformed"), &json!(1))
    );
}

#[tokio::test]
async fn a_caller_that_falls_silent_gets_its_end() {
    let caller = Caller::with(FakeAsker::new(), GatewayLimits { idle_ms: 100, ..GatewayLimits::default() });
    let first = Ok::<_, std::io::Error>(lines([json!({"code": codes(1)[0]}).to_string()]) + "\n");
    let silent = stream::iter([first]).chain(stream::pending());
    let told = caller.post("/v1/checks/batch", Body::from_stream(silent)).await.lines();
    assert_eq!(told.last().unwrap()["end"]["problem"]["reason"], "deadline");
}

#[tokio::test]
async fn a_node_that_stops_takes_no_further_row_and_says_so() {
    let caller = Caller::new(FakeAsker::new());
    let first = Ok::<_, std::io::Error>(lines([json!({"code": codes(1)[0]}).to_string()]) + "\n");
    let open = stream::iter([first]).chain(stream::pending());
    let (told, ()) = tokio::join!(caller.post("/v1/checks/batch", Body::from_stream(open)), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        caller.stop.send_replace(true);
    });
    let told = told.lines();
    assert!(by_line(&told)[&2]["answers"].is_array());
    assert_eq!(told.last().unwrap()["end"]["problem"]["reason"], "unavailable");
}

#[tokio::test]
async fn one_batch_too_many_is_turned_away_and_a_slot_comes_back() {
    let limits = GatewayLimits { batches: 1, ..GatewayLimits::default() };
    let caller = Caller::with(FakeAsker::new().takes(Duration::from_millis(100)), limits);
    let body = lines(codes(2).iter().map(|code| json!({"code": code}).to_string()));
    let (first, second) = tokio::join!(caller.post("/v1/checks/batch", body.clone()), async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        caller.post("/v1/checks/batch", body.clone()).await
    });
    assert_eq!(first.lines().len(), 3);
    second.problem(503, "overloaded");
    tokio::time::timeout(Duration::from_secs(5), async {
        while caller.app.batches.available_permits() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .unwrap();
    assert_eq!(caller.post("/v1/checks/batch", body).await.status, 200);
}

#[tokio::test]
async fn a_batch_that_waits_for_long_gives_its_slot_back_when_its_caller_is_gone() {
    let limits = GatewayLimits { batches: 1, idle_ms: 200, ..GatewayLimits::default() };
    let caller = Caller::with(FakeAsker::new().takes(Duration::from_secs(600)), limits);
    let body = lines(codes(2).iter().map(|code| json!({"code": code}).to_string()));
    let left = tokio::time::timeout(Duration::from_millis(100), caller.post("/v1/checks/batch", body)).await;
    assert!(left.is_err() && caller.app.batches.available_permits() == 0, "what was asked may still end");
    tokio::time::timeout(Duration::from_secs(5), async {
        while caller.app.batches.available_permits() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .unwrap();
}

/// A hundred thousand rows from a source that is only read as fast as the answers are.
#[tokio::test]
async fn a_long_batch_is_answered_while_it_is_sent() {
    const ROWS: usize = 100_000;
    let caller = Caller::new(FakeAsker::new());
    let code = codes(1)[0].clone();
    let rows = stream::iter(0..ROWS).map(move |row| {
        Ok::<_, std::io::Error>(Bytes::from(format!("{}\n", json!({"row": row, "code": code}))))
    });
    let question = Bytes::from(format!("{}\n", question()));
    let body = Body::from_stream(stream::iter([Ok(question)]).chain(rows));
    let told = caller.post("/v1/checks/batch", body).await;
    assert_eq!(told.text.lines().count(), ROWS + 1);
    let end: Value = serde_json::from_str(told.text.lines().last().unwrap()).unwrap();
    assert_eq!(end["end"]["answered"], ROWS);
}
