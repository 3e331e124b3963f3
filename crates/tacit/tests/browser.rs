//! The desks in a real browser, with a real identity provider and PostgreSQL: a federation and its portal are started here,
//! and the tests in `tests/browser/desks` walk through them.

#![cfg(test)]

use std::{collections::BTreeMap, path::Path, process::Stdio, time::Duration};

use serde_json::{Value, json};
use tacit_federation::{found::OFFICER_APPLICATION, run::RunningPortal};
use tacit_model::{entropy::seeded_rng, generate::generate_uscc};
use tacit_node::redress::Whose;
use tacit_store::{Dialect, conformance};
use tacit_testkit::{Federation, Options, PortRange};
use tacit_wire::gateway::{AskConsentRequest, Question};
use tokio::process::Command;

const COURT: &str = "court/judgment-defaulters";
const TAX: &str = "tax/serious-violations";

/// Who walks each way, by language and with or without scripts: a company that the court listed, with an account.
const WALKERS: [&str; 4] = ["en-script", "en-plain", "zh-script", "zh-plain"];
/// The tests of `tests/browser/desks`, in this order, but for the one that looks back on them.
const WALKS: [&str; 7] = ["holder", "subject", "consents", "acting", "officer", "auditor", "boxes"];
/// Whom each of the first codes belongs to.
const ACCOUNTS: [&str; 6] = ["paper", "agent", "listed", "other", "held", "nobody"];

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

