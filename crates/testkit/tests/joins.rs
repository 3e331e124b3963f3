//! Favorable lists: joined by consent, left by its withdrawal.

#![cfg(test)]

use std::time::Duration;

use serde_json::{Value, json};
use tacit_desk::conformance::assert_documented;
use tacit_model::{entropy::seeded_rng, generate::generate_uscc};
use tacit_node::records::{RecordView, Standing};
use tacit_testkit::{Federation, Options, word};
use tacit_wire::gateway::Question;

const LIST: &str = "tax/trusted-taxpayers";
const COLUMNS: &str = "code,category,decision_ref,decided_on,notified_on,effective_on,expires_on";

struct Scene {
    federation: Federation,
    code: String,
}

impl Scene {
    async fn new() -> Self {
        let options = Options::quick().reading_ms(500);
        let federation = Federation::start("procurement", options).await.unwrap();
        let code = generate_uscc(&mut seeded_rng([88; 32]));
        let scene = Self { federation, code };
        scene.post("/v1/users", json!({}), 200).await;
        scene
    }

    async fn post(&self, path: &str, mut body: Value, status: u16) -> Value {
        body["scheme"] = json!("CN-USCC");
        body["code"] = json!(self.code);
        let answer = self.federation.desk("portal").unwrap().post(path, &body).await.unwrap();
        assert_documented(tacit_authority::openapi(), "POST", path, answer.status, &answer.body.to_string());
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
        answer.body
    }

    async fn record(&self) -> RecordView {
        let records = self.federation.records("tax").await.unwrap();
        records.show(&LIST.parse().unwrap(), &self.code).await.unwrap().unwrap()
    }

    /// Waits until the list knows what the person said.
    async fn stands(&self, what: impl Fn(Standing) -> bool) -> RecordView {
        for _ in 0..300 {
            let record = self.record().await;
            if what(record.standing) {
                return record;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{:?}", self.record().await.standing);
    }

    fn row(&self) -> String {
        format!("{COLUMNS}\n{},301,(2026) No. 3,2026-01-15,,,\n", self.code)
    }

    async fn says(&self, given: bool) {
        let filed = self.post("/v1/listing-consents", json!({ "list": LIST, "given": given }), 200).await;
        assert_eq!((&filed["list"], &filed["goes_to"]), (&json!(LIST), &json!("tax")));
    }

    async fn answer(&self) -> String {
        self.federation.seal(LIST).await.unwrap();
        let question = Question {
            lists: vec![LIST.to_owned()],
            purpose: "public-procurement-eligibility".to_owned(),
            case_number: "T-1".to_owned(),
            officer: "li".to_owned(),
            ..Question::default()
        };
        let outcome = self.federation.ask("procurement", question, &self.code).await.unwrap();
        word(&outcome).unwrap_or_else(|| panic!("{outcome:?}")).to_owned()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_favorable_list_is_joined_by_the_subjects_consent_and_left_by_its_withdrawal() {
    let mut scene = Scene::new().await;
    let report = scene.federation.import(LIST, scene.row()).await.unwrap();
    assert_eq!(report.held_back["not_consented"], 1);
    assert_eq!(scene.answer().await, "not_listed");

    scene.says(true).await;
    let joined = scene.stands(|it| matches!(it, Standing::Listed { .. })).await;
    assert_eq!(joined.history.last().unwrap().reason, "consent");
    assert_eq!(scene.answer().await, "listed");
    // A file that says nothing of consent takes none away, and a restart forgets none.
    scene.federation.import(LIST, scene.row()).await.unwrap();
    scene.federation.restart("tax").await.unwrap();
    assert_eq!(scene.answer().await, "listed");

    scene.says(false).await;
    let left = scene.stands(|it| it == Standing::NotConsented).await;
    assert_eq!(left.history.last().unwrap().reason, "consent withdrawn");
    assert_eq!(scene.answer().await, "not_listed");
    // A paper of an earlier day does not bring it back.
    let paper = format!("{COLUMNS},consented_on\n{},301,(2026) No. 3,2026-01-15,,,,2026-01-20\n", scene.code);
    scene.federation.import(LIST, paper).await.unwrap();
    assert_eq!(scene.record().await.standing, Standing::NotConsented);

    // The person's portal shows both letters, in the log; and nobody joins a blacklist.
    let matters = scene.post("/v1/matters", json!({}), 200).await;
    let said: Vec<_> = matters["letters"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["letter"]["body"]["given"].clone())
        .collect();
    assert_eq!(said, [json!(true), json!(false)]);
    assert!(matters["letters"].as_array().unwrap().iter().all(|it| it["logtime"].is_string()));
    let adverse = json!({ "list": "court/judgment-defaulters", "given": true });
    let refused = scene.post("/v1/listing-consents", adverse, 400).await;
    assert_eq!(refused["reason"], "malformed");
    scene.federation.shut_down().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_subject_says_before_there_is_a_record_holds_for_the_one_that_comes() {
    let scene = Scene::new().await;
    scene.says(true).await;
    let tax = scene.federation.redress("tax", scene.federation.clock()).await.unwrap();
    for _ in 0..300 {
        if tax.letters().await.unwrap().iter().any(|it| it.state == "taken") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let report = scene.federation.import(LIST, scene.row()).await.unwrap();
    assert_eq!((report.imported, report.held_back.len()), (1, 0));
    assert_eq!(scene.answer().await, "listed");
    scene.federation.shut_down().await.unwrap();
}
