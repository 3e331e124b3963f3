//! The JSON interfaces against their OpenAPI documents, by a tool that knows nothing of our code: Schemathesis makes
//! requests from the documents, good and bad ones, and compares what comes back.
//!
//! It runs on a federation at work, and the examples of the documents are made to name what there is in it, so that good
//! requests reach their ends.

// `cfg(test)` tells clippy that helpers without #[test] are tests too.
#![cfg(test)]

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use serde_json::{Map, Value, json};
use tacit_federation::{
    config::{AuthorityFile, Environment, NodeFile, RoleFile},
    connect,
    desk::DeskClient,
    found::{CLI_APPLICATION, OFFICER_APPLICATION},
};
use tacit_model::{
    entropy::{os_rng, seeded_rng},
    generate::generate_uscc,
    new_ulid,
};
use tacit_testkit::{Federation, Options};
use tokio::process::Command;

/// Names the program; set by `cargo xtask test`.
const PROGRAM: &str = "TACIT_TEST_SCHEMATHESIS";
const CONFIG: &str = include_str!("../../../tests/schemathesis/schemathesis.toml");

const COURT: &str = "court/judgment-defaulters";
const TAX: &str = "tax/serious-violations";
const FAVORABLE: &str = "tax/trusted-taxpayers";

/// A federation in which each interface has something to tell, and how all that is named.
struct Scene {
    federation: Federation,
    /// By the name of a field or of a segment of an address: what it can be.
    words: Map<String, Value>,
}

async fn post(desk: &DeskClient, path: &str, body: Value) -> Value {
    let answer = desk.post(path, &body).await.unwrap();
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    answer.body
}

