//! How long the pages of the desks take, each one that the tables of routes have: with many records about one person, and
//! a long log of others at the coordinator. With `TACIT_SOAK` set it is a million of those, and no page may take long.

use std::time::{Duration, Instant};

use futures::{StreamExt as _, stream};
use http::{Method, StatusCode, header::CONTENT_TYPE};
use rand_core::Rng as _;
use serde_json::{Value, json};
use tacit_federation::{
    config::{CoordinatorFile, Environment, RoleFile as _},
    run::read_seed,
};
use tacit_ledger::{
    ed25519::SigningKey,
    note::NoteSigner,
    record::{Access, ListAt},
};
use tacit_model::{entropy::seeded_rng, new_ulid};
use tacit_portal::Guard;
use tacit_store::{
    Db, Group,
    log::{Appends, Entry, Log},
};
use tacit_testkit::{Federation, Options};
use tacit_wire::gateway::Question;

use super::{
    COURT, Scene, auditor, auditor_walk, cases, listed, officer,
    officer_walk::Walk,
    portal,
    subject::{Subject, UNLIMITED},
    visitor::Visitor,
    walk::Walked,
};

/// Longest time of 95 visits of 100 to one page.
const LONGEST: Duration = Duration::from_millis(50);
/// Questions that are under way at one time while the records are made.
const AT_ONCE: usize = 16;
/// Records in one commit while the log is made long.
const COMMIT: usize = 8192;

fn is_soak() -> bool {
    std::env::var_os("TACIT_SOAK").is_some()
}

/// How many records are about one person: `TACIT_SOAK_RUNS`, or all of them in a soak.
fn about_one() -> usize {
    let given = std::env::var("TACIT_SOAK_RUNS").ok().and_then(|runs| runs.parse().ok());
    given.unwrap_or(if is_soak() { 10_000 } else { 60 })
}

/// How many records of others there are.
fn of_others() -> usize {
    if is_soak() { 1_000_000 } else { 2_000 }
}

/// How often each page is asked for.
fn visits() -> usize {
    if is_soak() { 40 } else { 2 }
}

/// A federation that may be asked as often as one likes.
async fn federation() -> Federation {
    let options = Options::quick().reading_ms(5000).change(|sample| {
        for agreement in &mut sample.agreement {
            (agreement.quotas.checks_per_day, agreement.quotas.per_subject_per_day) = (1_000_000, 1_000_000);
        }
    });
    let mut federation = Federation::start("procurement", options).await.unwrap();
    lengthen(&mut federation).await;
    federation
}

/// Makes the coordinator's log long, behind its back and under its key.
async fn lengthen(federation: &mut Federation) {
    federation.stop("coordinator").await.unwrap();
    let file = CoordinatorFile::load(&federation.config("coordinator"), Environment::Ignored).unwrap();
    let key = SigningKey::from_seed(&read_seed(&file.keys.log).unwrap());
    let signer = NoteSigner::new(&format!("{}/log", file.member), key).unwrap();
    let db = Db::open(&file.database, &tacit_coordinator::MIGRATIONS).await.unwrap();
    let log = Log::open(&db, signer).await.unwrap();
    let size = log.head().size() + of_others() as u64;
    let writer = Group::start(db.clone(), Appends::to(log.clone()), 1, 1);
    let (now, mut rng) = (federation.clock().now(), seeded_rng([83; 32]));
    let mut left = of_others();
    while left > 0 {
        let job: Vec<Entry> = (0..left.min(COMMIT))
            .map(|_| {
                let mut hashes = [[0; 32]; 6];
                hashes.iter_mut().for_each(|hash| rng.fill_bytes(hash));
                let [registry, query, matter, cnf, subject, evidence] = hashes;
                let (id, time_ms) = (new_ulid(now, &mut rng).to_string(), now.0);
                let (requester, holder) = ("procurement".to_owned(), "court".to_owned());
                let lists = vec![ListAt { list: COURT.to_owned(), epoch: 1, version: 1 }];
                let (purpose, expires_ms) = ("screening".to_owned(), time_ms + 60_000);
                let access = Access {
                    id: id.clone(),
                    time_ms,
                    requester,
                    holder,
                    lists,
                    purpose,
                    registry,
                    query,
                    matter,
                    cnf,
                    expires_ms,
                    subject,
                    evidence,
                };
                (id, access.to_bytes().unwrap())
            })
            .collect();
        left -= job.len();
        writer.submit(job).await.unwrap();
    }
    assert_eq!(log.head().size(), size);
    drop((writer, log));
    db.close().await;
    federation.restart("coordinator").await.unwrap();
}

