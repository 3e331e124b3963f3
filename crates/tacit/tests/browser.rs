//! The desks in a real browser, with a real identity provider and PostgreSQL: a federation and its portal are started here,
//! and the tests in `tests/browser/desks` walk through them.

#![cfg(test)]

use std::{path::Path, process::Stdio, time::Duration};

use serde_json::json;
use tacit_federation::{
    config::Environment,
    found::OFFICER_APPLICATION,
    run::{Surroundings, start_portal},
};
use tacit_model::{entropy::seeded_rng, generate::generate_uscc};
use tacit_node::redress::Whose;
use tacit_store::{Dialect, conformance};
use tacit_testkit::{Federation, Options, PortRange};
use tacit_wire::gateway::{AskConsentRequest, Question};
use tokio::process::Command;

const COURT: &str = "court/judgment-defaulters";
const TAX: &str = "tax/serious-violations";

/// Why the browser cannot be driven here, if so.
fn missing(root: &Path) -> Option<&'static str> {
    let chromium = std::env::var_os("TACIT_CHROMIUM").unwrap_or_else(|| "/usr/bin/chromium".into());
    if !Path::new(&chromium).exists() {
        return Some("there is no Chromium");
    }
    let installed = root.join("node_modules/playwright-core").is_dir();
    (!installed).then_some("the packages are not installed: npm ci")
}

fn question(list: &str, purpose: &str) -> Question {
    Question {
        lists: vec![list.to_owned()],
        purpose: purpose.to_owned(),
        case_number: "2026-0417".to_owned(),
        officer: "li.na".to_owned(),
        scheme: String::new(),
    }
}

