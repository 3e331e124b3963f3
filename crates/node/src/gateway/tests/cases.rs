use std::sync::Arc;

use serde_json::{Value, json};
use tacit_model::{ManualClock, Millis, Ulid};
use tacit_policy::letter::Level;
use tempfile::TempDir;

use super::support::{Caller, as_officer};
use crate::{
    gateway::testing::{FakeAsker, NOW, codes, registry},
    redress::testing,
};

const DAY_MS: u64 = 86_400_000;
const NONE: &str = "01KAM2V7Q3ZJ6V6T1V8M3W9R5C";

/// The court with one objection that came three weeks ago and one that came today.
struct Scene {
    caller: Caller,
    overdue: Ulid,
    today: Ulid,
    _folder: TempDir,
}

impl Scene {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let now: Millis = NOW.parse().unwrap();
        let clock = ManualClock::new(now);
        let redress = testing::redress(folder.path(), Arc::new(registry()), "court", &clock).await;
        let code = &codes(1)[0];
        let old = Millis(now.0 - 21 * DAY_MS);
        let overdue = redress.begun(Level::First, "court/defaulters", code, old, false).await;
        let today = redress.begun(Level::First, "court/sealed", code, now, false).await;
        redress.begun(Level::First, "court/sealed", code, now, true).await;
        let caller = Caller::with_cases(FakeAsker::new().at("court"), redress);
        Self { caller, overdue, today, _folder: folder }
    }

    async fn post(&self, path: &str, body: Value) -> super::support::Told {
        self.caller.send(as_officer("POST", path, &body)).await
    }

    async fn search(&self, body: Value) -> Value {
        let told = self.post("/v1/cases/search", body).await;
        assert_eq!(told.status, 200, "{}", told.text);
        assert!(!told.text.contains(&codes(1)[0]));
        told.json()
    }
}

