//! The portal against a real federation, without a browser: who sees what, what is refused, what every answer carries.

#![cfg(test)]

mod acted;
mod auditor;
mod auditor_boxes;
mod auditor_walk;
mod cases;
mod consents;
mod letters;
mod limits;
mod officer;
mod officer_batch;
mod officer_walk;
mod pages;
mod subject;
mod tls;
mod visitor;
mod walk;

use http::{StatusCode, header};
use serde_json::json;
use tacit_federation::run::RunningPortal;
use tacit_model::{entropy::seeded_rng, generate::generate_uscc};
use tacit_testkit::{Federation, KitError, Options};
use tacit_wire::gateway::Question;
use visitor::{Page, Visitor};

const COURT: &str = "court/judgment-defaulters";

/// A federation, its portal with the subject desk, and two people with their codes.
struct Scene {
    federation: Federation,
    portal: RunningPortal,
    codes: Vec<String>,
}

fn accounts(codes: &[String]) -> serde_json::Value {
    let person = |account: &str, code: &str| {
        json!({ "account": account, "title": account,
            "claims": { "name": account, "subject_scheme": "CN-USCC", "subject_code": code } })
    };
    let mandate = |scopes: &[&str], until: &str| json!({ "scheme": "CN-USCC", "code": codes[0], "name": "Minjiang Paper", "scopes": scopes, "until": until });
    let mut agent = person("agent", &codes[1]);
    agent["claims"]["mandates"] = json!([
        mandate(&["read"], "2099-01-01T00:00:00Z"),
        mandate(&["consent"], "2099-01-01T00:00:00Z"),
        mandate(&["read"], "2020-01-01T00:00:00Z"),
    ]);
    let clerk =
        json!({ "account": "clerk", "title": "clerk", "claims": { "name": "clerk", "roles": ["clerk"] } });
    let mut narrow = person("narrow", &codes[1]);
    let scopes = ["read", "check", "consent", "object"];
    narrow["claims"]["mandates"] = scopes.map(|scope| mandate(&[scope], "2099-01-01T00:00:00Z")).into();
    json!([person("paper", &codes[0]), agent, clerk, narrow])
}

async fn scene() -> Scene {
    scene_with("").await
}

/// A scene whose desk has more in its table.
async fn scene_with(more: &str) -> Scene {
    let federation = Federation::start("procurement", Options::quick().reading_ms(1000)).await.unwrap();
    let codes = listed(&federation).await;
    let portal = portal(&federation, &codes, more).await.unwrap();
    Scene { federation, portal, codes }
}

/// Two codes, the first of them on the court's list.
async fn listed(federation: &Federation) -> Vec<String> {
    let mut rng = seeded_rng([77; 32]);
    let codes: Vec<String> = (0..2).map(|_| generate_uscc(&mut rng)).collect();
    federation.publish(COURT, federation.records_csv(101, &codes[..1])).await.unwrap();
    codes
}

