//! `kill -9` of every party in turn, at a random moment, under load.

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use rand_core::Rng as _;
use sqlx::{AnyConnection, Connection as _, Row as _};
use tacit_client::{ClientError, LogReader};
use tacit_ledger::record::Record;
use tacit_model::{Clock as _, SystemClock, entropy::os_rng};

use crate::{
    load::{Acknowledged, Load, auditor, authority},
    support::{self, Federation, PATIENCE, codes},
};

/// Who is killed, in turn.
const VICTIMS: [&str; 3] = ["coordinator", "custodian", "court"];
/// Operations per second that the load must reach, outages included.
const RATE: f64 = 50.0;
/// Until a killed party serves again, in a soak.
const RESTART: Duration = Duration::from_secs(2);
/// How long before the end of its permit a use must still be on record: what was read is a little old.
const MARGIN_MS: u64 = 5_000;

/// The log as it was read so far.
#[derive(Default)]
struct Seen {
    size: u64,
    /// Index and kind of each record.
    records: HashMap<String, (u64, &'static str)>,
    /// Of each access record: its query, and until when its permit lives.
    permits: HashMap<String, ([u8; 32], u64)>,
    queries: HashSet<[u8; 32]>,
}

impl Seen {
    async fn read_on(&mut self, log: &LogReader) {
        let size = log.checkpoint().await.unwrap().size();
        assert!(size >= self.size, "the log became shorter");
        log.entries(self.size, size - self.size, |entry| -> Result<(), ClientError> {
            let record = entry.record.unwrap();
            let known = self.records.insert(record.id().to_owned(), (entry.index, record.kind()));
            assert!(known.is_none(), "two records have one id");
            if let Record::Access(access) = &record {
                assert!(self.queries.insert(access.query), "two permits are for one blinded query");
                self.permits.insert(access.id.clone(), (access.query, access.expires_ms));
            }
            Ok(())
        })
        .await
        .unwrap();
        self.size = size;
    }

