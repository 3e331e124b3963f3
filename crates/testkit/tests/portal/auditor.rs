//! The auditor desk: the log as the portal verified it for itself.

use std::time::{Duration, Instant};

use http::StatusCode;
use serde_json::json;
use tacit_client::Findings;
use tacit_federation::{
    config::{AuditorFile, Environment, RoleFile as _},
    run::{RunningPortal, Surroundings, read_seed, start_portal},
};
use tacit_ledger::{
    checkpoint::Checkpoint,
    ed25519::SigningKey,
    note::{NoteSigner, NoteVerifier},
    proof::TlogProof,
};
use tacit_model::{entropy::seeded_rng, generate::generate_uscc};
use tacit_testkit::{Federation, Options};
use tacit_wire::gateway::{AskConsentRequest, Question};

use super::{
    COURT, dressed,
    visitor::{Page, Visitor},
};

const TAX: &str = "tax/serious-violations";

/// A federation with a portal for its auditors.
pub(crate) struct Desk {
    pub(crate) federation: Federation,
    pub(crate) portal: RunningPortal,
}

async fn portal(federation: &Federation) -> RunningPortal {
    portal_of(federation, "auditor-a").await
}

/// A portal that works for this auditor.
pub(crate) async fn portal_of(federation: &Federation, auditor: &str) -> RunningPortal {
    let folder = federation.folder();
    let person = |account: &str, roles: &[&str]| json!({ "account": account, "title": account, "claims": { "name": account, "roles": roles } });
    let accounts = json!([person("zhao", &["auditor"]), person("chen", &["officer"])]);
    std::fs::write(folder.join("auditors.json"), accounts.to_string()).unwrap();
    let name = if auditor == "auditor-a" { "audit-web".to_owned() } else { format!("{auditor}-web") };
    let desks = format!(
        r#"
[auditor]
http = "127.0.0.1:0"
time_zone = "Asia/Shanghai"
auditor = "{auditor}.toml"

[auditor.login]
kind = "development"
accounts = "auditors.json"
claims = {{ role = {{ claim = "roles", value = "auditor" }} }}
"#
    );
    federation.portal(&name, &format!("sqlite:data/{name}.db"), &desks).await.unwrap()
}

/// One check that was answered, and one that was refused for want of consent.
pub(crate) async fn asked() -> Federation {
    let federation = Federation::start("procurement", Options::quick()).await.unwrap();
    ask_in(&federation).await;
    federation
}

/// Asks twice about one code; which one.
pub(crate) async fn ask_in(federation: &Federation) -> String {
    let mut rng = seeded_rng([79; 32]);
    let code = generate_uscc(&mut rng);
    for (list, category) in [(COURT, 101), (TAX, 201)] {
        federation.publish(list, federation.records_csv(category, [&code])).await.unwrap();
    }
    for (list, purpose) in [(COURT, "screening"), (TAX, "vendor-selection")] {
        let question = Question {
            lists: vec![list.to_owned()],
            purpose: purpose.to_owned(),
            case_number: "2026-0417".to_owned(),
            officer: "li.na".to_owned(),
            scheme: String::new(),
        };
        federation.ask("procurement", question, &code).await.unwrap();
    }
    code
}

impl Desk {
    pub(crate) async fn start() -> Self {
        Self::over(asked().await).await
    }

    /// Of a federation that runs.
    pub(crate) async fn over(federation: Federation) -> Self {
        let portal = portal(&federation).await;
        Self { federation, portal }
    }

    pub(crate) fn visitor(&self) -> Visitor {
        Visitor::new(self.portal.desks()[0].address)
    }

