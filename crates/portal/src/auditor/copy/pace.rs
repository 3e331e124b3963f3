//! What pages of a long log find, and with `TACIT_SOAK` set how long each takes with a million records, over HTTP, as a
//! browser waits for it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use http::{Request, StatusCode, header::COOKIE};
use tacit_desk::http::{bind_loopback, serve};
use tacit_ledger::{
    checkpoint::Checkpoint,
    ed25519::SigningKey,
    note::NoteSigner,
    record::{Access, Consent, ListAt, Record, Refused},
};
use tacit_model::{Clock, ManualClock, Ulid};
use tokio::sync::watch;

use super::*;
use crate::{
    LIMITS,
    auditor::{Ends, Follower, pages, signals},
    desk::Desk,
    desks::DeskName,
    person::{ClaimNames, Login},
    web::Web,
};

/// The records are of so many days, up to now.
const DAYS: u64 = 90;
const NOW: Millis = Millis(1_795_000_000_000);
/// Longest time of 95 pages of 100.
const LONGEST: Duration = Duration::from_millis(50);

fn is_soak() -> bool {
    std::env::var_os("TACIT_SOAK").is_some()
}

/// Records of the log. A multiple of 720, after which all that is in a record comes again.
fn size() -> u64 {
    if is_soak() { 1_000_080 } else { 20_160 }
}

fn time_of(number: u64) -> Millis {
    Millis(NOW.0 - (size() - number) * (DAYS * 86_400_000 / size()))
}

/// A record: mostly checks, one of eight refused, a consent now and then.
fn record(number: u64) -> Vec<u8> {
    let (id, time_ms, hash) = (id(number).to_string(), time_of(number).0, [7; 32]);
    let (requester, holder) = (format!("agency-{}", number * 7 % 40), format!("court-{}", number % 12));
    let lists = ["list-a", "list-b"].map(|name| format!("{holder}/{name}"));
    let purpose = format!("purpose-{}", number % 9);
    let record: Record = match number % 16 {
        0 => {
            let (authority, state) = ("consents".to_owned(), "given".to_owned());
            Consent { id, time_ms, authority, requester, state, terms: hash, subject: hash }.into()
        }
        1 | 2 => Refused {
            id,
            time_ms,
            requester,
            holder,
            lists: lists.into(),
            purpose,
            registry: hash,
            reason: "quota_checks".to_owned(),
            matter: hash,
            subject: hash,
            evidence: hash,
        }
        .into(),
        _ => Access {
            id,
            time_ms,
            requester,
            holder,
            lists: lists.map(|list| ListAt { list, epoch: 17, version: number }).into(),
            purpose,
            registry: hash,
            query: hash,
            matter: hash,
            cnf: hash,
            expires_ms: time_ms + 60_000,
            subject: hash,
            evidence: hash,
        }
        .into(),
    };
    record.to_bytes().unwrap()
}

fn id(number: u64) -> Ulid {
    let mut bytes = [0; 16];
    bytes[..6].copy_from_slice(&time_of(number).0.to_be_bytes()[2..]);
    bytes[8..].copy_from_slice(&number.to_be_bytes());
    Ulid::from_bytes(bytes)
}

/// A copy of a whole log, verified.
fn copy() -> LogCopy {
    let copy = LogCopy::new().unwrap();
    let signer = NoteSigner::new("coordinator/log", SigningKey::from_seed(&[1; 32])).unwrap();
    let (mut now, size) = (copy.change(), size());
    for number in 0..size {
        now.push(&record(number), time_of(number).0).unwrap();
    }
    let root = now.tree.root(size).unwrap();
    let checkpoint = Checkpoint { origin: "coordinator/log".to_owned(), size, root };
    let all: Vec<String> = (0..12).map(|number| format!("court-{number}/witness")).collect();
    let checkpoint = checkpoint.sign(&signer).unwrap();
    now.verified(Head { checkpoint, signed: NOW, witnesses: all.clone(), all, quorum: 8 });
    drop(now);
    copy
}

/// The desk's pages, and the cookie of somebody who is logged in.
async fn desk(folder: &std::path::Path, at: std::net::SocketAddr) -> (Desk, String) {
    let accounts = folder.join("accounts.json");
    std::fs::write(&accounts, "[]").unwrap();
    let config = serde_json::from_value(serde_json::json!({
        "http": at, "time_zone": "Asia/Shanghai", "login": { "kind": "development", "accounts": accounts },
    }));
    let db = crate::store::open(&format!("sqlite:{}", folder.join("web.db").display())).await.unwrap();
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::new(NOW));
    let desk = Desk::new(DeskName::Auditor, &config.unwrap(), db, clock, at).unwrap();
    let login = Login::of("zhao".to_owned(), &serde_json::Map::new(), &ClaimNames::default()).unwrap();
    let before = desk.sessions.begin().await.unwrap();
    let session = desk.sessions.renew(before, login).await.unwrap();
    let cookie = desk.sessions.cookie(&session).split(';').next().unwrap().to_owned();
    (desk, cookie)
}