async fn portal(federation: &Federation, codes: &[String], more: &str) -> Result<RunningPortal, KitError> {
    let address = if more.contains("http = ") { "" } else { r#"http = "127.0.0.1:0""# };
    let desks = format!(
        r#"
[subject]
{address}
time_zone = "Asia/Shanghai"
api = {{ url = "http://{}", tokens = "tokens/portal.tokens", application = "cli" }}
{more}

[subject.login]
kind = "development"
accounts = "accounts.json"
claims = {{ clerk = {{ claim = "roles", value = "clerk" }} }}
"#,
        federation.desk_at("portal").unwrap(),
    );
    let database = tacit_store::conformance::url(federation.folder(), "web");
    std::fs::write(federation.folder().join("accounts.json"), accounts(codes).to_string()).unwrap();
    federation.portal("web", &database, &desks).await
}

impl Scene {
    fn visitor(&self) -> Visitor {
        Visitor::new(self.portal.desks()[0].address)
    }

    async fn asked(&self, code: &str) {
        let question = Question {
            lists: vec![COURT.to_owned()],
            purpose: "screening".to_owned(),
            case_number: "2026-0417".to_owned(),
            officer: "li.na".to_owned(),
            scheme: String::new(),
        };
        self.federation.ask("procurement", question, code).await.unwrap();
    }
}

/// What every answer carries, whatever it says.
fn dressed(page: &Page) {
    let get = |name: &str| page.headers.get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
    let policy = get("content-security-policy");
    assert!(policy.starts_with("default-src 'none'; script-src 'nonce-"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        (
            "permissions-policy",
            "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
        ),
        // Over TLS alone.
        ("strict-transport-security", ""),
    ] {
        assert_eq!(get(name), value, "{name}");
    }
    assert_eq!(get("x-request-id").len(), 26);
    for rule in ["frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"] {
        assert!(policy.contains(rule), "{policy}");
    }
    assert!(get("cache-control") == "no-store" || get("cache-control").ends_with("immutable"));
    if let Some(cookie) = page.headers.get(header::SET_COOKIE) {
        let cookie = cookie.to_str().unwrap();
        assert!(cookie.starts_with("__Host-tacit-"), "{cookie}");
        for word in ["HttpOnly", "Secure", "SameSite=Lax", "Path=/"] {
            assert!(cookie.contains(word), "{cookie}");
        }
        assert!(!cookie.contains("Domain"), "{cookie}");
    }
    assert!(!page.text.contains("style=\"") && !page.text.contains("<script>"), "no inline code");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_sees_who_asked_with_a_proof_takes_it_away_and_logs_out_for_good() {
    let scene = scene().await;
    let mut me = scene.visitor();
    me.log_in("paper").await;
    // Whoever looks for the first time is read for from then on; before that nothing is said about who asked.
    let unread = me.get("/en/asked").await;
    assert!(unread.text.contains("The log was not read for you yet."), "{}", unread.text);
    assert!(
        unread.text.contains("Not read yet for: Intermediate court, enforcement bureau"),
        "{}",
        unread.text
    );
    assert!(!unread.text.contains("Nobody asked"), "{}", unread.text);
    scene.federation.read_anew("portal").await.unwrap();
    let empty = me.get("/en/asked").await;
    assert!(empty.text.contains("Nobody asked about you so far."), "{}", empty.text);
    scene.asked(&scene.codes[0]).await;
    scene.federation.read_anew("portal").await.unwrap();

    let asked = me.get("/en/asked").await;
    dressed(&asked);
    let words = "checked whether you are on: Judgment defaulters (失信被执行人名单). Purpose: Screening of all registered suppliers";
    assert!(asked.text.contains(words), "{}", asked.text);
    assert!(me.get("/zh/asked").await.text.contains("查询了您是否在以下名单上"));
    let href = asked.text.split("href=\"").find(|href| href.starts_with("/en/asked/")).unwrap();
    let href = href.split('"').next().unwrap();
    let entry = me.get(href).await;
    assert!(entry.text.contains("Its place was recomputed from the log"), "{}", entry.text);
    let proof = me.get(&format!("{href}/proof")).await;
    let proof: serde_json::Value = serde_json::from_str(&proof.text).unwrap();
    assert!(proof["proof"]["checkpoint"].as_str().unwrap().contains("/log"), "{proof}");
    let csv = me.get("/en/asked.csv").await;
    assert_eq!(csv.text.lines().count(), 2, "{}", csv.text);
    assert!(csv.text.contains(COURT));
    let whole: serde_json::Value = serde_json::from_str(&me.get("/en/asked.json").await.text).unwrap();
    assert_eq!(whole["usage"].as_array().unwrap().len(), 1);
    // A period in which nothing was asked, and one that is no period.
    assert!(
        me.get("/en/asked?until=2020-01-01")
            .await
            .text
            .contains("Nobody asked about you up to 1 January 2020.")
    );
    let between = me.get("/en/asked?from=2020-01-01&until=2020-01-31").await.text;
    assert!(between.contains("between 1 January 2020 and 31 January 2020."), "{between}");
    assert!(between.contains("What is on record about you goes back to"), "{between}");
    let beyond = me.get("/en/asked?page=7").await;
    assert_eq!((beyond.status, beyond.to()), (StatusCode::SEE_OTHER, "/en/asked?page=1"));
    assert!(me.get("/en/asked?from=soon").await.text.contains("There is a problem"));
    // By agency and purpose; what is no choice narrows nothing.
    for (query, count) in [
        ("agency=procurement&purpose=screening", 1),
        ("agency=tax", 0),
        ("purpose=vendor-selection", 0),
        ("agency=nobody&purpose=screening", 1),
    ] {
        let page = me.get(&format!("/en/asked?{query}")).await;
        assert_eq!(page.text.matches("href=\"/en/asked/").count(), count, "{query}: {}", page.text);
        let csv = me.get(&format!("/en/asked.csv?{query}")).await;
        assert_eq!(csv.text.lines().count(), count + 1, "{query}: {}", csv.text);
        assert_eq!(page.text.contains("Nothing of this kind is on record"), count == 0, "{query}");
    }

    // Who is still logged in is not told otherwise.
    let stays = me.get("/en/goodbye").await;
    assert_eq!((stays.status, stays.to()), (StatusCode::SEE_OTHER, "/en/"));
    let kept = me.clone();
    let out = me.post("/en/logout", &[("csrf", &asked.csrf())]).await;
    assert_eq!((out.status, out.to()), (StatusCode::SEE_OTHER, "/en/goodbye"));
    assert!(me.cookie.is_none());
    // The cookie of before is worth nothing any more.
    let mut thief = kept;
    assert_eq!(thief.get("/en/asked").await.to(), "/en/login?to=%2Fasked");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_not_logged_in_or_sends_what_was_forged_gets_nothing_and_learns_nothing() {
    let scene = scene().await;
    scene.asked(&scene.codes[0]).await;
    let mut me = scene.visitor();
    me.log_in("paper").await;
    me.get("/en/asked").await;
    scene.federation.read_anew("portal").await.unwrap();
    let asked = me.get("/en/asked").await;
    let href = asked.text.split("href=\"").find(|href| href.starts_with("/en/asked/")).unwrap();
    let entry = href.split('"').next().unwrap().to_owned();

    let mut stranger = scene.visitor();
    for path in
        ["/en/asked", "/en/asked.csv", "/en/asked.json", &entry, "/en/acting", "/en/nothing", "/nothing"]
    {
        let page = stranger.get(path).await;
        dressed(&page);
        assert_eq!(page.status, StatusCode::SEE_OTHER, "{path}");
        assert!(page.to().contains("/login?to="), "{path}: {}", page.to());
    }
    // Another person's entry is like one that there is not.
    let mut other = scene.visitor();
    other.log_in("agent").await;
    let missing = "/en/asked/01KAM2V7Q3ZJ6V6T1V8M3W9R5C";
    let (theirs, none) = (other.get(&entry).await, other.get(missing).await);
    assert_eq!((theirs.status, none.status), (StatusCode::NOT_FOUND, StatusCode::NOT_FOUND));
    assert!(!theirs.text.contains("Judgment"), "{}", theirs.text);
    // A form without the secret, with another session's, from elsewhere, and a cookie that was changed.
    let secret = asked.csrf();
    for (form, origin) in [
        (vec![], me.origin.clone()),
        (vec![("csrf", "x")], me.origin.clone()),
        (vec![("csrf", &*secret)], "https://evil.example".to_owned()),
    ] {
        let mut forger = me.clone();
        forger.origin = origin;
        let page = forger.post("/en/logout", &form).await;
        dressed(&page);
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{form:?}");
    }
    let theirs = other.get("/en/").await.csrf();
    assert_eq!(me.post("/en/logout", &[("csrf", &theirs)]).await.status, StatusCode::FORBIDDEN);
    assert_eq!(me.get("/en/asked").await.status, StatusCode::OK, "nothing was changed");
    let mut tampered = me.clone();
    let (name, value) = me.cookie.as_deref().and_then(|cookie| cookie.split_once('=')).unwrap();
    let first = if value.starts_with('A') { 'B' } else { 'A' };
    tampered.cookie = Some(format!("{name}={first}{}", &value[1..]));
    assert_eq!(tampered.get("/en/asked").await.status, StatusCode::SEE_OTHER);
    // Another method changes nothing, and a page that is not there says so only to who is inside.
    assert_eq!(me.get("/en/acting/stop").await.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(me.get("/en/nothing").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mandate_holds_for_what_it_says_and_until_its_end_and_a_clerk_helps_who_stands_there() {
    let scene = scene().await;
    let mut agent = scene.visitor();
    agent.log_in("agent").await;
    let secret = agent.get("/en/acting").await.csrf();
    let act = async |agent: &mut Visitor, mandate: &str| {
        agent.post("/en/acting", &[("csrf", &secret), ("mandate", mandate)]).await
    };
    assert_eq!(act(&mut agent, "0").await.status, StatusCode::SEE_OTHER);
    let page = agent.get("/en/asked").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text.contains("Acting for") && page.text.contains("Minjiang Paper"));
    // Only to consent: nothing is shown.
    assert_eq!(act(&mut agent, "1").await.status, StatusCode::SEE_OTHER);
    let page = agent.get("/en/asked").await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert!(page.text.contains("Your mandate does not cover this"), "{}", page.text);
    // Over.
    let page = act(&mut agent, "2").await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert!(page.text.contains("Your mandate has ended"), "{}", page.text);
    assert_eq!(act(&mut agent, "3").await.status, StatusCode::FORBIDDEN);
    let form =
        [("csrf", &*secret), ("scheme", "CN-USCC"), ("code", &scene.codes[0]), ("name", "n"), ("why", "w")];
    assert_eq!(agent.post("/en/acting", &form).await.status, StatusCode::FORBIDDEN, "no clerk");
    agent.post("/en/acting/stop", &[("csrf", &secret)]).await;
    assert_eq!(agent.get("/en/asked").await.status, StatusCode::OK);

    let mut clerk = scene.visitor();
    clerk.log_in("clerk").await;
    assert_eq!(clerk.get("/en/asked").await.status, StatusCode::FORBIDDEN, "a clerk is no subject");
    let secret = clerk.get("/en/acting").await.csrf();
    let form = |why| {
        [
            ("csrf", &*secret),
            ("scheme", "CN-USCC"),
            ("code", &*scene.codes[0]),
            ("name", "Paper"),
            ("why", why),
        ]
    };
    let page = clerk.post("/en/acting", &form("")).await;
    assert!(page.text.contains("Enter what the person asks for"), "{}", page.text);
    let mut typo = form("asks who asked");
    typo[2].1 = "91350100M000100Y4Z";
    let page = clerk.post("/en/acting", &typo).await;
    assert!(page.text.contains("The code is not well formed."), "{}", page.text);
    assert_eq!(clerk.post("/en/acting", &form("asks who asked")).await.status, StatusCode::SEE_OTHER);
    assert_eq!(clerk.get("/en/asked").await.status, StatusCode::OK);
}