/// A federation on PostgreSQL whose court notifies some of being listed, today.
async fn federation(listed: &[&str]) -> Federation {
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
    let rows: String =
        listed.iter().map(|code| format!("{code},101,(2026) No. 17,2026-10-01,,,\n")).collect();
    federation.publish(COURT, format!("{head}\n{rows}")).await.unwrap();
    let court = federation.redress("court", federation.clock()).await.unwrap();
    let noticed = court.notify(&COURT.parse().unwrap(), Whose::Due, "clerk").await.unwrap();
    for _ in 0..600 {
        if court.waiting(&noticed.written).await.unwrap() == 0 {
            federation.seal(COURT).await.unwrap();
            return federation;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the notices are not in the log");
}

/// Who can log in at the identity provider; the tests add the mandates that end while somebody acts.
fn accounts(code: impl Fn(&str) -> String) -> Value {
    let mandate = |scopes: &[&str], until: &str| json!({ "scheme": "CN-USCC", "code": code("paper"), "name": "Minjiang Paper", "scopes": scopes, "until": until });
    let company = |account: &str| {
        json!({ "account": account, "title": account, "claims": {
            "name": account, "subject_scheme": "CN-USCC", "subject_code": code(account), "mandates": [] } })
    };
    let official = |account: &str, name: &str, roles: &[&str]| json!({ "account": account, "title": account, "claims": { "name": name, "roles": roles } });
    let mut accounts: Vec<Value> = ACCOUNTS.into_iter().chain(WALKERS).map(company).collect();
    accounts[1]["claims"]["mandates"] = json!([
        mandate(&["read"], "2099-01-01T00:00:00Z"),
        mandate(&["consent"], "2099-01-01T00:00:00Z"),
        mandate(&["read"], "2020-01-01T00:00:00Z"),
    ]);
    accounts.extend(WALKERS.map(|way| official(&format!("guo-{way}"), &format!("Guo Wei {way}"), &[])));
    accounts.extend([
        official("chen", "Chen Bo", &["officer"]),
        official("sun", "Sun Jia", &["officer", "decides"]),
        official("wu", "Wu Fang", &["clerk"]),
        official("zhao", "Zhao Min", &["auditor"]),
        official("qian", "Qian Yu", &["auditor"]),
    ]);
    Value::Array(accounts)
}

/// The table of an officer desk of this member's agency.
fn officer_desk(federation: &Federation, member: &str, issuer: &str, client: &str) -> String {
    format!(
        r#"
[officer]
http = "127.0.0.1:0"
time_zone = "Asia/Shanghai"
limits = {{ logins_per_minute_of_address = 1200 }}
api = {{ url = "http://{}", tokens = "tokens/{member}.tokens", application = "{OFFICER_APPLICATION}" }}

[officer.login]
kind = "oidc"
issuer = "http://{issuer}"
client_id = "{client}"
claims = {{ role = {{ claim = "roles", value = "officer" }}, decides = {{ claim = "roles", value = "decides" }} }}
"#,
        federation.gateway_at(member).unwrap().http.unwrap(),
    )
}

/// The table of the desk of this auditor.
fn auditor_desk(member: &str, issuer: &str, client: &str) -> String {
    format!(
        r#"
[auditor]
http = "127.0.0.1:0"
time_zone = "Asia/Shanghai"
limits = {{ logins_per_minute_of_address = 1200 }}
auditor = "{member}.toml"

[auditor.login]
kind = "oidc"
issuer = "http://{issuer}"
client_id = "{client}"
claims = {{ role = {{ claim = "roles", value = "auditor" }} }}
"#
    )
}

/// Starts a portal of its own of these tables.
async fn portal(federation: &Federation, name: &str, tables: &str) -> RunningPortal {
    let database = conformance::url(federation.folder(), name);
    federation.portal(name, &database, tables).await.unwrap()
}

/// How browsers reach a desk.
fn at(portal: &RunningPortal, name: &str) -> String {
    portal.desks().iter().find(|desk| desk.name.as_str() == name).unwrap().origin.clone()
}

/// The pages of each desk's table.
fn pages(portal: &RunningPortal) -> Value {
    let pages = portal.desks().iter().map(|desk| {
        let opened = desk.routes.iter().filter(|route| route.method == "GET");
        let paths: Vec<&str> = opened.map(|route| route.path).collect();
        (desk.name.as_str().to_owned(), json!(paths))
    });
    Value::Object(pages.collect())
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
    let codes: BTreeMap<&str, String> =
        ACCOUNTS.into_iter().chain(WALKERS).map(|account| (account, generate_uscc(&mut rng))).collect();
    let code = |account: &str| codes[account].clone();
    let listed: Vec<&str> = ["paper"].into_iter().chain(WALKERS).map(|account| &*codes[account]).collect();
    let federation = federation(&listed).await;
    let taxed = federation.records_csv(201, [code("agent"), code("listed")]);
    federation.publish(TAX, taxed).await.unwrap();
    let desk = federation.desk("portal").unwrap();
    for (_, code) in codes.iter().filter(|(account, _)| **account != "nobody") {
        let person = json!({ "scheme": "CN-USCC", "code": code });
        assert_eq!(desk.post("/v1/users", &person).await.unwrap().status, 200);
    }
    // One question that is answered, and one that is refused for want of consent.
    federation.ask("procurement", question(COURT, "screening"), &code("paper")).await.unwrap();
    federation.ask("procurement", question(TAX, "vendor-selection"), &code("paper")).await.unwrap();
    let request = AskConsentRequest {
        code: code("paper"),
        lists: vec![TAX.to_owned()],
        purposes: vec!["vendor-selection".to_owned()],
        days: 60,
        frequency: "9 DAY".to_owned(),
        officer: "li".to_owned(),
        ..AskConsentRequest::default()
    };
    federation.gateway("procurement").unwrap().ask_consent(request).await.unwrap();
    federation.read_anew("portal").await.unwrap();

    let accounts_file = federation.folder().join("accounts.json");
    std::fs::write(&accounts_file, accounts(code).to_string()).unwrap();
    let ports = PortRange::claim().unwrap();
    let provider = ports.spare(0);
    let subject = format!(
        r#"
[subject]
http = "127.0.0.1:0"
time_zone = "Asia/Shanghai"
limits = {{ logins_per_minute_of_address = 1200 }}
api = {{ url = "http://{}", tokens = "tokens/portal.tokens", application = "cli" }}

[subject.login]
kind = "oidc"
issuer = "http://{provider}"
client_id = "subject"
claims = {{ clerk = {{ claim = "roles", value = "clerk" }} }}
"#,
        federation.desk_at("portal").unwrap(),
    );
    let officer = officer_desk(&federation, "procurement", &provider, "officer");
    let tables = [subject, officer, auditor_desk("auditor-a", &provider, "auditor")].concat();
    let web = portal(&federation, "web", &tables).await;
    // The court decides objections to its list; the tax authority reviews what the court decided.
    let holder =
        portal(&federation, "web-court", &officer_desk(&federation, "court", &provider, "holder")).await;
    // The other auditor's desk, at which openings are approved.
    let second = portal(&federation, "web-second", &auditor_desk("auditor-b", &provider, "second")).await;
    let review = portal(&federation, "web-tax", &officer_desk(&federation, "tax", &provider, "review")).await;

    // Where its gateway came to listen, for the command line.
    let grpc = federation.gateway_at("procurement").unwrap().grpc.unwrap();
    let text = std::fs::read_to_string(federation.config("procurement")).unwrap();
    let procurement = federation.folder().join("procurement-cli.toml");
    std::fs::write(&procurement, text.replace("grpc = \"127.0.0.1:0\"", &format!("grpc = \"{grpc}\"")))
        .unwrap();

    let walk = federation.folder().join("walk.json");
    std::fs::write(&walk, json!({ "codes": codes, "pages": pages(&web) }).to_string()).unwrap();
    let run = async |tests: &[&str]| {
        let output = Command::new("node")
            .args(["--test", "--test-reporter=spec", "--test-concurrency=1"])
            .args(tests.iter().map(|test| format!("tests/browser/desks/{test}.test.mjs")))
            .current_dir(&root)
            .env("TACIT_DESK_SUBJECT", at(&web, "subject"))
            .env("TACIT_DESK_OFFICER", at(&web, "officer"))
            .env("TACIT_DESK_AUDITOR", at(&web, "auditor"))
            .env("TACIT_DESK_SECOND_AUDITOR", at(&second, "auditor"))
            .env("TACIT_DESK_HOLDER", at(&holder, "officer"))
            .env("TACIT_DESK_REVIEW", at(&review, "officer"))
            .env("TACIT_WALK", &walk)
            .env("TACIT_WALKED", federation.folder().join("walked.jsonl"))
            // How a check is asked for on the command line, but for its code.
            .env("TACIT_PROGRAM", env!("CARGO_BIN_EXE_tacit"))
            .env("TACIT_PROCUREMENT", &procurement)
            .env("TACIT_OIDC_PORT", provider.rsplit(':').next().unwrap())
            .env("TACIT_OIDC_ACCOUNTS", &accounts_file)
            .stdin(Stdio::null())
            .output()
            .await
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
        assert!(said.contains("skipped 0"), "{said}");
        said
    };
    run(&WALKS).await;
    let looked_back = run(&["pages"]).await;
    for excepted in looked_back.lines().filter(|line| line.contains("no page:")) {
        eprintln!("{excepted}");
    }
    for portal in [web, holder, review, second] {
        portal.stop().await;
    }
}