    /// Every acknowledged answer and change is a record of its own, where its caller was told that it stands.
    fn holds(&self, acknowledged: &Acknowledged) {
        let mut answered = HashSet::new();
        for answer in &acknowledged.answers {
            let found = self.records.get(&answer.record);
            assert_eq!(found, Some(&(answer.index, "access")), "an answer without its record");
            assert!(answered.insert(&answer.record), "a permit was used twice");
        }
        for change in &acknowledged.changes {
            let found = self.records.get(&change.record);
            assert_eq!(found, Some(&(change.index, "consent")), "a change of consent without its record");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_under_load_loses_nothing_acknowledged() {
    kill_under_load(Federation::found(), "SQLite").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_under_load_on_postgresql_loses_nothing_acknowledged() {
    let why = "kill -9 on PostgreSQL: TACIT_TEST_POSTGRES names no server";
    if tacit_store::conformance::is_skipped(tacit_store::Dialect::Postgres, why) {
        return;
    }
    let mut federation = Federation::found();
    federation.move_to_postgresql();
    kill_under_load(federation, "PostgreSQL").await;
}

async fn kill_under_load(mut federation: Federation, database: &str) {
    let runs = support::runs(6, 200);
    let codes = codes(300);
    federation.start_all();
    federation.publish(&codes);
    let load = Load::start(&federation, &codes).await;
    // The first answers enroll their subjects.
    progress_by(&load, 100).await;
    let (log, consents) = (auditor(&federation), authority(&federation).await);
    let mut seen = Seen::default();
    let (mut restarts, mut again) = (Vec::new(), Vec::new());
    let mut rng = os_rng();
    let mut moment = |most: u32| Duration::from_millis(u64::from(rng.next_u32() % most));
    let (begun, before) = (Instant::now(), load.count());
    for run in 0..runs {
        let victim = VICTIMS[run % VICTIMS.len()];
        tokio::time::sleep(Duration::from_millis(700) + moment(1_000)).await;
        federation.kill(victim);
        tokio::time::sleep(moment(100)).await;
        let down = Instant::now();
        restarts.push(federation.start(victim));
        progress_by(&load, 20).await;
        again.push(down.elapsed());

        let acknowledged = Acknowledged::read(&load.path);
        seen.read_on(&log).await;
        seen.holds(&acknowledged);
        used_permits_are_on_record(&federation, &seen, &acknowledged).await;
        // Behind what was acknowledged no consent may be.
        let kept: HashMap<_, _> =
            consents.list(&[]).await.unwrap().into_iter().map(|it| (it.consent.id, it)).collect();
        for (id, change) in acknowledged.newest() {
            let kept = &kept[&id];
            assert!(kept.number >= change.number, "an acknowledged change was lost");
            assert!(kept.number > change.number || kept.state.as_str() == change.state);
        }
        federation.verify_log();
        assert_eq!(load.wrong(), 0, "a wrong answer");
        support::progress(&format!("run {} of {runs}: {victim}, {} records", run + 1, seen.size));
    }
    let rate = (load.count() - before) as f64 / begun.elapsed().as_secs_f64();
    let (answers, changes) = (load.answers(), load.changes());
    load.end().await;
    federation.verify_log();

    restarts.sort();
    again.sort();
    let figures = format!(
        "{answers} answers and {changes} changes acknowledged, {rate:.0}/s outages included; 0 without a record, \
         0 lost, 0 permits used twice; ready again {}; next 20 acknowledged {}",
        percentiles(&restarts),
        percentiles(&again)
    );
    support::report(&format!("kill -9 under load, {database}"), runs, &figures);
    let slowest = restarts.last().unwrap();
    if support::is_soak() {
        assert!(rate >= RATE, "only {rate:.0} operations/s");
        assert!(*slowest <= RESTART, "a restart took {slowest:?}");
    } else {
        // Other tests run beside this one.
        assert!(*slowest <= 5 * RESTART, "a restart took {slowest:?}");
    }
}

/// Waits until so many more operations were acknowledged.
async fn progress_by(load: &Load, more: u64) {
    let (begun, until) = (Instant::now(), load.count() + more);
    while load.count() < until {
        assert!(begun.elapsed() < PATIENCE, "nothing is acknowledged any more");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Who kept a used permit keeps it until it ends, so that nobody can use it again: the holder with its query, the
/// custodian with its list.
async fn used_permits_are_on_record(federation: &Federation, seen: &Seen, acknowledged: &Acknowledged) {
    let now = SystemClock.now().0;
    let mut holder = open(federation, "court").await;
    let mut custodian = open(federation, "custodian").await;
    for answer in acknowledged.answers.iter().rev() {
        let (query, expires) = seen.permits[&answer.record];
        if expires <= now + MARGIN_MS {
            continue;
        }
        let row = sqlx::query("SELECT query FROM used_permit WHERE id = $1").bind(&answer.record);
        let row = row.fetch_one(&mut holder).await.expect("the holder keeps every permit that it answered");
        assert_eq!(row.get::<Vec<u8>, _>(0), query);
        let row = sqlx::query("SELECT count(*) FROM permit_use WHERE permit = $1").bind(&answer.record);
        let row = row.fetch_one(&mut custodian).await.unwrap();
        assert_eq!(row.get::<i64, _>(0), 1, "the custodian keeps every permit that took a bucket");
    }
}

async fn open(federation: &Federation, member: &str) -> AnyConnection {
    sqlx::any::install_default_drivers();
    AnyConnection::connect(&federation.database_url(member)).await.unwrap()
}

/// Of sorted times.
fn percentiles(sorted: &[Duration]) -> String {
    let at = |part: usize| sorted[(sorted.len() - 1) * part / 100].as_millis();
    format!("p50 {} ms, p95 {} ms, max {} ms", at(50), at(95), at(100))
}
