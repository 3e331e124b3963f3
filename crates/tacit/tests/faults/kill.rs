//! `kill -9` of every party in turn, at a random moment, under load.

use std::time::{Duration, Instant};

use rand_core::Rng as _;
use tacit_model::entropy::os_rng;

use crate::{
    load::{Load, auditor, authority},
    seen::{Seen, percentiles, progress_by},
    support::{self, Federation, codes},
};

/// Who is killed, in turn.
const VICTIMS: [&str; 3] = ["coordinator", "custodian", "court"];
/// Operations per second that the load must reach, outages included.
const RATE: f64 = 50.0;
/// Until a killed party serves again, in a soak.
const RESTART: Duration = Duration::from_secs(2);
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

        seen.nothing_is_lost(&federation, &log, &consents, &load).await;
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
