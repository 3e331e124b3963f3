//! How long the pages of the subject desk take when there are many records about one person.

use std::time::{Duration, Instant};

use futures::{StreamExt as _, stream};
use http::StatusCode;
use serde_json::{Value, json};
use tacit_model::{entropy::seeded_rng, generate::generate_uscc};
use tacit_testkit::{Federation, Options};
use tacit_wire::gateway::Question;

use super::{COURT, Scene, portal};

/// Questions that are under way at one time while the records are made.
const AT_ONCE: usize = 16;
/// How often each page is asked for.
const VISITS: usize = 40;

/// How many records: `TACIT_SOAK_RUNS`, or all of them in a soak.
fn records() -> usize {
    let given = std::env::var("TACIT_SOAK_RUNS").ok().and_then(|runs| runs.parse().ok());
    given.unwrap_or(if is_soak() { 10_000 } else { 60 })
}

fn is_soak() -> bool {
    std::env::var_os("TACIT_SOAK").is_some()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_about_a_person_with_many_records_are_answered_in_time() {
    let count = records();
    let options = Options::quick().reading_ms(5000).change(|sample| {
        for agreement in &mut sample.agreement {
            (agreement.quotas.checks_per_day, agreement.quotas.per_subject_per_day) = (1_000_000, 1_000_000);
        }
    });
    let federation = Federation::start("procurement", options).await.unwrap();
    let mut rng = seeded_rng([79; 32]);
    let codes: Vec<String> = (0..2).map(|_| generate_uscc(&mut rng)).collect();
    federation.publish(COURT, federation.records_csv(101, &codes[..1])).await.unwrap();
    let desk = federation.desk("portal").unwrap();
    let person = json!({ "scheme": "CN-USCC", "code": codes[0] });
    assert_eq!(desk.post("/v1/users", &person).await.unwrap().status, 200);

    let ask = |number: usize| {
        let question = Question {
            lists: vec![COURT.to_owned()],
            purpose: "screening".to_owned(),
            case_number: format!("2026-{number}"),
            officer: "li.na".to_owned(),
            scheme: String::new(),
        };
        federation.ask("procurement", question, &codes[0])
    };
    stream::iter(0..count)
        .map(ask)
        .buffer_unordered(AT_ONCE)
        .for_each(|asked| async { drop(asked.unwrap()) })
        .await;
    let find = json!({ "scheme": "CN-USCC", "code": codes[0], "limit": 1 });
    let mut found = Value::Null;
    for _ in 0..600 {
        found = desk.post("/v1/findUsage", &find).await.unwrap().body;
        if found["total"] == count {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(found["total"], count, "{found}");
    let record = found["usage"][0]["record"]["id"].as_str().unwrap().to_owned();

    let portal =
        portal(&federation, &codes, "limits = { lookups_per_minute = 1000000, checks_per_minute = 1000000 }")
            .await
            .unwrap();
    let scene = Scene { federation, portal, codes };
    let mut paper = scene.visitor();
    paper.log_in("paper").await;
    let last = count.div_ceil(20);
    let pages = [
        ("home", "/en/".to_owned()),
        ("asked", "/en/asked".to_owned()),
        ("last page", format!("/en/asked?page={last}")),
        ("period", "/zh/asked?from=2020-01-01&until=2099-12-31&page=2".to_owned()),
        ("entry", format!("/en/asked/{record}")),
        ("proof", format!("/en/asked/{record}/proof")),
        ("consents", "/en/consents".to_owned()),
        ("lists", "/en/lists".to_owned()),
        ("list", format!("/en/lists/{COURT}")),
    ];
    let mut figures = Vec::new();
    for (name, path) in &pages {
        let mut times = Vec::with_capacity(VISITS);
        for _ in 0..VISITS {
            let began = Instant::now();
            let page = paper.get(path).await;
            times.push(began.elapsed());
            assert_eq!(page.status, StatusCode::OK, "{path}: {}", page.text);
        }
        times.sort_unstable();
        let slow = times[VISITS * 95 / 100 - 1];
        figures.push(format!("{name} {:.1} ms", slow.as_secs_f64() * 1000.0));
    }
    if is_soak() {
        eprintln!(
            "SOAK: pages about a person, by records | {count} | 0 | p95 of {VISITS} visits: {}",
            figures.join(", ")
        );
    }
    scene.portal.stop().await;
}
