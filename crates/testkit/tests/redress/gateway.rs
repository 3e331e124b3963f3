//! Objections at the officers' desk: through the node's gateway, with the node at work.

use serde_json::{Value, json};
use tacit_desk::conformance::assert_documented;
use tacit_federation::{
    desk::{DeskAnswer, DeskClient},
    found::{CLI_APPLICATION, OFFICER_APPLICATION},
};
use tacit_node::{gateway::openapi, records::RecordState};
use tacit_policy::registry::entry::Contested;

use super::scene::{LIST, Scene, letters};

/// An application at a node's gateway.
struct Desk(DeskClient);

impl Desk {
    fn of(scene: &Scene, member: &str, application: &str) -> Self {
        Self(scene.federation.node_desk(member, application).unwrap())
    }

    async fn post(&self, path: &str, body: Value, status: u16) -> Value {
        told("POST", path, status, self.0.post(path, &body).await.unwrap())
    }

    async fn get(&self, path: &str, status: u16) -> Value {
        told("GET", path, status, self.0.get(path).await.unwrap())
    }

    async fn search(&self, body: Value) -> Vec<Value> {
        self.post("/v1/cases/search", body, 200).await["cases"].as_array().unwrap().clone()
    }
}

fn told(method: &str, path: &str, status: u16, answer: DeskAnswer) -> Value {
    assert_documented(openapi(), method, path, answer.status, &answer.body.to_string());
    assert_eq!(answer.status, status, "{path}: {}", answer.body);
    answer.body
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_objection_is_found_read_and_decided_at_the_gateway_and_the_person_is_told() {
    let scene = Scene::new(87, Contested::Flag).await;
    scene.notify().await;
    let objection = scene.object().await;
    let officer = Desk::of(&scene, "court", OFFICER_APPLICATION);
    let queue = json!({ "level": "objection" });
    let found = officer.search(queue.clone()).await;
    assert_eq!(found.len(), 1);
    assert_eq!((&found[0]["case_id"], &found[0]["list"]), (&json!(objection.to_string()), &json!(LIST)));
    assert_eq!(found[0]["due"], json!({ "what": "decide", "by": "2026-12-08" }));
    assert!(!json!(found).to_string().contains(&scene.code));
    let at = format!("/v1/cases/objection/{objection}");
    let shown = officer.get(&at, 200).await;
    assert_eq!(shown["subject"]["code"], json!(scene.code));
    let objected = &shown["letters"][0];
    assert_eq!((&objected["from"], &objected["state"]), (&json!("portal"), &json!("taken")));
    assert_eq!(objected["letter"]["body"]["text"], "I have paid.");

    // A token that only asks decides nothing and reads nothing; and who only keeps lists asks nothing.
    let cli = Desk::of(&scene, "court", CLI_APPLICATION);
    let ruling =
        json!({ "outcome": "annulled", "reasons": "The payment is proven.", "decided_by": "Judge Li" });
    let decide = format!("{at}/decide");
    for refused in [
        cli.post("/v1/cases/search", queue.clone(), 403).await,
        cli.get(&at, 403).await,
        cli.post(&decide, ruling.clone(), 403).await,
    ] {
        assert_eq!(refused["reason"], "wrong_role");
    }
    let question = json!({
        "code": scene.code, "lists": [LIST], "purpose": "screening", "case_number": "T-1", "officer": "li"
    });
    assert_eq!(officer.post("/v1/checks", question, 403).await["reason"], "not_permitted");
    let procurement = Desk::of(&scene, "procurement", OFFICER_APPLICATION);
    assert_eq!(procurement.post("/v1/cases/search", queue.clone(), 403).await["reason"], "wrong_role");
    // Another holder has no such case.
    let tax = Desk::of(&scene, "tax", OFFICER_APPLICATION);
    assert_eq!(tax.search(queue.clone()).await, Vec::<Value>::new());
    assert_eq!(tax.post(&decide, ruling.clone(), 404).await["reason"], "not_found");
    let without = json!({ "outcome": "corrected", "reasons": "So.", "decided_by": "Judge Li" });
    assert_eq!(officer.post(&decide, without, 400).await["field"], "corrected");
    assert_eq!(scene.state_of_record().await, RecordState::Contested);

    let decided = officer.post(&decide, ruling.clone(), 200).await;
    assert_eq!(
        (&decided["case"]["state"], &decided["case"]["outcome"]),
        (&json!("decided"), &json!("annulled"))
    );
    assert_eq!(officer.post(&decide, ruling, 409).await["reason"], "conflict");
    assert_eq!(scene.state_of_record().await, RecordState::Removed);
    assert_eq!(officer.search(queue).await, Vec::<Value>::new());
    assert_eq!(officer.search(json!({ "level": "objection", "over": true })).await.len(), 1);

    let seen = scene.state("decided").await;
    assert_eq!(seen["outcome"], "annulled");
    let matters = scene.shown(|it| !letters(it, "removal").is_empty()).await;
    let decision = &letters(&matters, "decision")[0]["letter"]["body"];
    assert_eq!(
        (&decision["by"], &decision["reasons"]),
        (&json!("Judge Li"), &json!("The payment is proven."))
    );
    scene.federation.shut_down().await.unwrap();
}
