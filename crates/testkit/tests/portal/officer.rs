//! The officer desk against a real node: one check from login to receipt, consent, measures, and who gets nothing.

use std::collections::BTreeMap;

use http::StatusCode;
use serde_json::json;
use tacit_client::Narrower;
use tacit_federation::{found::OFFICER_APPLICATION, run::RunningPortal};
use tacit_model::{entropy::seeded_rng, generate::generate_uscc, parse_ulid};
use tacit_testkit::{Federation, KitError, Options};

use crate::{
    dressed,
    visitor::{Page, Visitor},
};

pub(crate) const TAX: &str = "tax/serious-violations";
/// Lists with purposes, as the form has them.
pub(crate) const ELIGIBILITY: &str = "tax/serious-violations public-procurement-eligibility";
pub(crate) const SELECTION: &str = "tax/serious-violations vendor-selection";

/// A federation, the desk of its procurement office, and a code that is listed beside one that is not.
pub(crate) struct Scene {
    pub(crate) federation: Federation,
    pub(crate) portal: RunningPortal,
    pub(crate) listed: String,
    pub(crate) other: String,
}

/// What the claims of an officer's desk say.
pub(crate) const OFFICERS: &str =
    r#"{ role = { claim = "roles", value = "officer" }, decides = { claim = "roles", value = "decides" } }"#;

pub(crate) async fn scene() -> Scene {
    Scene::of(Federation::start("procurement", Options::quick()).await.unwrap(), "").await
}

/// The officer desk of an agency: with these claims, and more in its table.
pub(crate) async fn desk(
    federation: &Federation,
    agency: &str,
    claims: &str,
    more: &str,
) -> Result<RunningPortal, KitError> {
    let person = |account: &str, roles: &[&str]| json!({ "account": account, "title": account, "claims": { "name": account, "roles": roles } });
    let accounts = json!([
        person("chen", &["officer"]),
        person("zhou", &["officer"]),
        person("sun", &["officer", "decides"]),
        person("stranger", &[]),
    ]);
    let desks = format!(
        r#"
[officer]
http = "127.0.0.1:0"
time_zone = "Asia/Shanghai"
api = {{ url = "http://{}", tokens = "tokens/{agency}.tokens", application = "{OFFICER_APPLICATION}" }}
{more}

[officer.login]
kind = "development"
accounts = "accounts.json"
claims = {claims}
"#,
        federation.gateway_at(agency).unwrap().http.unwrap(),
    );
    std::fs::write(federation.folder().join("accounts.json"), accounts.to_string()).unwrap();
    federation.portal("web", "sqlite:data/web.db", &desks).await
}

impl Scene {
    /// Of a federation that runs; its officer desk has this beside in its table.
    pub(crate) async fn of(federation: Federation, more: &str) -> Self {
        let mut rng = seeded_rng([79; 32]);
        let [listed, other] = [(); 2].map(|()| generate_uscc(&mut rng));
        federation.publish(TAX, federation.records_csv(201, [&listed])).await.unwrap();
        let portal = desk(&federation, "procurement", OFFICERS, more).await.unwrap();
        Self { federation, portal, listed, other }
    }

    pub(crate) async fn officer(&self, account: &str) -> Visitor {
        let mut visitor = Visitor::new(self.portal.desks()[0].address);
        visitor.log_in(account).await;
        visitor
    }

    /// How many records of each kind the log has; but for readings, which go on by themselves.
    pub(crate) async fn kinds(&self) -> BTreeMap<&'static str, u64> {
        let log = self.federation.auditor("auditor-a").unwrap().verify(|_, _| {}).await.unwrap();
        log.kinds.into_iter().filter(|(kind, _)| *kind != "audit").collect()
    }
}

/// Asks as the form does.
pub(crate) async fn ask(officer: &mut Visitor, code: &str, choice: &str, case: &str) -> Page {
    let csrf = officer.get("/en/check").await.csrf();
    officer
        .post("/en/check", &[("csrf", &csrf), ("code", code), ("choice", choice), ("case_number", case)])
        .await
}