/// Asks again until the answer is as wanted.
async fn until(desk: &DeskClient, path: &str, body: Value, wanted: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..300 {
        let answer = post(desk, path, body.clone()).await;
        if wanted(&answer) {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{path}: {}", post(desk, path, body).await);
}

impl Scene {
    async fn new() -> Self {
        let options = Options::quick().reading_ms(1000).change(|sample| {
            for agreement in &mut sample.agreement {
                agreement.quotas.per_subject_per_day = 100_000;
                agreement.quotas.checks_per_day = 1_000_000;
            }
            let list = sample.list.iter_mut().find(|list| *list.id == *COURT).unwrap();
            list.review_body = Some("tax".parse().unwrap());
        });
        let mut federation = Federation::start("procurement", options).await.unwrap();
        // More than a person does in a minute.
        federation.stop("portal").await.unwrap();
        let file = federation.folder().join("portal.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        let limits = "[api.limits]\nchecks_per_minute = 1000000\nconsent_changes_per_minute = 1000000\n";
        std::fs::write(&file, format!("{text}\n{limits}")).unwrap();
        federation.restart("portal").await.unwrap();
        let mut scene = Self { federation, words: Map::new() };
        scene.fill().await;
        scene
    }

    async fn fill(&mut self) {
        let federation = &self.federation;
        let mut rng = seeded_rng([66; 32]);
        let codes: Vec<String> = (0..2).map(|_| generate_uscc(&mut rng)).collect();
        federation.publish(COURT, federation.records_csv(101, &codes)).await.unwrap();
        federation.publish(TAX, federation.records_csv(201, &codes[1..])).await.unwrap();
        let me = |mut body: Value| {
            (body["scheme"], body["code"]) = (json!("CN-USCC"), json!(codes[0]));
            body
        };
        let portal = federation.desk("portal").unwrap();
        let [officer, court, tax] = ["procurement", "court", "tax"]
            .map(|member| federation.node_desk(member, OFFICER_APPLICATION).unwrap());
        post(&portal, "/v1/users", me(json!({}))).await;

        // Answers, of which one names the person; and measures on that.
        let (mut records, mut measures) = (Vec::new(), Vec::new());
        for list in [COURT, TAX] {
            let question = json!({ "lists": [list], "purpose": "screening", "case_number": "2026-0417", "officer": "li" });
            let answer = post(&officer, "/v1/checks", me(question)).await;
            records.push(answer["answers"][0]["record"]["id"].clone());
        }
        let measure = json!({ "record": records[0], "measure": 1, "decider": "the tender office" });
        let measure = post(&officer, "/v1/measures", measure).await;
        measures.push(measure["measure"]["registration"]["id"].clone());
        let own = post(&portal, "/v1/checks", json!({ "code": codes[0], "list": COURT })).await;

        // Consents that were given and requests that wait, enough for all that is done to them.
        let shown = json!({ "language": "en", "text": "You may be asked about." });
        let (mut consents, mut asked) = (Vec::new(), Vec::new());
        for _ in 0..24 {
            let id = new_ulid(federation.clock().now(), &mut os_rng()).to_string();
            let consent = json!({
                "id": id, "requester": "procurement", "lists": [TAX], "purposes": ["vendor-selection"], "days": 60,
                "frequency": "4 MONTH", "shown": shown,
            });
            post(&portal, "/v1/consents", me(consent)).await;
            consents.push(json!(id));
            if (11..=15).contains(&consents.len()) {
                post(&portal, &format!("/v1/consents/{id}/pause"), me(json!({}))).await;
            }
        }
        for _ in 0..6 {
            let ask = json!({
                "lists": [TAX], "purposes": ["vendor-selection"], "days": 60, "frequency": "4 MONTH", "officer": "li",
            });
            asked.push(post(&officer, "/v1/consents", me(ask)).await["consent"].clone());
        }

        // An objection that was decided, and one that waits for a decision.
        let mut objections = Vec::new();
        for (list, desk) in [(COURT, &court), (TAX, &tax)] {
            let filed =
                post(&portal, "/v1/objections", me(json!({ "list": list, "text": "I have paid." }))).await;
            let search = json!({ "level": "objection" });
            until(desk, "/v1/cases/search", search, |it| it["cases"][0]["case_id"] == filed["objection"])
                .await;
            objections.push(filed["objection"].clone());
        }
        let ruling = json!({ "outcome": "upheld", "reasons": "No payment came.", "decided_by": "Judge Li" });
        let decide = format!("/v1/cases/objection/{}/decide", objections[0].as_str().unwrap());
        post(&court, &decide, ruling).await;
        until(&portal, "/v1/matters", me(json!({})), |it| it["objections"][0]["state"] == "decided").await;
        federation.read_anew("portal").await.unwrap();

        let words = json!({
            "code": [codes[0]], "scheme": ["CN-USCC"], "list": [COURT, FAVORABLE, TAX], "lists": [[TAX]],
            "purpose": ["screening"], "purposes": [["vendor-selection"]], "requester": ["procurement"],
            "authority": ["portal"], "frequency": ["4 MONTH"], "language": ["en"],
            "expires": [federation.clock().now().plus_ms(90 * 86_400_000).to_rfc3339()],
            "record_id": [own["record_id"], records[0]], "record": [records[0]], "measure_id": measures,
            "consent": asked, "allow": asked[..4], "refuse": asked[4..],
            "asked_list": [TAX], "asked_purpose": ["vendor-selection"], "days": [90],
            "withdraw": consents[..5], "pause": consents[5..10], "resume": consents[10..15], "renew": consents[15..20],
            "receipt": consents[20..], "objection": [objections[0]],
            "level": ["objection"], "case_id": [objections[1]], "cursor": [""],
        });
        let Value::Object(words) = words else { unreachable!() };
        self.words = words;
    }

    /// A document whose examples name what there is.
    fn document(&self, text: &str) -> Value {
        let mut document: Value = serde_json::from_str(text).unwrap();
        for schema in document["components"]["schemas"].as_object_mut().unwrap().values_mut() {
            // What stands for a whole body would hide what its fields are.
            schema.as_object_mut().unwrap().remove("example");
            let Some(fields) = schema.get_mut("properties").and_then(Value::as_object_mut) else { continue };
            for (name, field) in fields {
                self.exemplify(name, field);
            }
        }
        for (path, item) in document["paths"].as_object_mut().unwrap() {
            for operation in item.as_object_mut().unwrap().values_mut() {
                let parameters = operation.get_mut("parameters").and_then(Value::as_array_mut);
                for parameter in parameters.into_iter().flatten() {
                    let name = parameter["name"].as_str().unwrap().to_owned();
                    // What is done with what it names stands behind the id.
                    let name =
                        if name == "id" { path.split('/').next_back().unwrap().to_owned() } else { name };
                    self.exemplify(&name, &mut parameter["schema"]);
                }
            }
        }
        document
    }

    fn exemplify(&self, name: &str, schema: &mut Value) {
        let Some(words) = self.words.get(name) else { return };
        let schema = schema.as_object_mut().unwrap();
        schema.remove("example");
        schema.insert("examples".to_owned(), words.clone());
    }

    /// Runs the program on an interface, without these operations.
    async fn run(&self, program: &Path, of: &Interface<'_>) {
        let folder = self.federation.folder().join(format!("schemathesis-{}", of.name));
        std::fs::create_dir(&folder).unwrap();
        let document = self.document(of.document);
        std::fs::write(folder.join("openapi.json"), document.to_string()).unwrap();
        let dictionaries: String = self
            .words
            .iter()
            .filter(|(_, values)| values.as_array().unwrap().iter().all(|it| !it.is_array()))
            .map(|(name, values)| format!("{name} = {{ values = {values} }}\n"))
            .collect();
        let config = format!("{CONFIG}\n[dictionaries]\n{dictionaries}");
        std::fs::write(folder.join("schemathesis.toml"), config).unwrap();
        let mut command = Command::new(program);
        command.args(["--no-color", "--config-file", "schemathesis.toml", "run", "openapi.json"]);
        command.arg("--url").arg(&of.url).args(["--report", "har", "--report-har-path", "report.har"]);
        for operation in of.without {
            command.args(["--exclude-operation-id", operation]);
        }
        let output = command
            .env("API_TOKEN", &of.token)
            .current_dir(&folder)
            .stdin(Stdio::null())
            .output()
            .await
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{}: {said}\n{}", of.name, String::from_utf8_lossy(&output.stderr));

        // It would say the same of an interface that refuses everything.
        let report: Value =
            serde_json::from_slice(&std::fs::read(folder.join("report.har")).unwrap()).unwrap();
        let told = statuses(&document, &report, &of.url);
        for (operation, statuses) in &told {
            assert!(statuses.iter().all(|status| *status < 500), "{operation}: {statuses:?}");
        }
        let reached = |name: &str| told.get(name).is_some_and(|statuses| statuses.contains(&200));
        let missed: Vec<&str> = operations(&document)
            .into_iter()
            .filter(|(name, ..)| !of.without.contains(name) && !reached(name))
            .map(|(name, ..)| name)
            .collect();
        assert!(missed.is_empty(), "{}: no good request of {missed:?} was made: {told:?}", of.name);
    }
}

/// Names of the operations, with their methods and paths.
fn operations(document: &Value) -> Vec<(&str, String, &str)> {
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let name = operation["operationId"].as_str().unwrap();
            operations.push((name, method.to_uppercase(), path.as_str()));
        }
    }
    operations
}

/// The statuses that were answered, by operation.
fn statuses<'d>(document: &'d Value, report: &Value, url: &str) -> BTreeMap<&'d str, BTreeSet<u64>> {
    let operations = operations(document);
    let mut statuses: BTreeMap<&str, BTreeSet<u64>> = BTreeMap::new();
    for exchange in report["log"]["entries"].as_array().unwrap() {
        let (request, response) = (&exchange["request"], &exchange["response"]);
        let path = request["url"].as_str().unwrap().strip_prefix(url).unwrap().split('?').next().unwrap();
        let is_at = |known: &str| {
            let (known, given): (Vec<&str>, Vec<&str>) =
                (known.split('/').collect(), path.split('/').collect());
            known.len() == given.len()
                && known.iter().zip(&given).all(|(known, given)| known == given || known.starts_with('{'))
        };
        let found = operations.iter().filter(|(_, method, _)| request["method"] == *method);
        // An address without a segment that stands for any comes first.
        let found = found.filter(|(.., known)| is_at(known)).min_by_key(|(.., known)| known.contains('{'));
        if let Some((name, ..)) = found {
            statuses.entry(name).or_default().insert(response["status"].as_u64().unwrap());
        }
    }
    statuses
}

