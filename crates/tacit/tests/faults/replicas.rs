//! Two replicas of the coordinator over one PostgreSQL database, one of which is killed again and again under load.

use std::{
    fs,
    time::{Duration, Instant},
};

use crate::{
    load::{Load, auditor, authority},
    seen::{Seen, percentiles, progress_by},
    support::{self, Federation, PATIENCE, codes},
};

/// How the second replica is called here.
const SECOND: &str = "coordinator-2";
/// Who asks at the second replica. Consents are changed at the first one, so that both append.
const AT_SECOND: [&str; 3] = ["custodian", "procurement", "auditor-a"];
/// Who keeps a stream to both.
const WITNESSES: [&str; 3] = ["court", "tax", "custodian"];
/// Operations that must be acknowledged while a replica is down.
const MEANWHILE: u64 = 50;

/// Gives every witness both addresses; the second one is returned.
pub(crate) fn second_address(federation: &Federation) -> String {
    let listen = federation.spare_address(0);
    let text = fs::read_to_string(federation.file("coordinator.toml")).unwrap();
    let (_, rest) = text.split_once("listen = \"").unwrap();
    let (first, _) = rest.split_once('"').unwrap();
    for member in ["court", "tax", "custodian", "procurement", "portal", "auditor-a"] {
        let config = federation.file(&format!("{member}.toml"));
        let mut text = fs::read_to_string(&config).unwrap();
        let (mut own, mut other) = (first, listen.as_str());
        if AT_SECOND.contains(&member) {
            let moved = text.replace(&format!("https://{first}"), &format!("https://{listen}"));
            assert_ne!(moved, text, "{member} knows the coordinator");
            text = moved;
            (own, other) = (other, own);
        }
        if WITNESSES.contains(&member) {
            assert!(text.contains(&format!("https://{own}")));
            text = text.replacen("\n[", &format!("\ncoordinator_replicas = [\"https://{other}\"]\n["), 1);
        }
        fs::write(config, text).unwrap();
    }
    listen
}

#[tokio::test(flavor = "multi_thread")]
async fn on_postgresql_one_of_two_coordinators_killed_under_load_stops_nobody_and_loses_nothing() {
    let why = "two coordinators: TACIT_TEST_POSTGRES names no server";
    if tacit_store::conformance::is_skipped(tacit_store::Dialect::Postgres, why) {
        return;
    }
    let mut federation = Federation::found();
    federation.move_to_postgresql();
    let second = second_address(&federation);
    let as_second = [("TACIT_LISTEN", second), ("TACIT_METRICS", "127.0.0.1:0".to_owned())];
    federation.start("coordinator");
    federation.start_as(SECOND, "coordinator", &as_second).unwrap();
    for member in support::members().filter(|member| *member != "coordinator") {
        federation.start(member);
    }
    let runs = support::runs(2, 20);
    let codes = codes(300);
    federation.publish(&codes);
    let (log, consents) = (auditor(&federation), authority(&federation).await);
    let mut load = Load::start(&federation, &codes).await;
    load.follow(auditor(&federation));
    // The first answers enroll their subjects.
    progress_by(&load, 100).await;
    let mut seen = Seen::default();
    let mut pauses = Vec::new();
    for run in 0..runs {
        tokio::time::sleep(Duration::from_millis(500)).await;
        federation.kill("coordinator");
        let (down, until) = (Instant::now(), load.count() + MEANWHILE);
        while load.count() < until {
            assert!(down.elapsed() < PATIENCE, "nobody is answered while one of two coordinators is down");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        pauses.push(down.elapsed());
        federation.start("coordinator");
        progress_by(&load, 20).await;

        seen.nothing_is_lost(&federation, &log, &consents, &load).await;
        support::progress(&format!("run {} of {runs}: {} records", run + 1, seen.size));
    }
    let (answers, changes) = (load.answers(), load.changes());
    load.end().await;
    federation.verify_log();
    pauses.sort();
    let figures = format!(
        "{answers} answers and {changes} changes acknowledged through the other one, 0 without a record, 0 lost; the \
         next {MEANWHILE} after the kill: {}",
        percentiles(&pauses)
    );
    support::report("kill -9 of one of two coordinators over one PostgreSQL", runs, &figures);
}