/// The first address on a page that begins so.
pub(crate) fn link(page: &Page, begins: &str) -> String {
    let found = page.text.split("href=\"").find(|href| href.starts_with(begins));
    let found = found.unwrap_or_else(|| panic!("no link {begins} in {}", page.text));
    found.split('"').next().unwrap().replace("&#38;", "&").replace("&amp;", "&")
}

#[track_caller]
pub(crate) fn says(page: &Page, words: &[&str]) {
    for words in words {
        assert!(page.text.contains(words), "{words:?} is not in {}", page.text);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_officer_asks_one_list_reads_what_it_says_and_keeps_a_receipt_that_is_theirs_alone() {
    let scene = scene().await;
    let mut chen = scene.officer("chen").await;
    let empty = chen.get("/en/checks").await;
    dressed(&empty);
    says(&empty, &["You have made no checks."]);

    // What is missing is named at its field, what cannot be right too; nothing was asked.
    let page = ask(&mut chen, "", "", "").await;
    says(&page, &["Enter the code", "Choose a list and a purpose", "Enter a case number"]);
    let wrong = format!("{}!", &scene.listed[..17]);
    let page = ask(&mut chen, &wrong, ELIGIBILITY, "T-1").await;
    dressed(&page);
    says(&page, &["href=\"#code\"", "Character 18 of the code cannot be right", ELIGIBILITY, "T-1"]);
    let page = ask(&mut chen, &scene.listed, "court/judgment-defaulters gossip", "T-1").await;
    says(&page, &["Choose a list and a purpose"]);
    says(&chen.get("/en/checks").await, &["You have made no checks."]);

    let typed = scene.listed.to_lowercase();
    let page = ask(&mut chen, &typed, ELIGIBILITY, "T-1").await;
    dressed(&page);
    assert_eq!(page.headers["cache-control"], "no-store");
    let words = [
        "tacit-answer--listed",
        "An answer is not a decision.",
        "This says nothing about other lists.",
        &*typed,
        &*scene.listed,
        "small letters were made capitals",
        "May be used until",
        "Objections go to",
        "Measures allowed",
    ];
    says(&page, &words);
    let receipt = link(&page, "/en/checks/");
    let file = chen.get_bytes(&receipt).await;
    assert!(file.len() > 1000 && file.windows(4).any(|part| part == b"chen"), "{} bytes", file.len());
    let page = ask(&mut chen, &scene.other, ELIGIBILITY, "T-2").await;
    says(&page, &["tacit-answer--not-listed", "This says nothing about other lists."]);
    assert!(!page.text.contains("Measures allowed") && !page.text.contains("/measures/new"));

    // Found again by case, without whom it was about and what was answered; a colleague's stay the colleague's.
    let mine = chen.get("/en/checks?case=T-1").await;
    says(&mine, &["T-1", "Serious tax violations", "Is a bidder eligible"]);
    assert_eq!(mine.text.matches("/receipt\"").count(), 1);
    assert!(!mine.text.contains(&scene.listed) && !mine.text.contains("T-2"));
    says(&chen.get("/en/checks?from=soon").await, &["There is a problem"]);
    says(&chen.get("/en/checks?until=2020-01-01").await, &["None of your checks matches."]);
    let mine = chen
        .get(&format!("/en/checks?list={}&purpose=public-procurement-eligibility", TAX.replace('/', "%2F")))
        .await;
    says(&mine, &["Newest first.", "value=\"tax/serious-violations\" selected"]);
    let at = |case: &str| mine.text.find(case).unwrap_or_else(|| panic!("{case}: {}", mine.text));
    assert!(at("T-2") < at("T-1"), "{}", mine.text);
    says(&chen.get("/en/checks?purpose=vendor-selection").await, &["None of your checks matches."]);
    says(&chen.get("/en/checks?list=nobody%2Fnothing").await, &["T-1", "T-2"]);
    let mut zhou = scene.officer("zhou").await;
    says(&zhou.get("/en/checks").await, &["You have made no checks."]);
    let theirs = zhou.get(&receipt).await;
    assert_eq!(theirs.status, StatusCode::NOT_FOUND);
    dressed(&theirs);

    // A measure rests on the answer that names the subject, once somebody decided it.
    let page = ask(&mut chen, &scene.listed, ELIGIBILITY, "T-3").await;
    let form = chen.get(&link(&page, "/en/measures/new?")).await;
    dressed(&form);
    let field = |name: &str| {
        let (_, rest) = form.text.split_once(&format!("name=\"{name}\" value=\"")).unwrap();
        rest.split('"').next().unwrap().to_owned()
    };
    let (csrf, record, list, agreement, measure) =
        (form.csrf(), field("record"), field("list"), field("agreement"), field("measure"));
    let fields = |decider: &'static str| {
        [
            ("csrf", &*csrf),
            ("record", &*record),
            ("list", &*list),
            ("agreement", &*agreement),
            ("measure", &*measure),
            ("decider", decider),
        ]
    };
    says(&chen.post("/en/measures", &fields("")).await, &["Enter who decided"]);
    let done = chen.post("/en/measures", &fields("head of the tender office")).await;
    says(&done, &["Measure registered", "head of the tender office", "Stands"]);
    let standing = chen.get("/en/measures").await;
    dressed(&standing);
    says(&standing, &["head of the tender office", "T-3"]);
    let lift = standing.text.split("action=\"").find(|it| it.starts_with("/en/measures/")).unwrap();
    let lift = lift.split('"').next().unwrap().to_owned();
    let nobody = chen.post(&lift, &[("csrf", &csrf), ("decider", "")]).await;
    says(&nobody, &["href=\"#decider-1\"", "Enter who decided"]);
    assert!(chen.get(&lift).await.to().starts_with("/en/measures"), "the other language leads to the list");
    let done = chen.post(&lift, &[("csrf", &csrf), ("decider", "the same")]).await;
    says(&done, &["Measure lifted"]);
    says(&chen.get("/zh/measures?all=1").await, &["已解除"]);
    says(&chen.get("/en/node").await, &["procurement", "This agency keeps no list."]);

    let kept = chen.clone();
    let out = chen.post("/en/logout", &[("csrf", &csrf)]).await;
    assert_eq!((out.status, out.to()), (StatusCode::SEE_OTHER, "/en/goodbye"));
    let mut thief = kept;
    assert_eq!(thief.get(&receipt).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_officer_who_is_refused_for_want_of_consent_asks_for_it_there_and_sees_what_becomes_of_it() {
    let scene = scene().await;
    let mut chen = scene.officer("chen").await;
    let refused = ask(&mut chen, &scene.listed, SELECTION, "T-9").await;
    dressed(&refused);
    says(
        &refused,
        &["tacit-answer--none", "It needs the consent of the person", "You learned nothing about this code"],
    );
    assert!(!refused.text.contains("/receipt\""), "nothing was answered");
    let csrf = refused.csrf();
    let fields = |days: &'static str, times: &'static str| {
        [
            ("csrf", &*csrf),
            ("code", &*scene.listed),
            ("list", TAX),
            ("purpose", "vendor-selection"),
            ("case_number", "T-9"),
            ("days", days),
            ("times", times),
            ("unit", "MONTH"),
        ]
    };
    let page = chen.post("/en/consents", &fields("soon", "")).await;
    says(&page, &["Enter a number of days", "Enter how many checks"]);
    let asked = chen.post("/en/consents", &fields("90", "4")).await;
    assert_eq!(asked.status, StatusCode::SEE_OTHER, "{}", asked.text);
    let at = asked.to().to_owned();
    let waits = chen.get(&at).await;
    dressed(&waits);
    says(&waits, &["It waits for the decision", "data-module=\"tacit-poll\"", "4 times a month"]);
    assert!(!waits.text.contains(&scene.listed));
    says(&chen.get("/en/consents").await, &[&at, "It waits for the decision"]);

    let authority = scene.federation.authority("portal").await.unwrap();
    let id = parse_ulid(at.rsplit('/').next().unwrap()).unwrap();
    let request = authority.request(id).await.unwrap();
    authority.allow(&request, Narrower { notice: [9; 32], ..Narrower::default() }).await.unwrap();
    let given = chen.get(&at).await;
    says(&given, &["Consent is given."]);
    assert!(!given.text.contains("tacit-poll"));
    let answered = ask(&mut chen, &scene.listed, SELECTION, "T-9").await;
    says(&answered, &["tacit-answer--listed", "no measure may rest on this answer"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_officers_come_in_and_only_those_who_decide_see_that_there_are_objections() {
    let scene = scene().await;
    let mut chen = scene.officer("chen").await;
    let page = ask(&mut chen, &scene.other, ELIGIBILITY, "T-1").await;
    let receipt = link(&page, "/en/checks/");
    let csrf = page.csrf();
    let case = "/en/cases/objection/01KAM2V7Q3ZJ6V6T1V8M3W9R5C";
    let lift = "/en/measures/01KAM2V7Q3ZJ6V6T1V8M3W9R5C/lift";
    let pages = [
        "/en/check",
        "/en/checks",
        &receipt,
        "/en/consents",
        "/en/consents/01KAM2V7Q3ZJ6V6T1V8M3W9R5C",
        "/en/measures",
        "/en/measures/new",
        "/en/cases",
        case,
        "/en/node",
        "/en/nothing",
    ];
    let forms = ["/en/check", "/en/consents", "/en/measures", lift, case, "/en/logout"];

    let mut stranger = Visitor::new(scene.portal.desks()[0].address);
    for path in pages {
        let page = stranger.get(path).await;
        dressed(&page);
        assert_eq!(page.status, StatusCode::SEE_OTHER, "{path}");
        assert!(page.to().starts_with("/en/login?to="), "{path}: {}", page.to());
    }
    let begun = stranger.get("/en/login").await.csrf();
    for path in forms {
        let page = stranger.post(path, &[("csrf", &begun)]).await;
        dressed(&page);
        assert_eq!(page.status, StatusCode::UNAUTHORIZED, "{path}");
    }
    // An account of the provider without the role is nobody here.
    let page = stranger.post("/en/login", &[("csrf", &begun), ("account", "stranger")]).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert_eq!(stranger.get("/en/check").await.status, StatusCode::SEE_OTHER);

    // Forms without the secret, with another session's, and from elsewhere.
    let mut sun = scene.officer("sun").await;
    let theirs = sun.get("/en/check").await.csrf();
    for path in forms {
        for (secret, origin) in
            [("", &*chen.origin), (&*theirs, &*chen.origin), (&*csrf, "https://evil.example")]
        {
            let mut forger = chen.clone();
            forger.origin = origin.to_owned();
            let page = forger.post(path, &[("csrf", secret)]).await;
            dressed(&page);
            assert_eq!(page.status, StatusCode::FORBIDDEN, "{path}");
        }
    }
    assert_eq!(chen.get("/en/check").await.status, StatusCode::OK, "nothing was changed");

    // Who does not decide is shown no way to objections, and gets nothing by its address.
    for path in ["/en/cases", case] {
        let page = chen.get(path).await;
        dressed(&page);
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{path}");
    }
    let page = chen.post(case, &[("csrf", &csrf)]).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert!(!chen.get("/en/").await.text.contains("/en/cases"));
    assert!(sun.get("/en/").await.text.contains("/en/cases"));
    // The right of the person does not stand in for that of the token.
    assert_eq!(sun.get("/en/cases").await.status, StatusCode::FORBIDDEN);
    says(&sun.get("/en/cases").await, &["This account may not do that."]);
    // Nothing but an id leads anywhere, and an unknown one nowhere.
    for path in ["/en/consents/..", "/en/consents/01KAM2V7Q3ZJ6V6T1V8M3W9R5C", "/en/checks/%2e%2e/receipt"] {
        assert_eq!(chen.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(chen.get("/en/measures/new?record=x").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_officer_desk_that_names_no_role_does_not_start() {
    let federation = Federation::start("procurement", Options::quick()).await.unwrap();
    let error = desk(&federation, "procurement", "{}", "").await.unwrap_err().to_string();
    assert!(error.contains("login.claims.role"), "{error}");
}