/// An interface of a member, as an application meets it.
struct Interface<'a> {
    name: &'a str,
    document: &'a str,
    url: String,
    token: String,
    /// Operations that are not tried.
    without: &'a [&'a str],
}

impl Scene {
    fn authority<'a>(&self, without: &'a [&'a str]) -> Interface<'a> {
        let file = self.federation.folder().join("portal.toml");
        let file = AuthorityFile::load(&file, Environment::Ignored).unwrap();
        Interface {
            name: "authority",
            document: tacit_authority::openapi(),
            url: format!("http://{}", self.federation.desk_at("portal").unwrap()),
            token: connect::desk_token(&file, CLI_APPLICATION).unwrap().to_string(),
            without,
        }
    }

    fn node<'a>(&self, member: &'a str, without: &'a [&'a str]) -> Interface<'a> {
        let file = self.federation.folder().join(format!("{member}.toml"));
        let file = NodeFile::load(&file, Environment::Ignored).unwrap();
        Interface {
            name: member,
            document: tacit_node::gateway::openapi(),
            url: format!("http://{}", self.federation.gateway_at(member).unwrap().http.unwrap()),
            token: connect::token(&file, OFFICER_APPLICATION).unwrap().to_string(),
            without,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_interfaces_answer_as_their_documents_say_whatever_is_sent() {
    let Some(program) = std::env::var_os(PROGRAM).map(PathBuf::from) else {
        eprintln!("SKIPPED: the interfaces are not compared with their documents ({PROGRAM} is not set)");
        return;
    };
    let scene = Scene::new().await;
    scene.run(&program, &scene.authority(&["openapi"])).await;
    // It knows no JSON Lines; what is wrong in a batch is tried in `bad_input`.
    let lines = ["checkBatch", "planBatch", "openapi"];
    let cases = ["searchCases", "showCase", "decideCase"];
    scene.run(&program, &scene.node("procurement", &[lines, cases].concat())).await;
    let asks = ["check", "askConsent", "registerMeasure", "liftMeasure", "receipt"];
    scene.run(&program, &scene.node("tax", &[&lines[..], &asks].concat())).await;
}