#[tokio::test]
async fn the_queue_shows_what_is_due_and_overdue_and_not_whom_it_is_about() {
    let scene = Scene::new().await;
    let found = scene.search(json!({ "level": "objection" })).await;
    let cases = found["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 2);
    assert_eq!(
        (&cases[0]["case_id"], &cases[0]["overdue"]),
        (&json!(scene.overdue.to_string()), &json!(true))
    );
    assert_eq!(cases[0]["due"], json!({ "what": "decide", "by": "2026-11-15" }));
    assert_eq!(cases[0]["meaning"], "It should have been decided here: decide it now.");
    assert_eq!(
        (&cases[1]["case_id"], &cases[1]["overdue"]),
        (&json!(scene.today.to_string()), &json!(false))
    );
    assert_eq!((&cases[1]["title"], &cases[1]["received_on"]), (&json!("List sealed"), &json!("2026-11-21")));
    assert_eq!((&cases[1]["decide_by"], &cases[1]["state"]), (&json!("2026-12-06"), &json!("open")));
    assert!(cases[1].get("outcome").is_none() && found.get("next_cursor").is_none());

    let first = scene.search(json!({ "level": "objection", "over": true, "limit": 2 })).await;
    let second = json!({ "level": "objection", "over": true, "limit": 2, "cursor": first["next_cursor"] });
    let second = scene.search(second).await;
    assert_eq!((first["cases"].as_array().unwrap().len(), second["cases"].as_array().unwrap().len()), (2, 1));
    assert!(second.get("next_cursor").is_none());
    assert_eq!(scene.search(json!({ "level": "appeal", "over": true })).await["cases"], json!([]));
    for (body, field) in [
        (json!({}), "level"),
        (json!({ "level": "first" }), "level"),
        (json!({ "level": "objection", "limit": 101 }), "limit"),
        (json!({ "level": "objection", "cursor": "next" }), "cursor"),
        (json!({ "level": "objection", "cursor": NONE }), "cursor"),
        (json!({ "level": "objection", "code": codes(1)[0] }), "code"),
    ] {
        let told = scene.post("/v1/cases/search", body.clone()).await;
        assert_eq!(told.problem(400, "malformed")["field"], field, "{body}");
    }
}

#[tokio::test]
async fn a_case_is_decided_once_with_reasons_and_who_decides() {
    let scene = Scene::new().await;
    let at = format!("/v1/cases/objection/{}", scene.today);
    let shown = scene.caller.send(as_officer("GET", &at, &Value::Null)).await.json();
    assert_eq!(shown["subject"], json!({ "scheme": "CN-USCC", "code": codes(1)[0] }));
    assert_eq!(shown["letters"][0]["letter"]["body"]["text"], "I have paid.");
    let good = json!({ "outcome": "upheld", "reasons": "It is owed.", "decided_by": "Judge Li" });
    let with = |field: &str, value: Value| {
        let mut body = good.clone();
        body[field] = value;
        body
    };
    let decide = format!("{at}/decide");
    for (body, field) in [
        (with("outcome", json!("maybe")), "outcome"),
        (with("outcome", json!("corrected")), "corrected"),
        (with("corrected", json!("the sum")), "corrected"),
        (with("reasons", json!(" ")), "reasons"),
        (with("reasons", json!("x".repeat(4_001))), "reasons"),
        (with("decided_by", json!("")), "decided_by"),
        (with("decided_by", json!("a\nb")), "decided_by"),
        (with("decided_by", json!("x".repeat(201))), "decided_by"),
        (with("code", json!("x")), "code"),
    ] {
        let told = scene.post(&decide, body.clone()).await;
        assert_eq!(told.problem(400, "malformed")["field"], field, "{body}");
    }
    let decided = scene.post(&decide, good.clone()).await.json();
    let case = &decided["case"];
    assert_eq!((&case["state"], &case["outcome"]), (&json!("decided"), &json!("upheld")));
    assert_eq!((&case["decided_on"], &case["days_to_correction"]), (&json!("2026-11-21"), &json!(0)));
    let letter = &decided["letters"][1];
    assert_eq!((&letter["way"], &letter["state"]), (&json!("out"), &json!("waiting")));
    assert_eq!(letter["letter"]["body"]["by"], "Judge Li");
    // Those with which the three cases began, and the decision.
    assert_eq!(scene.caller.get("/v1/status").await.json()["letters_waiting"], 4);
    let again = scene.post(&decide, with("outcome", json!("annulled"))).await;
    assert_eq!(again.problem(409, "conflict")["message"], "This was decided already; a body decides once.");
}

#[tokio::test]
async fn cases_want_the_right_redress_a_list_and_a_case_that_there_is() {
    let scene = Scene::new().await;
    let at = format!("/v1/cases/objection/{}", scene.today);
    for path in ["/v1/cases/search".to_owned(), format!("{at}/decide")] {
        scene.caller.post(&path, "{}").await.problem(403, "wrong_role");
    }
    scene.caller.get(&at).await.problem(403, "wrong_role");
    for path in [format!("/v1/cases/objection/{NONE}"), format!("/v1/cases/appeal/{}", scene.today)] {
        scene.caller.send(as_officer("GET", &path, &Value::Null)).await.problem(404, "not_found");
        let ruling = json!({ "outcome": "upheld", "reasons": "So.", "decided_by": "Judge Li" });
        scene.post(&format!("{path}/decide"), ruling).await.problem(404, "not_found");
    }
    let other = format!("/v1/cases/first/{}", scene.today);
    scene.caller.send(as_officer("GET", &other, &Value::Null)).await.problem(404, "not_found");
    let no_id = format!("/v1/cases/objection/{}", NONE.to_lowercase());
    scene.caller.send(as_officer("GET", &no_id, &Value::Null)).await.problem(400, "malformed");

    // Who keeps no list has no cases, and one that carries no letters has none.
    let redress = scene.caller.app.redress.clone().unwrap();
    let asks = Caller::with_cases(FakeAsker::new(), redress);
    let silent = Caller::new(FakeAsker::new().at("court"));
    for caller in [asks, silent] {
        let search = as_officer("POST", "/v1/cases/search", &json!({ "level": "objection" }));
        let told = caller.send(search).await.problem(404, "not_found");
        assert!(told["message"].as_str().unwrap().contains("no objections"), "{told}");
    }
}