/// Has an officer ask about a code, many times; every second time it is a colleague.
async fn ask(federation: &Federation, list: &str, purpose: &str, code: &str, officer: &str) {
    let ask = |number: usize| {
        let question = Question {
            lists: vec![list.to_owned()],
            purpose: purpose.to_owned(),
            case_number: format!("2026-{number}"),
            officer: if number.is_multiple_of(2) { officer } else { "li.na" }.to_owned(),
            scheme: String::new(),
        };
        federation.ask("procurement", question, code)
    };
    stream::iter(0..about_one())
        .map(ask)
        .buffer_unordered(AT_ONCE)
        .for_each(|asked| async { drop(asked.unwrap()) })
        .await;
}

/// The pages of a table that this scene can fill in, but for those that are open to all and those that the interface
/// behind the desk does not have here.
fn pages(walked: &impl Walked) -> Vec<String> {
    let read = walked.routes().iter().filter(|it| it.method == Method::GET && it.guard != Guard::Open);
    let fillings = read.map(|route| walked.filling(route).expect(route.path));
    fillings.filter(|filling| !filling.behind).map(|filling| filling.at).collect()
}

/// Asks for each of these, in both languages by turns, and tells how long it took; too long for a page is a failure of
/// a soak, on a machine that does nothing else.
async fn paced(what: &str, of_one: &str, me: &mut Visitor, paths: impl IntoIterator<Item = String>) {
    let mut figures: Vec<(Duration, String, bool)> = Vec::new();
    for path in paths {
        let mut times = Vec::new();
        let mut is_page = false;
        for visit in 0..visits() {
            let at = if visit % 2 == 0 { path.clone() } else { path.replacen("/en/", "/zh/", 1) };
            let began = Instant::now();
            let page = me.get(&at).await;
            times.push(began.elapsed());
            let fits = page.status == StatusCode::OK || page.status.is_redirection();
            assert!(fits, "{at}: {}: {}", page.status, page.text);
            let kind = page.headers.get(CONTENT_TYPE).map(|kind| kind.to_str().unwrap());
            is_page = kind.is_none_or(|kind| kind.starts_with("text/html"));
        }
        times.sort_unstable();
        figures.push((times[(times.len() * 95).div_ceil(100) - 1], path, is_page));
    }
    figures.sort_unstable();
    for (took, path, _) in &figures {
        println!("{:>8.1} ms  {path}", took.as_secs_f64() * 1000.0);
    }
    if !is_soak() {
        return;
    }
    let slowest = |pages: bool| -> String {
        let of_kind = figures.iter().filter(|(_, _, is_page)| *is_page == pages);
        let named = of_kind.rev().take(if pages { 3 } else { 1 }).map(|(took, path, _)| {
            // Ids and queries say nothing about the kind of page.
            let path = path.split('?').next().unwrap_or_default();
            let parts = path.split('/').skip(2).map(|part| if part.len() == 26 { "ID" } else { part });
            format!("{:.1} ms /{}", took.as_secs_f64() * 1000.0, parts.collect::<Vec<_>>().join("/"))
        });
        named.collect::<Vec<_>>().join(", ")
    };
    let late: Vec<&String> =
        figures.iter().filter(|(took, _, page)| *page && *took > LONGEST).map(|(_, path, _)| path).collect();
    let file = slowest(false);
    let file = if file.is_empty() { file } else { format!("; slowest file {file}") };
    eprintln!(
        "SOAK: pages of {what} | {} | {} | p95 of {} visits each, with {of_one} and {} of others: slowest {}{file}",
        figures.len(),
        late.len(),
        visits(),
        of_others(),
        slowest(true),
    );
    assert!(late.is_empty(), "longer than {LONGEST:?}: {late:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_page_about_a_person_with_many_records_is_answered_in_time() {
    let federation = federation().await;
    let codes = listed(&federation).await;
    let desk = federation.desk("portal").unwrap();
    let person = json!({ "scheme": "CN-USCC", "code": codes[0] });
    assert_eq!(desk.post("/v1/users", &person).await.unwrap().status, 200);
    ask(&federation, COURT, "screening", &codes[0], "li.na").await;
    let find = json!({ "scheme": "CN-USCC", "code": codes[0], "limit": 1 });
    let mut found = Value::Null;
    for _ in 0..600 {
        found = desk.post("/v1/findUsage", &find).await.unwrap().body;
        if found["total"] == about_one() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(found["total"], about_one(), "{found}");
    let portal = portal(&federation, &codes, UNLIMITED).await.unwrap();
    let subject = Subject::through(Scene { federation, portal, codes }).await;
    let mut me = subject.insider().await;
    let more = [
        format!("/en/asked?page={}", about_one().div_ceil(20)),
        "/en/asked?from=2020-01-01&until=2099-12-31&page=2".to_owned(),
        "/en/asked?agency=procurement&purpose=screening".to_owned(),
        "/en/asked?agency=tax".to_owned(),
    ];
    let of_one = format!("{} records about one person", about_one());
    paced("the subject desk", &of_one, &mut me, pages(&subject).into_iter().chain(more)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_page_of_an_officer_with_many_checks_is_answered_in_time() {
    let scene = officer::Scene::of(federation().await, UNLIMITED).await;
    ask(&scene.federation, officer::TAX, "public-procurement-eligibility", &scene.listed, "sun").await;
    let walk = Walk::through(scene).await;
    let mut sun = walk.insider().await;
    let more = [
        "/en/checks?case=2026-0",
        "/en/checks?from=2020-01-01&until=2099-12-31",
        "/en/checks?list=tax%2Fserious-violations&purpose=public-procurement-eligibility",
        // As many are looked through for it as for any page.
        "/en/checks?purpose=vendor-selection",
    ];
    let of_one = format!("{} checks of one code", about_one());
    let more = more.map(str::to_owned);
    paced("the officer desk", &of_one, &mut sun, pages(&walk).into_iter().chain(more)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_page_of_an_auditor_with_a_long_log_is_answered_in_time() {
    let federation = federation().await;
    let code = auditor::ask_in(&federation).await;
    ask(&federation, COURT, "screening", &code, "li.na").await;
    let walk = auditor_walk::Walk::through(auditor::Desk::over(federation).await).await;
    let mut zhao = walk.insider().await;
    let follow = walk.entry.clone() + "/follow";
    let csrf = zhao.get("/en/").await.csrf();
    let began = Instant::now();
    let read = zhao.post(&follow, &[("csrf", &csrf)]).await;
    assert_eq!((read.status, read.to()), (StatusCode::SEE_OTHER, &*follow), "{}", read.text);
    println!("{:>8.1} ms  reading all about one subject", began.elapsed().as_secs_f64() * 1000.0);
    let last = format!("{follow}?page={}", about_one().div_ceil(50));
    assert!(zhao.get(&last).await.text.contains(&format!("page={}", about_one().div_ceil(50) - 1)));
    let more = ["/en/", "/en/log?member=procurement&decision=permitted", "/en/log?until=2020-01-01", &last];
    let more = more.map(str::to_owned);
    let of_one = format!("{} records about one subject", about_one());
    paced("the auditor desk", &of_one, &mut zhao, pages(&walk).into_iter().chain(more)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_page_of_who_decides_objections_is_answered_in_time() {
    let mut scene = cases::Scene::new().await;
    lengthen(&mut scene.federation).await;
    scene.notify().await;
    scene.object().await;
    let desk = scene.desk(UNLIMITED).await;
    let mut sun = Visitor::new(desk.desks()[0].address);
    sun.log_in("sun").await;
    let case = scene.arrived(&mut sun).await;
    let paths = ["/en/", "/en/cases", "/en/cases?over=1", "/en/cases?level=appeal", "/en/node", &case];
    paced("who decides objections", "one objection", &mut sun, paths.map(str::to_owned)).await;
}