/// A federation on PostgreSQL whose court notifies the first of these of being listed, today.
async fn federation(codes: &[String]) -> Federation {
    let options = Options::quick().reading_ms(1000).database(|folder, member| {
        // PostgreSQL names its databases by the member.
        Some(conformance::url(folder, member))
    });
    let options = options.change(|sample| {
        let list = sample.list.iter_mut().find(|list| list.id.as_str() == COURT).unwrap();
        (list.notice_days, list.review_body) = (0, Some("tax".parse().unwrap()));
        sample.category.iter_mut().filter(|it| it.adverse).for_each(|category| category.notice_days = 0);
    });
    let federation = Federation::start("procurement", options).await.unwrap();
    let head = "code,category,decision_ref,decided_on,notified_on,effective_on,expires_on";
    let row = format!("{head}\n{},101,(2026) No. 17,2026-10-01,,,\n", codes[0]);
    federation.publish(COURT, row).await.unwrap();
    let court = federation.redress("court", federation.clock()).await.unwrap();
    let noticed = court.notify(&COURT.parse().unwrap(), Whose::Due, "clerk").await.unwrap();
    for _ in 0..600 {
        if court.waiting(&noticed.written).await.unwrap() == 0 {
            federation.seal(COURT).await.unwrap();
            return federation;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the notice is not in the log");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgresql_every_desk_is_walked_through_in_a_browser() {
    if conformance::is_skipped(Dialect::Postgres, "the desks are walked through on PostgreSQL") {
        return;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    if let Some(why) = missing(&root) {
        eprintln!("SKIPPED: {why}");
        return;
    }
    let mut rng = seeded_rng([78; 32]);
    let codes: Vec<String> = (0..4).map(|_| generate_uscc(&mut rng)).collect();
    let federation = federation(&codes).await;
    federation.publish(TAX, federation.records_csv(201, &codes[1..3])).await.unwrap();
    let desk = federation.desk("portal").unwrap();
    for code in &codes {
        let person = json!({ "scheme": "CN-USCC", "code": code });
        assert_eq!(desk.post("/v1/users", &person).await.unwrap().status, 200);
    }
    // One question that is answered, and one that is refused for want of consent.
    federation.ask("procurement", question(COURT, "screening"), &codes[0]).await.unwrap();
    federation.ask("procurement", question(TAX, "vendor-selection"), &codes[0]).await.unwrap();
    let request = AskConsentRequest {
        code: codes[0].clone(),
        lists: vec![TAX.to_owned()],
        purposes: vec!["vendor-selection".to_owned()],
        days: 60,
        frequency: "9 DAY".to_owned(),
        officer: "li".to_owned(),
        ..AskConsentRequest::default()
    };
    federation.gateway("procurement").unwrap().ask_consent(request).await.unwrap();
    federation.read_anew("portal").await.unwrap();

    let mandate = |scopes: &[&str], until: &str| json!({ "scheme": "CN-USCC", "code": codes[0], "name": "Minjiang Paper", "scopes": scopes, "until": until });
    let person = |account: &str, code: &str, mandates: serde_json::Value| {
        json!({ "account": account, "title": account, "claims": {
            "name": account, "subject_scheme": "CN-USCC", "subject_code": code, "mandates": mandates } })
    };
    let accounts = json!([
        person("paper", &codes[0], json!([])),
        person(
            "agent",
            &codes[1],
            json!([
                mandate(&["read"], "2099-01-01T00:00:00Z"),
                mandate(&["consent"], "2099-01-01T00:00:00Z"),
                mandate(&["read"], "2020-01-01T00:00:00Z"),
            ])
        ),
        json!({ "account": "chen", "title": "chen", "claims": { "name": "Chen Bo", "roles": ["officer"] } }),
        json!({ "account": "zhao", "title": "zhao", "claims": { "name": "Zhao Min", "roles": ["auditor"] } }),
    ]);
    let accounts_file = federation.folder().join("accounts.json");
    std::fs::write(&accounts_file, accounts.to_string()).unwrap();
    let ports = PortRange::claim().unwrap();
    let provider = ports.spare(0);
    let file = federation.folder().join("web.toml");
    let text = format!(
        r#"
role = "portal"
name = "web"
database = "{}"

[subject]
http = "127.0.0.1:0"
time_zone = "Asia/Shanghai"
api = {{ url = "http://{}", tokens = "tokens/portal.tokens", application = "cli" }}

[subject.login]
kind = "oidc"
issuer = "http://{provider}"
client_id = "subject"

[officer]
http = "127.0.0.1:0"
time_zone = "Asia/Shanghai"
api = {{ url = "http://{}", tokens = "tokens/procurement.tokens", application = "{OFFICER_APPLICATION}" }}

[officer.login]
kind = "oidc"
issuer = "http://{provider}"
client_id = "officer"
claims = {{ role = {{ claim = "roles", value = "officer" }} }}

[auditor]
http = "127.0.0.1:0"
time_zone = "Asia/Shanghai"
auditor = "auditor-a.toml"

[auditor.login]
kind = "oidc"
issuer = "http://{provider}"
client_id = "auditor"
claims = {{ role = {{ claim = "roles", value = "auditor" }} }}
"#,
        conformance::url(federation.folder(), "web"),
        federation.desk_at("portal").unwrap(),
        federation.gateway_at("procurement").unwrap().http.unwrap(),
    );
    std::fs::write(&file, text).unwrap();
    let surroundings = Surroundings::new(federation.clock().clone());
    let portal = start_portal(&file, Environment::Ignored, &surroundings).await.unwrap();
    // The other auditor's desk, at which openings are approved.
    let text = format!(
        r#"
role = "portal"
name = "second"
database = "{}"

[auditor]
http = "127.0.0.1:0"
time_zone = "Asia/Shanghai"
auditor = "auditor-b.toml"

[auditor.login]
kind = "oidc"
issuer = "http://{provider}"
client_id = "second"
claims = {{ role = {{ claim = "roles", value = "auditor" }} }}
"#,
        conformance::url(federation.folder(), "second"),
    );
    let file = federation.folder().join("second.toml");
    std::fs::write(&file, text).unwrap();
    let second = start_portal(&file, Environment::Ignored, &surroundings).await.unwrap();
    let at =
        |name: &str| portal.desks().iter().find(|desk| desk.name.as_str() == name).unwrap().origin.clone();

    // Where its gateway came to listen, for the command line.
    let grpc = federation.gateway_at("procurement").unwrap().grpc.unwrap();
    let text = std::fs::read_to_string(federation.config("procurement")).unwrap();
    let procurement = federation.folder().join("procurement-cli.toml");
    std::fs::write(&procurement, text.replace("grpc = \"127.0.0.1:0\"", &format!("grpc = \"{grpc}\"")))
        .unwrap();

    let output = Command::new("node")
        .args(["--test", "--test-reporter=spec", "--test-concurrency=1"])
        .args(["subject", "officer", "auditor"].map(|desk| format!("tests/browser/desks/{desk}.test.mjs")))
        .current_dir(&root)
        .env("TACIT_DESK_SUBJECT", at("subject"))
        .env("TACIT_DESK_OFFICER", at("officer"))
        .env("TACIT_DESK_AUDITOR", at("auditor"))
        .env("TACIT_DESK_SECOND_AUDITOR", &second.desks()[0].origin)
        // How a check is asked for on the command line, but for its code.
        .env("TACIT_PROGRAM", env!("CARGO_BIN_EXE_tacit"))
        .env("TACIT_PROCUREMENT", &procurement)
        .env("TACIT_CODE_PAPER", &codes[0])
        // Nobody else of these tests asks about these.
        .env("TACIT_CODE_LISTED", &codes[2])
        .env("TACIT_CODE_OTHER", &codes[3])
        .env("TACIT_OIDC_PORT", provider.rsplit(':').next().unwrap())
        .env("TACIT_OIDC_ACCOUNTS", &accounts_file)
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("skipped 0"), "{said}");
    portal.stop().await;
    second.stop().await;
}
