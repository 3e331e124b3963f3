//! What a person does about consents at its authority's desk, and what follows for who asks.

#![cfg(test)]

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};
use tacit_desk::{conformance::assert_documented, consent_receipt};
use tacit_ledger::note::NoteVerifier;
use tacit_model::{Ulid, entropy::seeded_rng, generate::generate_uscc, new_ulid};
use tacit_policy::{ConsentState, consent::consent_notice};
use tacit_testkit::{Federation, Options, word};
use tacit_wire::gateway::{AskConsentRequest, Question, ask_consent_response::Outcome as Asked};

const LIST: &str = "tax/serious-violations";
const PURPOSE: &str = "vendor-selection";
const SHOWN: &str = "采购局可以询问您是否在名单上。";

struct Scene {
    federation: Federation,
    me: String,
    other: String,
}

impl Scene {
    async fn new() -> Self {
        Self::reading(1000).await
    }

    /// With an authority that reads so often.
    async fn reading(every_ms: u64) -> Self {
        let options = Options { database: postgres, ..Options::quick().reading_ms(every_ms) };
        let federation = Federation::start("procurement", options).await.unwrap();
        let mut rng = seeded_rng([61; 32]);
        let [me, other, listed] = [0, 1, 2].map(|_| generate_uscc(&mut rng));
        federation.publish(LIST, federation.records_csv(201, [&listed])).await.unwrap();
        Self { federation, me, other }
    }

    /// POST as a person; the answer is one that the interface's document promises.
    async fn post_as(&self, code: &str, path: &str, mut body: Value, status: u16) -> Value {
        (body["scheme"], body["code"]) = (json!("CN-USCC"), json!(code));
        let answer = self.federation.desk("portal").unwrap().post(path, &body).await.unwrap();
        assert_documented(tacit_authority::openapi(), "POST", path, answer.status, &answer.body.to_string());
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
        answer.body
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        self.post_as(&self.me, path, body, 200).await
    }

    /// Refused, and why.
    async fn refused(&self, path: &str, body: Value, status: u16) -> String {
        self.post_as(&self.me, path, body, status).await["reason"].as_str().unwrap().to_owned()
    }

    fn new_id(&self) -> Ulid {
        new_ulid(self.federation.clock().now(), &mut tacit_model::entropy::os_rng())
    }

    fn grant(&self, id: Ulid) -> Value {
        json!({
            "id": id.to_string(), "requester": "procurement", "lists": [LIST], "purposes": [PURPOSE],
            "days": 30, "frequency": "9 DAY", "shown": shown(),
        })
    }

    /// What the agency hears when it asks about the person.
    async fn check(&self) -> String {
        let question = Question {
            lists: vec![LIST.to_owned()],
            purpose: PURPOSE.to_owned(),
            case_number: "T-1".to_owned(),
            officer: "li".to_owned(),
            ..Question::default()
        };
        let outcome = self.federation.ask("procurement", question, &self.me).await.unwrap();
        word(&outcome).unwrap_or_else(|| panic!("{outcome:?}")).to_owned()
    }

    async fn consents(&self) -> Value {
        self.post("/v1/consents/search", json!({})).await
    }

    /// The agency asks for consent.
    async fn asks_for(&self, frequency: &str) -> Ulid {
        let request = AskConsentRequest {
            code: self.me.clone(),
            lists: vec![LIST.to_owned()],
            purposes: vec![PURPOSE.to_owned()],
            days: 60,
            frequency: frequency.to_owned(),
            officer: "li".to_owned(),
            ..AskConsentRequest::default()
        };
        let answer = self.federation.gateway("procurement").unwrap().ask_consent(request).await.unwrap();
        match answer.into_inner().outcome {
            Some(Asked::Asked(asked)) => asked.consent_id.parse().unwrap(),
            other => panic!("{other:?}"),
        }
    }

    fn log_key(&self) -> NoteVerifier {
        let coordinator = self.federation.registry().coordinator();
        let key = self.federation.registry().member(coordinator).unwrap().keys.log.unwrap();
        NoteVerifier::new(&format!("{coordinator}/log"), key.0).unwrap()
    }
}

fn shown() -> Value {
    json!({ "language": "zh-Hans", "text": SHOWN })
}

/// The databases of these tests are SQLite files or, where a server is named, PostgreSQL.
fn postgres(folder: &std::path::Path, member: &str) -> Option<String> {
    let on = tacit_store::conformance::on_postgres();
    on.then(|| tacit_store::conformance::url(folder, member))
}

