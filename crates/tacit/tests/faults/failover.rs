//! The PostgreSQL server that the parties stand on is killed, and its synchronous standby takes its place. Coordinator,
//! custodian and holder reach the primary at one address, which leads to the standby from then on, at first before it
//! is promoted.

use std::time::{Duration, Instant};

use rand_core::Rng as _;
use tacit_client::{ClientError, Deadlines};
use tacit_model::{Reason, entropy::os_rng};

use crate::{
    cluster::{Address, Cluster, Server},
    load::{Acknowledged, Load, ask_once, auditor, authority, authority_with, gateway, pseudonym, terms},
    seen::{Seen, percentiles, progress_by},
    support::{self, Federation, PATIENCE, codes},
};

/// Who stands on the server.
const MEMBERS: [&str; 3] = ["coordinator", "custodian", "court"];
/// Checks per second that the load must reach before the primary is killed.
const RATE: f64 = 50.0;
/// From the promotion until answers and changes are acknowledged again.
const AGAIN: Duration = Duration::from_secs(10);
/// For what will not be answered.
const IMPATIENT: Deadlines = Deadlines { call_ms: 2_000, patience_ms: 3_000 };
/// As long as the load is measured, or longer.
const MEASURED: Duration = Duration::from_secs(3);

/// A federation whose parties stand on a server of their own, and their address of it.
async fn on_a_server(server: &Server, codes: &[String]) -> (Federation, Address) {
    let address = Address::of(server).await;
    for member in MEMBERS {
        server.create_database(member).await;
    }
    let mut federation = Federation::found();
    federation.move_databases(MEMBERS, |member| address.url(member));
    federation.start_all();
    federation.publish(codes);
    (federation, address)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_failover_under_load_loses_nothing_acknowledged_and_uses_no_permit_twice() {
    let Some(cluster) = Cluster::new() else { return };
    let runs = support::runs(1, 3);
    let codes = codes(300);
    let mut primary = cluster.primary();
    let (mut federation, address) = on_a_server(&primary, &codes).await;
    let (log, consents) = (auditor(&federation), authority(&federation).await);
    let mut load = Load::start(&federation, &codes).await;
    load.follow(auditor(&federation));
    // The first answers enroll their subjects.
    progress_by(&load, 100).await;
    federation.verify_log();
    let mut seen = Seen::default();
    let (mut again, mut slowest) = (Vec::new(), f64::INFINITY);
    for run in 0..runs {
        let standby = primary.standby().await;
        let (begun, before) = (Instant::now(), load.answers());
        let moment = Duration::from_millis(u64::from(os_rng().next_u32() % 1_000));
        tokio::time::sleep(MEASURED + moment).await;
        let rate = (load.answers() - before) as f64 / begun.elapsed().as_secs_f64();
        slowest = slowest.min(rate);
        assert!(primary.has_standby().await, "it would prove nothing");
        primary.kill();
        address.move_to(&standby);
        // While there is only a standby, nobody gets further.
        tokio::time::sleep(Duration::from_millis(500)).await;
        let (answers, changes) = (load.answers(), load.changes());
        let promoted = Instant::now();
        standby.promote();
        while load.answers() < answers + 10 || load.changes() < changes + 10 {
            assert!(promoted.elapsed() < PATIENCE, "nothing is acknowledged any more");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        again.push(promoted.elapsed());

        seen.nothing_is_lost(&federation, &log, &consents, &load).await;
        for member in support::members() {
            assert!(federation.runs(member), "{member} ended: {}", federation.log_of(member));
        }
        support::progress(&format!("failover {} of {runs}: {rate:.0} checks/s, {again:?}", run + 1));
        primary = standby;
    }
    let (answers, changes) = (load.answers(), load.changes());
    let path = load.path.clone();
    load.end().await;
    let acknowledged = Acknowledged::read(&path);
    seen.read_on(&log).await;
    seen.holds(&acknowledged);
    federation.verify_log();

    again.sort();
    let figures = format!(
        "at least {slowest:.0} checks/s when the primary was killed; {answers} answers and {changes} changes \
         acknowledged, 0 without a record, 0 lost, 0 permits used twice; the log continues each of {} checkpoints that \
         were shown; 10 more answers and 10 more changes after the promotion began: {}",
        acknowledged.heads.len(),
        percentiles(&again)
    );
    support::report("PostgreSQL primary killed under load, standby promoted", runs, &figures);
    let slowest_again = again[again.len() - 1];
    if support::is_soak() {
        assert!(slowest >= RATE, "only {slowest:.0} checks/s");
        assert!(slowest_again <= AGAIN, "writes were back after {slowest_again:?}");
    } else {
        // Other tests run beside this one.
        assert!(slowest_again <= 3 * AGAIN, "writes were back after {slowest_again:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_only_a_canceled_wait_committed_is_not_acknowledged_and_its_loss_harms_nobody() {
    let Some(cluster) = Cluster::new() else { return };
    let codes = codes(4);
    let primary = cluster.primary();
    let (mut federation, address) = on_a_server(&primary, &codes).await;
    let standby = primary.standby().await;
    let (log, portal) = (auditor(&federation), authority(&federation).await);
    let mut client = gateway(&federation);
    let subject = pseudonym(&portal, &codes[0]).await;
    let kept = portal.grant_under(terms(), subject, &mut os_rng()).await.unwrap();
    let (answered, _) = ask_once(&mut client, &codes[0], "T-7", true).await.unwrap();
    federation.verify_log();
    let head = log.checkpoint().await.unwrap();

    support::progress("the standby is stopped");
    // Whatever waits for the standby is canceled: PostgreSQL says that it is committed, and warns.
    standby.stop();
    let grant = {
        let portal = authority_with(&federation, IMPATIENT).await;
        tokio::spawn(async move { portal.grant_under(terms(), subject, &mut os_rng()).await })
    };
    let ask = {
        let code = codes[1].clone();
        let asked = async move { ask_once(&mut client, &code, "T-7", false).await };
        tokio::spawn(tokio::time::timeout(Duration::from_secs(3), asked))
    };
    let mut canceled = 0;
    while !grant.is_finished() || !ask.is_finished() {
        let cancel = "SELECT CAST(pg_cancel_backend(pid) AS TEXT) FROM pg_stat_activity \
            WHERE wait_event = 'SyncRep'";
        canceled += primary.query("postgres", cancel).await.len();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    support::progress("everybody was told");
    assert!(canceled > 0, "nothing waited");
    let refused = grant.await.unwrap();
    let is_unknown =
        matches!(refused, Err(ClientError::NoAnswer { reason: Reason::Unavailable | Reason::Deadline, .. }));
    assert!(is_unknown, "acknowledged, or refused for another reason: {refused:?}");
    let asked = ask.await.unwrap();
    assert!(!matches!(asked, Ok(Some(_))), "an answer that only one server has a record of");
    assert_eq!(log.checkpoint().await.unwrap(), head, "the log shows what only one server has");
    let records = primary.query("coordinator", "SELECT CAST(count(*) AS TEXT) FROM log_entry").await;
    let records: u64 = records[0].parse().unwrap();
    assert!(records > head.size(), "the server did not commit: nothing was proven");

    primary.kill();
    standby.start();
    standby.promote();
    address.move_to(&standby);
    support::progress("the standby is promoted");
    let begun = Instant::now();
    let mut client = gateway(&federation);
    while ask_once(&mut client, &codes[1], "T-7", false).await.is_none() {
        assert!(begun.elapsed() < PATIENCE, "no answers: {}", federation.log_of("coordinator"));
    }
    let granted = portal.grant_under(terms(), subject, &mut os_rng()).await.unwrap();
    support::progress("answers and changes are acknowledged again");
    // The log goes on from what was shown of it, and nobody holds anything against it.
    log.extends(&head).await.unwrap();
    federation.verify_log();
    let mut seen = Seen::default();
    seen.read_on(&log).await;
    let mut acknowledged = Acknowledged::default();
    acknowledged.answers.push(answered);
    acknowledged.heads.push((head.size(), *head.root()));
    seen.holds(&acknowledged);
    let listed = portal.list(&[]).await.unwrap();
    for id in [kept.id, granted.id] {
        assert!(listed.iter().any(|it| it.consent.id == id), "an acknowledged consent was lost");
    }
    for member in support::members() {
        assert!(federation.runs(member), "{member} ended: {}", federation.log_of(member));
    }
    let figures = format!(
        "{canceled} waits canceled, {} records committed on the primary only: none acknowledged, none shown; after \
         the failover the log goes on without a fork",
        records - head.size()
    );
    support::report("waits for a standby canceled, then a failover", 1, &figures);
}