fn p95(mut took: Vec<Duration>) -> Duration {
    took.sort_unstable();
    took[took.len() * 95 / 100]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_filter_finds_all_there_is_in_a_long_log_and_no_page_takes_50_ms() {
    let (begun, size) = (Instant::now(), size());
    let copy = copy();
    println!("{size} records taken up in {:.1} s", begun.elapsed().as_secs_f64());
    let took = (0..1000_u64).map(|number| {
        let index = number * 997 % size;
        let (record, begun) = (record(index), Instant::now());
        assert!(copy.now().prove(index, &record).is_some());
        begun.elapsed()
    });
    println!("{:>8.3} ms  proof of an entry", p95(took.collect()).as_secs_f64() * 1000.0);
    // As many as a page of demands or openings has, over the whole log.
    let ids: std::collections::HashSet<Ulid> = (0..200).map(|part| id(part * (size / 200))).collect();
    let took = (0..20).map(|_| {
        let begun = Instant::now();
        let places = copy.now().rows().places(&ids, size);
        assert!(places.len() == ids.len() && places.iter().all(|(found, index)| *found == id(*index)));
        begun.elapsed()
    });
    println!("{:>8.3} ms  places of 200 records", p95(took.collect()).as_secs_f64() * 1000.0);
    let zone = jiff::tz::TimeZone::get("Asia/Shanghai").unwrap();
    let took = (0..20).map(|_| {
        let begun = Instant::now();
        assert_eq!(signals::seen(copy.now().rows(), 0, size, &zone).len(), 40);
        begun.elapsed()
    });
    println!("{:>8.3} ms  what the records say, for signals", p95(took.collect()).as_secs_f64() * 1000.0);

    let folder = tempfile::tempdir().unwrap();
    let listener = bind_loopback("auditor", "127.0.0.1:0".parse().unwrap()).await.unwrap();
    let at = listener.local_addr().unwrap();
    let (desk, cookie) = desk(folder.path(), at).await;
    let clock = Arc::clone(&desk.clock);
    let ends = Ends::new(|| Box::pin(async { Err("nobody is asked".to_owned()) }));
    let pages = pages(desk, &Follower { copy: copy.clone(), ends, clock });
    let (stop, stopping) = watch::channel(false);
    let serving = tokio::spawn(serve(listener, pages.router, LIMITS, stopping));
    let web = Web::new(None).unwrap();
    let old = size / 2;
    let found = |part: u64| format!("{} entries, newest first.", size / part);
    let count = |wanted: &dyn Fn(u64) -> bool| {
        let among_all = (0..720).filter(|number| wanted(*number)).count() as u64;
        format!("{} entries, newest first.", among_all * (size / 720))
    };
    let is_check = |number: u64| !number.is_multiple_of(16);
    let paths = [
        ("/en/".to_owned(), format!(">{}<", size / 8)),
        ("/en/consents".to_owned(), format!(">{}<", size / 80)),
        ("/en/chain".to_owned(), format!("Verified to tree size {size}")),
        ("/en/signals".to_owned(), format!("Verified to tree size {size}")),
        ("/en/log".to_owned(), found(1)),
        (format!("/en/log?before={old}"), found(1)),
        (format!("/en/log?after={old}"), found(1)),
        ("/en/log?kind=refused".to_owned(), found(8)),
        ("/en/log?member=agency-7".to_owned(), found(40)),
        (
            "/en/log?purpose=purpose-3&decision=permitted".to_owned(),
            count(&|number| number % 16 > 2 && number % 9 == 3),
        ),
        ("/en/log?list=court-3%2Flist-b".to_owned(), count(&|number| is_check(number) && number % 12 == 3)),
        (
            format!("/en/log?list=court-1%2Flist-b&decision=quota_checks&before={old}"),
            count(&|number| [1, 2].contains(&(number % 16)) && number % 12 == 1),
        ),
        ("/en/log?decision=became-given".to_owned(), found(16)),
        ("/en/log?decision=became-withdrawn".to_owned(), "No matching entries.".to_owned()),
        (
            "/en/log?from=2020-01-01&until=2030-01-01&member=court-3".to_owned(),
            count(&|number| is_check(number) && number % 12 == 3),
        ),
        (format!("/en/log?id={}", id(old)), "One entry".to_owned()),
        (format!("/zh/log?index={}", size - 1), id(size - 1).to_string()),
    ];
    let mut slow = Vec::new();
    for (path, words) in paths {
        let mut took = Vec::new();
        for _ in 0..if is_soak() { 100 } else { 5 } {
            let request = Request::get(format!("http://{at}{path}")).header(COOKIE, &cookie);
            let begun = Instant::now();
            let answer = web.call(request.body(Vec::new()).unwrap()).await.unwrap();
            took.push(begun.elapsed());
            assert_eq!(answer.status(), StatusCode::OK, "{path}");
            let text = String::from_utf8_lossy(answer.body());
            assert!(text.contains(&words), "{path}: {words}: {text}");
        }
        let took = p95(took);
        println!("{:>8.3} ms  {path}", took.as_secs_f64() * 1000.0);
        // A time says something on a machine that does nothing else.
        if is_soak() && took >= LONGEST {
            slow.push(path);
        }
    }
    stop.send_replace(true);
    serving.await.unwrap();
    assert!(slow.is_empty(), "{slow:?}");
}