fn event_words(consent: &Value) -> Vec<String> {
    let events = consent["events"].as_array().unwrap().iter();
    events.map(|it| format!("{} {}", it["number"], it["state"].as_str().unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consent_given_at_the_desk_allows_checks_until_it_is_withdrawn_there() {
    let scene = Scene::new().await;
    assert_eq!(scene.check().await, "consent_required");
    let none = scene.consents().await;
    assert_eq!((&none["consents"], &none["requests"]), (&json!([]), &json!([])));

    // Given: the very same call again is no second consent, another one under its id is none.
    let id = scene.new_id();
    let given = scene.post("/v1/consents", scene.grant(id)).await;
    assert_eq!(
        (&given["id"], &given["state"], &given["number"]),
        (&json!(id.to_string()), &json!("given"), &json!(1))
    );
    assert_eq!(given["repeated"], false);
    let again = scene.post("/v1/consents", scene.grant(id)).await;
    assert_eq!((&again["record_id"], &again["repeated"]), (&given["record_id"], &json!(true)));
    let mut more = scene.grant(id);
    more["frequency"] = json!("10 DAY");
    assert_eq!(scene.refused("/v1/consents", more, 409).await, "conflict");
    assert_eq!(scene.check().await, "not_listed");

    // It shows at once with its record, and what the person was shown.
    let known = scene.consents().await;
    let consent = &known["consents"][0];
    assert_eq!(consent["id"], json!(id.to_string()));
    assert_eq!((&consent["state"], &consent["allows"]), (&json!("given"), &json!(true)));
    assert_eq!((&consent["record_id"], &consent["index"]), (&given["record_id"], &given["index"]));
    assert_eq!((&consent["frequency"], &consent["shown"]), (&json!("9 DAY"), &shown()));
    assert_eq!(
        (&consent["requester"]["id"], &consent["lists"][0]["id"]),
        (&json!("procurement"), &json!(LIST))
    );
    assert!(consent["lists"][0]["title"].as_str().is_some_and(|title| title != LIST));
    assert_eq!(consent["may"], json!(["withdraw", "pause", "renew"]));

    // Paused, resumed and renewed.
    let at = |word: &str| format!("/v1/consents/{id}/{word}");
    scene.post(&at("pause"), json!({})).await;
    assert_eq!(scene.check().await, "consent_required");
    assert_eq!(
        scene.refused(&at("renew"), json!({ "days": 90, "shown": shown() }), 409).await,
        "consent_order"
    );
    scene.post(&at("resume"), json!({})).await;
    assert_eq!(scene.check().await, "not_listed");
    let renewed = scene.post(&at("renew"), json!({ "days": 90, "shown": shown() })).await;
    assert_eq!(
        scene.post(&at("renew"), json!({ "days": 90, "shown": shown() })).await["record_id"],
        renewed["record_id"]
    );
    assert_eq!(
        scene.refused(&at("renew"), json!({ "days": 1, "shown": shown() }), 422).await,
        "consent_invalid"
    );

    // Meanwhile it is paused at the command line, which the desk does not know yet: a withdrawal follows all the same.
    let beside = scene.federation.authority("portal").await.unwrap();
    beside.change(id, ConsentState::Paused).await.unwrap();
    let withdrawn = scene.post(&at("withdraw"), json!({})).await;
    assert_eq!((&withdrawn["state"], &withdrawn["number"]), (&json!("withdrawn"), &json!(6)));
    assert!(withdrawn["stays"].as_str().unwrap().contains("last 60 seconds"), "{withdrawn}");
    assert_eq!(scene.check().await, "consent_required");
    let again = scene.post(&at("withdraw"), json!({})).await;
    assert_eq!((&again["record_id"], &again["repeated"]), (&withdrawn["record_id"], &json!(true)));
    for word in ["pause", "resume"] {
        assert_eq!(scene.refused(&at(word), json!({}), 409).await, "consent_dead");
    }

    // A reading brings all of it, with the uses.
    scene.federation.read_anew("portal").await.unwrap();
    let known = scene.consents().await;
    let consent = &known["consents"][0];
    let events = ["1 given", "2 paused", "3 resumed", "4 renewed", "5 paused", "6 withdrawn"];
    assert_eq!(event_words(consent), events);
    assert!(consent["events"].as_array().unwrap().iter().all(|it| it["proof"] == "verified"), "{consent:#}");
    assert_eq!((&consent["uses"], &consent["uses_complete"]), (&json!(2), &json!(true)));
    assert_eq!((&consent["allows"], &consent["may"]), (&json!(false), &json!([])));
    assert!(consent.get("unconfirmed").is_none());
    scene.federation.shut_down().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn before_any_reading_what_was_done_shows_and_a_withdrawal_follows_what_the_command_line_did() {
    let scene = Scene::reading(7 * 86_400_000).await;
    let id = scene.new_id();
    scene.post("/v1/consents", scene.grant(id)).await;
    assert_eq!(scene.check().await, "not_listed");
    let known = scene.consents().await;
    assert_eq!((&known["as_of"], &known["consents"][0]["allows"]), (&Value::Null, &json!(true)));
    assert_eq!(known["consents"][0]["events"][0]["proof"], "acknowledged");
    assert_eq!(known["consents"][0]["uses"], 0, "a use is known from a reading");
    let receipt = format!("/v1/consents/{id}/receipt");
    assert_eq!(scene.refused(&receipt, json!({}), 404).await, "not_found");
    // Neither a pause nor a request that came meanwhile is known here.
    let beside = scene.federation.authority("portal").await.unwrap();
    beside.change(id, ConsentState::Paused).await.unwrap();
    scene.asks_for("4 DAY").await;
    let known = scene.consents().await;
    assert_eq!((&known["requests"], &known["consents"][0]["state"]), (&json!([]), &json!("given")));
    let withdrawn = scene.post(&format!("/v1/consents/{id}/withdraw"), json!({})).await;
    assert_eq!((&withdrawn["state"], &withdrawn["number"]), (&json!("withdrawn"), &json!(3)));
    assert_eq!(scene.check().await, "consent_required");
    let known = scene.consents().await;
    assert_eq!(event_words(&known["consents"][0]), ["1 given", "3 withdrawn"]);
    assert!(known["consents"][0].get("unconfirmed").is_none());
    scene.federation.shut_down().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_withdrawal_without_an_answer_is_shown_as_such_and_goes_on_when_who_asked_has_gone() {
    let mut scene = Scene::reading(7 * 86_400_000).await;
    let id = scene.new_id();
    scene.post("/v1/consents", scene.grant(id)).await;
    scene.federation.stop("coordinator").await.unwrap();
    let path = format!("/v1/consents/{id}/withdraw");
    let asked = scene.post_as(&scene.me, &path, json!({}), 200);
    tokio::time::timeout(Duration::from_millis(1500), asked)
        .await
        .expect_err("nobody can say that it is done");
    let consent = scene.consents().await["consents"][0].clone();
    assert_eq!((&consent["state"], &consent["unconfirmed"]["state"]), (&json!("given"), &json!("withdrawn")));
    scene.federation.restart("coordinator").await.unwrap();
    for _ in 0..300 {
        if scene.consents().await["consents"][0]["state"] == "withdrawn" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let consent = scene.consents().await["consents"][0].clone();
    assert_eq!((&consent["state"], &consent["number"]), (&json!("withdrawn"), &json!(2)));
    assert!(consent.get("unconfirmed").is_none() && consent["allows"] == false);
    assert_eq!(scene.check().await, "consent_required");
    scene.federation.shut_down().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_shows_with_a_reading_and_is_allowed_in_part_or_refused_at_the_desk() {
    let scene = Scene::new().await;
    scene.post("/v1/users", json!({})).await;
    let (wanted, unwanted) = (scene.asks_for("4 DAY").await, scene.asks_for("40 DAY").await);
    scene.federation.read_anew("portal").await.unwrap();
    let known = scene.consents().await;
    let ids: Vec<&Value> = known["requests"].as_array().unwrap().iter().map(|it| &it["id"]).collect();
    assert_eq!(ids, [&json!(unwanted.to_string()), &json!(wanted.to_string())]);
    let request = &known["requests"][1];
    assert_eq!((&request["frequency"], &request["proof"]), (&json!("4 DAY"), &json!("verified")));
    assert_eq!(request["may"], json!(["allow", "refuse"]));
    assert!(request["decide_by"].as_str() > request["requested"].as_str());
    assert_eq!(scene.check().await, "consent_required");

    let at = |id: Ulid, word: &str| format!("/v1/requests/{id}/{word}");
    let more = json!({ "frequency": "5 DAY", "shown": shown() });
    assert_eq!(scene.refused(&at(wanted, "allow"), more, 422).await, "consent_invalid");
    let less = json!({ "frequency": "2 DAY", "days": 365, "shown": shown() });
    let given = scene.post(&at(wanted, "allow"), less.clone()).await;
    assert_eq!((&given["id"], &given["state"]), (&json!(wanted.to_string()), &json!("given")));
    assert_eq!(scene.post(&at(wanted, "allow"), less).await["record_id"], given["record_id"]);
    assert_eq!(scene.check().await, "not_listed");
    let refused = scene.post(&at(unwanted, "refuse"), json!({})).await;
    assert_eq!((&refused["state"], &refused["number"]), (&json!("refused"), &json!(1)));
    assert_eq!(scene.refused(&at(unwanted, "allow"), json!({ "shown": shown() }), 409).await, "consent_dead");
    assert_eq!(scene.refused(&at(wanted, "refuse"), json!({}), 409).await, "consent_order");

    let known = scene.consents().await;
    assert_eq!(known["requests"], json!([]));
    let states: Vec<_> =
        known["consents"].as_array().unwrap().iter().map(|it| (&it["state"], event_words(it))).collect();
    assert_eq!(states[0], (&json!("refused"), vec!["0 requested".to_owned(), "1 refused".to_owned()]));
    assert_eq!(states[1], (&json!("given"), vec!["0 requested".to_owned(), "1 given".to_owned()]));
    assert_eq!(known["consents"][1]["frequency"], "2 DAY");

    // Both have a receipt that holds by the log's key and the registry alone.
    for (id, last) in [(wanted, "given"), (unwanted, "refused")] {
        let receipt = scene.post(&format!("/v1/consents/{id}/receipt"), json!({})).await;
        assert_eq!(receipt["not_proven_yet"], json!([]));
        let document = receipt["document"].to_string();
        let proven =
            consent_receipt::verify(document.as_bytes(), &scene.log_key(), scene.federation.registry())
                .unwrap();
        assert_eq!(proven.events.last().unwrap().state.as_str(), last);
        assert!(!document.contains(&scene.me), "the receipt names the pseudonym, not the code");
        let other = document.replace(&format!("\"event_type\":\"{last}\""), "\"event_type\":\"renewed\"");
        assert_ne!(document, other);
        assert!(
            consent_receipt::verify(other.as_bytes(), &scene.log_key(), scene.federation.registry()).is_err()
        );
        if last == "given" {
            let hash: String =
                consent_notice(SHOWN.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(receipt["document"]["privacy_notice"]["notice_hash"], json!(hash));
            assert_eq!(receipt["shown"], shown());
        }
    }
    scene.federation.shut_down().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_persons_consent_is_like_one_that_does_not_exist() {
    let scene = Scene::new().await;
    scene.post("/v1/users", json!({})).await;
    let (given, asked) = (scene.new_id(), scene.asks_for("4 DAY").await);
    scene.post("/v1/consents", scene.grant(given)).await;
    scene.federation.read_anew("portal").await.unwrap();
    let theirs = scene.post_as(&scene.other, "/v1/consents/search", json!({}), 200).await;
    assert_eq!((&theirs["consents"], &theirs["requests"]), (&json!([]), &json!([])));
    let body = |word: &str| match word {
        "renew" => json!({ "days": 90, "shown": shown() }),
        "allow" => json!({ "shown": shown() }),
        _ => json!({}),
    };
    for (folder, id, words) in [
        ("consents", given, &["withdraw", "pause", "resume", "renew", "receipt"][..]),
        ("requests", asked, &["allow", "refuse"]),
    ] {
        for word in words {
            let mut said = Vec::new();
            for id in [id, scene.new_id()] {
                let path = format!("/v1/{folder}/{id}/{word}");
                let mut answer = scene.post_as(&scene.other, &path, body(word), 404).await;
                answer["request_id"] = Value::Null;
                said.push(answer);
            }
            assert_eq!(said[0], said[1], "{word}");
            assert_eq!(said[0]["reason"], "not_found");
        }
    }
    // Nothing happened: it allows, and the request waits.
    assert_eq!(scene.check().await, "not_listed");
    let mine = scene.consents().await;
    assert_eq!(
        (&mine["consents"][0]["state"], &mine["requests"][0]["id"]),
        (&json!("given"), &json!(asked.to_string()))
    );
    // Its id is taken for everybody, and that is all that anybody learns of it.
    let taken = scene.post_as(&scene.other, "/v1/consents", scene.grant(given), 409).await;
    assert_eq!(taken["reason"], "conflict");
    let theirs = scene.post_as(&scene.other, "/v1/consents/search", json!({}), 200).await;
    assert_eq!(theirs["consents"], json!([]));
    scene.federation.shut_down().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_can_give_is_refused_and_the_lists_say_who_may_ask_what() {
    let scene = Scene::new().await;
    for (field, value, status, reason) in [
        ("requester", json!("nobody"), 422, "unknown_member"),
        ("requester", json!("portal"), 422, "unknown_member"),
        ("lists", json!(["tax/nothing"]), 422, "unknown_list"),
        ("lists", json!([]), 422, "consent_invalid"),
        ("lists", json!(["tax"]), 400, "malformed"),
        ("purposes", json!(["nothing"]), 422, "unknown_purpose"),
        ("purposes", json!(["subject-access"]), 422, "unknown_purpose"),
        ("purposes", json!(["water-supply"]), 403, "not_permitted"),
        ("days", json!(0), 400, "malformed"),
        ("days", json!(3661), 400, "malformed"),
        ("days", Value::Null, 400, "malformed"),
        ("expires", json!("2026-01-01T00:00:00.000Z"), 400, "malformed"),
        ("frequency", json!("often"), 400, "malformed"),
        ("shown", json!({ "language": "zh", "text": " " }), 400, "malformed"),
        ("shown", json!({ "language": "<b>", "text": "x" }), 400, "malformed"),
        ("id", json!("1"), 400, "malformed"),
    ] {
        let mut wrong = scene.grant(scene.new_id());
        wrong[field] = value;
        assert_eq!(scene.refused("/v1/consents", wrong, status).await, reason, "{field}");
    }
    let mut over = scene.grant(scene.new_id());
    over.as_object_mut().unwrap().remove("days");
    over["expires"] = json!("2020-01-01T00:00:00.000Z");
    assert_eq!(scene.refused("/v1/consents", over, 422).await, "consent_invalid");
    assert_eq!(scene.consents().await["consents"], json!([]));

    let answer = scene.federation.desk("portal").unwrap().get("/v1/lists").await.unwrap();
    assert_documented(
        tacit_authority::openapi(),
        "GET",
        "/v1/lists",
        answer.status,
        &answer.body.to_string(),
    );
    let said = answer.body;
    let registry = scene.federation.registry();
    let by = |name: &str| -> BTreeMap<String, Value> {
        let all = said[name].as_array().unwrap().iter();
        all.map(|it| (it["id"].as_str().unwrap().to_owned(), it.clone())).collect()
    };
    let lists = by("lists");
    assert_eq!(lists.len(), registry.lists().count());
    for list in registry.lists() {
        let told = &lists[list.id.as_str()];
        assert_eq!((&told["title"], &told["adverse"]), (&json!(list.title), &json!(list.adverse)));
        assert_eq!(told["what_listing_means"], json!(list.what_listing_means));
        assert_eq!(told["legal_basis"]["law"], json!(registry.law(&list.legal_basis)));
        assert_eq!(told["objection_contact"], json!(list.objection_contact));
        let holder = registry.member(&list.id.holder_id()).unwrap();
        assert_eq!(told["holder"], json!({ "id": holder.id, "title": holder.title }));
        assert_eq!((&told["can_check"], &told["objections_here"]), (&json!(true), &json!(true)));
        let fitting = registry.categories().filter(|category| category.fits(list)).count();
        assert_eq!(told["categories"].as_array().unwrap().len(), fitting);
    }
    let asks = &by("requesters")["procurement"]["agreements"];
    let needing: Vec<_> =
        asks.as_array().unwrap().iter().filter(|agreement| agreement["needs_consent"] == true).collect();
    assert_eq!(needing.len(), 1);
    assert_eq!(
        (&needing[0]["lists"][0]["id"], &needing[0]["purposes"][0]["id"]),
        (&json!(LIST), &json!(PURPOSE))
    );
    assert!(said["purposes"].as_array().unwrap().iter().all(|it| it["code"] != "subject-access"));
    assert_eq!(said["redress"]["removal_reasons"], json!(["fulfilled", "expired", "annulled", "corrected"]));
    scene.federation.shut_down().await.unwrap();
}