    /// Looks again and again until a page says this; the log is followed every few seconds.
    pub(crate) async fn until(&self, visitor: &mut Visitor, path: &str, words: &str) -> Page {
        let begun = Instant::now();
        loop {
            let page = visitor.get(path).await;
            if page.text.contains(words) {
                return page;
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "{path} never says {words:?}: {}", page.text);
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }
}

/// The addresses on a page that begin so.
pub(crate) fn hrefs<'p>(page: &'p Page, beginning: &str) -> Vec<&'p str> {
    let all = page.text.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
    all.filter(|href| href.starts_with(beginning)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_auditor_reads_a_log_that_was_verified_filters_it_and_takes_a_proof_away() {
    let desk = Desk::start().await;
    let mut me = desk.visitor();
    me.log_in("zhao").await;
    let refused = desk.until(&mut me, "/en/log?decision=refused", "One entry").await;
    dressed(&refused);
    assert!(refused.text.contains("It needs the consent of the person"), "{}", refused.text);
    assert!(refused.text.contains("Verified to tree size") && refused.text.contains("witnesses cosigned."));
    assert!(me.get("/zh/log?decision=refused").await.text.contains("见证方中有"));
    // Filters find what they name and nothing else.
    for (filter, found) in [
        ("decision=permitted", "One entry"),
        ("decision=consent_required", "One entry"),
        ("decision=quota_checks", "No matching entries."),
        ("purpose=screening", "One entry"),
        ("list=tax%2Fserious-violations&kind=access", "No matching entries."),
        ("list=tax%2Fserious-violations&kind=refused", "One entry"),
        ("member=nobody", "No matching entries."),
        ("until=2020-01-01", "No matching entries."),
        ("index=0", "One entry"),
        ("index=x", "Enter the log index in digits"),
        ("id=x", "Enter all 26 letters and digits"),
        ("from=soon", "Enter the day as year, month and day"),
    ] {
        let page = me.get(&format!("/en/log?{filter}")).await;
        assert!(page.status == StatusCode::OK && page.text.contains(found), "{filter}: {}", page.text);
        let is_none = page.text.contains("No matching entries.");
        assert_eq!(is_none, found == "No matching entries.", "{filter}");
    }

    // One entry, and its proof, which convinces who has the log's key alone.
    let href = hrefs(&refused, "/en/log/")[0].to_owned();
    let entry = me.get(&href).await;
    dressed(&entry);
    assert!(entry.text.contains("Its place was recomputed from the record"), "{}", entry.text);
    assert!(entry.text.contains("Beside the log") && entry.text.contains(">consent_required<"));
    let record = me.get(&format!("{href}/record")).await.text;
    assert!(record.starts_with("tacit-log/v1\nkind refused\n"), "{record}");
    let proof = TlogProof::parse(me.get(&format!("{href}/proof")).await.text.as_bytes()).unwrap();
    let key = entry.text.split("--vkey ").nth(1).unwrap().split('<').next().unwrap();
    let key = NoteVerifier::parse(&key.replace("&#43;", "+")).unwrap();
    let head = proof.verify(record.as_bytes(), &key).unwrap();
    assert!(proof.verify(record.replace("refused", "refusee").as_bytes(), &key).is_err());
    let theirs = desk.federation.auditor("auditor-a").unwrap().checkpoint().await.unwrap();
    assert!(head.size() <= theirs.size());
    let id = record.lines().find_map(|line| line.strip_prefix("id ")).unwrap();
    assert!(me.get(&format!("/en/log?id={id}")).await.text.contains("One entry"));
    for missing in ["/en/log/99999999", "/en/log/x", "/en/log/x/proof"] {
        assert_eq!(me.get(missing).await.status, StatusCode::NOT_FOUND, "{missing}");
    }

    let chain = me.get("/en/chain").await;
    assert!(chain.text.contains("Cosigned") && chain.text.contains("court/witness"), "{}", chain.text);
    let out = me.post("/en/logout", &[("csrf", &chain.csrf())]).await;
    assert_eq!((out.status, out.to()), (StatusCode::SEE_OTHER, "/en/goodbye"));
    assert!(me.get("/en/log").await.to().starts_with("/en/login?to="));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_auditor_counts_or_takes_away_is_on_record_and_what_it_looks_at_is_not() {
    let desk = Desk::start().await;
    let mut me = desk.visitor();
    me.log_in("zhao").await;
    desk.until(&mut me, "/en/log?decision=refused", "One entry").await;
    for page in [
        "/en/",
        "/en/consents",
        "/en/agreements",
        "/en/signals",
        "/en/chain",
        "/en/openings",
        "/en/cases",
        "/en/findings",
        "/en/findings.csv",
        "/en/log",
        "/en/log/0",
        "/zh/",
        "/zh/signals",
    ] {
        let page = me.get(page).await;
        dressed(&page);
        assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    }
    let reader = desk.federation.auditor("auditor-a").unwrap();
    let kinds = async || reader.verify(|_, _| {}).await.unwrap().kinds;
    let before = kinds().await;
    assert!(!before.contains_key("audit") && !before.contains_key("export"), "{before:?}");

    let overview = me.get("/en/").await;
    assert!(overview.text.contains("<dt>Checks permitted</dt><dd>1</dd>"), "{}", overview.text);
    assert!(overview.text.contains("<dt>Checks refused</dt><dd>1</dd>"), "{}", overview.text);
    let agreements = me.get("/en/agreements").await;
    assert!(agreements.text.contains("Screening of all registered suppliers"), "{}", agreements.text);
    assert!(agreements.text.contains("with consent") && agreements.text.contains("Not needed"));

    // Counting, and an export, are forms; the record is there before the answer.
    let secret = overview.csrf();
    let signals = me.get("/en/signals").await;
    assert!(!signals.text.contains("<tbody"), "{}", signals.text);
    assert_eq!(me.post("/en/signals", &[("csrf", "x")]).await.status, StatusCode::FORBIDDEN);
    let counted = me.post("/en/signals", &[("csrf", &secret)]).await;
    assert_eq!((counted.status, counted.to()), (StatusCode::SEE_OTHER, "/en/signals"), "{}", counted.text);
    let signals = me.get("/en/signals").await;
    assert!(signals.text.contains(">procurement</th>"), "{}", signals.text);
    assert!(!signals.text.contains("The coordinator counts"), "{}", signals.text);
    assert_eq!(kinds().await.get("audit"), Some(&1));
    // What is out of the ordinary is kept on request alone: here what the custodian did not report yet.
    let unusual = usize::from(signals.text.contains("are registered, only 0 were evaluated"));
    assert_eq!(signals.text.contains("Keep as findings"), unusual == 1, "{}", signals.text);
    assert_eq!(findings(&desk.federation).all().unwrap(), []);
    for _ in 0..2 {
        let kept = me.post("/en/signals/findings", &[("csrf", &secret)]).await;
        assert_eq!((kept.status, kept.to()), (StatusCode::SEE_OTHER, "/en/findings"), "{}", kept.text);
    }
    assert_eq!(findings(&desk.federation).all().unwrap().len(), unusual);
    assert_eq!(kinds().await.get("audit"), Some(&1), "keeping them is no reading");

    let wanted = |form| [("csrf", &*secret), ("form", form), ("purpose", "screening")];
    let csv = me.post("/en/export", &wanted("csv")).await;
    dressed(&csv);
    assert_eq!(csv.status, StatusCode::OK, "{}", csv.text);
    assert!(
        csv.text.starts_with("index,kind,id,time,fields\n") && csv.text.contains(",access,"),
        "{}",
        csv.text
    );
    let lines = me.post("/en/export", &wanted("jsonl")).await;
    let line: serde_json::Value = serde_json::from_str(lines.text.lines().next().unwrap()).unwrap();
    assert!(
        line["checkpoint"].as_str().unwrap().contains("/log\n") && line["purpose"] == "screening",
        "{line}"
    );
    assert_eq!(kinds().await.get("export"), Some(&2));
    // What finds nothing, or cannot be read, is no export.
    let none = [("csrf", &*secret), ("form", "csv"), ("until", "2020-01-01")];
    assert_eq!(me.post("/en/export", &none).await.status, StatusCode::NOT_FOUND);
    let wrong = [("csrf", &*secret), ("form", "csv"), ("index", "x")];
    assert_eq!(me.post("/en/export", &wrong).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(me.post("/en/export", &[("form", "csv")]).await.status, StatusCode::FORBIDDEN);
    assert_eq!(kinds().await.get("export"), Some(&2));
    assert_eq!(me.get("/en/export").await.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_but_an_auditor_sees_a_page_of_the_auditor_desk() {
    let desk = Desk::start().await;
    let mut stranger = desk.visitor();
    for path in [
        "/en/",
        "/en/log",
        "/en/log/0",
        "/en/log/0/follow",
        "/en/log/0/record",
        "/en/log/0/proof",
        "/en/consents",
        "/en/agreements",
        "/en/signals",
        "/en/chain",
        "/en/openings",
        "/en/cases",
        "/en/findings",
        "/en/findings.csv",
        "/en/nothing",
    ] {
        let page = stranger.get(path).await;
        dressed(&page);
        assert_eq!(page.status, StatusCode::SEE_OTHER, "{path}");
        assert!(page.to().starts_with("/en/login?to="), "{path}: {}", page.to());
    }
    for path in
        ["/en/signals", "/en/export", "/en/log/0/follow", "/en/cases", "/en/signals/findings", "/en/logout"]
    {
        let page = stranger.post(path, &[("csrf", "x"), ("form", "csv")]).await;
        assert_eq!(page.status, StatusCode::UNAUTHORIZED, "{path}");
    }
    // Another role does not get in, whatever it wants to see.
    let login = stranger.get("/en/login").await;
    let page = stranger.post("/en/login", &[("csrf", &login.csrf()), ("account", "chen")]).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN, "{}", page.text);
    assert_eq!(stranger.get("/en/log").await.status, StatusCode::SEE_OTHER);
    // Nothing is changed by a form that was forged.
    let mut me = desk.visitor();
    me.log_in("zhao").await;
    assert_eq!(me.post("/en/logout", &[("csrf", "x")]).await.status, StatusCode::FORBIDDEN);
    assert_eq!(me.get("/en/log").await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_auditor_desk_that_would_let_anybody_in_does_not_start() {
    let desk = Desk::start().await;
    let folder = desk.federation.folder();
    let text = std::fs::read_to_string(folder.join("audit-web.toml")).unwrap();
    let open: Vec<&str> = text.lines().filter(|line| !line.starts_with("claims")).collect();
    let file = folder.join("open-web.toml");
    std::fs::write(&file, open.join("\n").replace("audit-web", "open-web")).unwrap();
    let surroundings = Surroundings::new(desk.federation.clock().clone());
    let error = start_portal(&file, Environment::Ignored, &surroundings).await.unwrap_err();
    assert!(error.to_string().contains("login.claims.role is missing"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_is_not_the_one_verified_before_fails_and_nothing_of_it_is_shown() {
    let federation = asked().await;
    let folder = federation.folder();
    let auditor = AuditorFile::load(&federation.config("auditor-a"), Environment::Ignored).unwrap();
    // What the log's key signed when the auditor looked last: another history.
    let seed = read_seed(&folder.join("keys/coordinator-log.seed")).unwrap();
    let signer = NoteSigner::new("coordinator/log", SigningKey::from_seed(&seed)).unwrap();
    let before = Checkpoint { origin: "coordinator/log".to_owned(), size: 2, root: [7; 32] };
    std::fs::write(&auditor.checkpoint, before.sign(&signer).unwrap().note()).unwrap();
    let portal = portal(&federation).await;
    let desk = Desk { federation, portal };
    let mut me = desk.visitor();
    me.log_in("zhao").await;
    let chain = desk.until(&mut me, "/en/chain", "FAILS:").await;
    assert!(chain.text.contains("the first 2 records are not those that were verified before"));
    assert!(!chain.text.contains("Not yet verified") && !chain.text.contains("Verified to tree size"));
    assert!(me.get("/zh/log").await.text.contains("验证失败"));
    // It is a finding, for the command line too.
    desk.until(
        &mut me,
        "/en/findings",
        "The log failed verification. the log fails verification: the first 2 records",
    )
    .await;
    let kept = Findings::beside(&auditor.checkpoint).all().unwrap();
    assert_eq!((kept.len(), &*kept[0].kind, &*kept[0].member), (1, "log", "coordinator"));
    assert!(me.get("/en/log").await.text.contains("No matching entries."));
    assert_eq!(me.get("/en/log/0").await.status, StatusCode::NOT_FOUND);
    let form = [("csrf", &*chain.csrf()), ("form", "csv")];
    assert_eq!(me.post("/en/export", &form).await.status, StatusCode::NOT_FOUND);
    // The checkpoint that shows it stays.
    let kept = std::fs::read(&auditor.checkpoint).unwrap();
    assert_eq!(kept, before.sign(&signer).unwrap().note());
}

/// What the desk's auditor found.
pub(crate) fn findings(federation: &Federation) -> Findings {
    let auditor = AuditorFile::load(&federation.config("auditor-a"), Environment::Ignored).unwrap();
    Findings::beside(&auditor.checkpoint)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_about_a_subject_is_read_by_a_form_on_record_with_what_stands_beside_the_log() {
    let desk = Desk::start().await;
    let mut me = desk.visitor();
    me.log_in("zhao").await;
    let refused = desk.until(&mut me, "/en/log?decision=refused", "One entry").await;
    let href = hrefs(&refused, "/en/log/")[0].to_owned();
    let entry = me.get(&href).await;
    let (action, secret) = (format!("{href}/follow"), entry.csrf());
    assert!(entry.text.contains(&format!("action=\"{action}\"")), "{}", entry.text);
    let reader = desk.federation.auditor("auditor-a").unwrap();
    let readings = async || reader.verify(|_, _| {}).await.unwrap().kinds.get("audit").copied();
    assert_eq!(readings().await, None);
    assert_eq!(me.get(&action).await.to(), href, "by GET there is the form alone");
    let read = me.post(&action, &[("csrf", &secret)]).await;
    assert_eq!((read.status, read.to()), (StatusCode::SEE_OTHER, &*action), "{}", read.text);
    let followed = me.get(&action).await;
    dressed(&followed);
    assert_eq!(followed.status, StatusCode::OK, "{}", followed.text);
    // The check that was answered and the one that was refused, with the exact reason and the rule.
    for words in
        ["2 records, each in the log of", "None is missing.", "Exact reason", "Rules", "Stated basis"]
    {
        assert!(followed.text.contains(words), "{words}: {}", followed.text);
    }
    assert_eq!(hrefs(&followed, "/en/log/").iter().filter(|it| !it.contains('?')).count(), 3, "and back");
    assert_eq!(readings().await, Some(1));
    // What was read is the session's: in the other language too, and nobody else's.
    assert!(me.get(&action.replace("/en/", "/zh/")).await.text.contains("没有缺失"));
    assert!(me.get(&format!("{action}?page=99")).await.text.contains("None is missing."));
    let mut again = desk.visitor();
    again.log_in("zhao").await;
    assert_eq!(again.get(&action).await.to(), href);
    assert_eq!(readings().await, Some(1));
    assert_eq!(me.post(&action, &[("csrf", &secret)]).await.status, StatusCode::SEE_OTHER);
    assert_eq!(readings().await, Some(2));
    // Nothing is read for a forged form, by GET, or of a record that is of no check.
    assert_eq!(me.post(&action, &[("csrf", "x")]).await.status, StatusCode::FORBIDDEN);
    for none in ["/en/log/0/follow", "/en/log/99999999/follow", "/en/log/x/follow"] {
        assert_eq!(me.post(none, &[("csrf", &secret)]).await.status, StatusCode::NOT_FOUND, "{none}");
    }
    assert_eq!(readings().await, Some(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_became_of_consents_is_counted_by_requester_and_leads_to_the_records() {
    let federation = asked().await;
    let code = generate_uscc(&mut seeded_rng([79; 32]));
    let person = json!({ "scheme": "CN-USCC", "code": code });
    let authority = federation.desk("portal").unwrap();
    assert_eq!(authority.post("/v1/users", &person).await.unwrap().status, 200);
    let request = AskConsentRequest {
        code,
        lists: vec![TAX.to_owned()],
        purposes: vec!["vendor-selection".to_owned()],
        days: 60,
        frequency: "9 DAY".to_owned(),
        officer: "li".to_owned(),
        ..AskConsentRequest::default()
    };
    let portal = portal(&federation).await;
    let desk = Desk { federation, portal };
    let mut me = desk.visitor();
    me.log_in("zhao").await;
    let empty = desk.until(&mut me, "/en/consents", "Verified to tree size").await;
    assert!(empty.text.contains("There are no consents."), "{}", empty.text);
    desk.federation.gateway("procurement").unwrap().ask_consent(request).await.unwrap();
    let counted = desk.until(&mut me, "/en/consents", ">procurement</th>").await;
    dressed(&counted);
    let to = "/en/log?kind=consent&#38;member=procurement&#38;decision=became-requested";
    assert!(counted.text.contains(&format!("href=\"{to}\">1</a>")), "{}", counted.text);
    let log = me.get(&to.replace("&#38;", "&")).await;
    assert!(log.text.contains("One entry") && log.text.contains("Asked for"), "{}", log.text);
    let none = me.get("/en/log?decision=became-given").await;
    assert!(none.text.contains("No matching entries."), "{}", none.text);
    // The refused check is no refused consent.
    assert!(me.get("/en/log?decision=became-refused").await.text.contains("No matching entries."));
    assert!(me.get("/zh/consents").await.text.contains("已请求"));
}
