//! The years of the log: where each begins, and that time never runs backwards in it.

use std::sync::Arc;

use http::{StatusCode, header};
use sqlx::Row as _;
use tacit_identity::Role;
use tacit_ledger::shard::{YearStart, parse_years};
use tacit_model::{Clock as _, ManualClock, Millis};
use tacit_wire::coordinator::publish_manifest_response::Outcome;

use crate::{http::get, support::*};

fn at(text: &str) -> Millis {
    text.parse().unwrap()
}

/// Logs the next record, a version of a list.
async fn log(world: &World, running: &Running, version: u64) {
    let outcome = world.publish(running, &manifest(LISTS[0], LIST_EPOCH, version)).await;
    assert!(matches!(outcome, Outcome::Logged(_)), "{outcome:?}");
}

/// Where the years begin, as the coordinator says.
async fn years(world: &World, running: &Running) -> Vec<(u16, u64)> {
    let member = world.channel(running, Role::Node, "tax").await;
    let got = get(&member, "/years").await;
    assert_eq!((got.status, got.header(header::CONTENT_TYPE)), (StatusCode::OK, "text/plain; charset=utf-8"));
    assert_eq!(got.header(header::CACHE_CONTROL), "no-cache");
    let years = parse_years(std::str::from_utf8(&got.body).unwrap()).unwrap();
    years.into_iter().map(|YearStart { year, first_index }| (year, first_index)).collect()
}

/// The years of all records, in order.
async fn dated(world: &World, running: &Running) -> Vec<u16> {
    let times: Vec<u64> = entries(world, running).await.iter().map(|record| record.time_ms()).collect();
    assert!(times.is_sorted(), "{times:?}");
    times.into_iter().map(|time| Millis(time).utc_year()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_year_begins_with_its_first_record_whatever_the_clock_does_then() {
    let world = World::new();
    world.clock.set(at("2026-12-31T23:59:58.000Z"));
    let running = world.start().await;
    log(&world, &running, 1).await;
    assert_eq!(years(&world, &running).await, [(2026, 0)]);
    // The clock alone begins nothing.
    world.clock.set(at("2027-01-01T00:00:00.000Z"));
    assert_eq!(years(&world, &running).await, [(2026, 0)]);
    log(&world, &running, 2).await;
    assert_eq!(years(&world, &running).await, [(2026, 0), (2027, 2)]);
    // Set back: the log stays in the year that has begun.
    world.clock.set(at("2026-12-31T23:59:59.000Z"));
    log(&world, &running, 3).await;
    assert_eq!(years(&world, &running).await, [(2026, 0), (2027, 2)]);
    assert_eq!(dated(&world, &running).await, [2026, 2026, 2027, 2027]);
    // Also over a restart.
    running.stop().await;
    let running = world.start().await;
    log(&world, &running, 4).await;
    assert_eq!(years(&world, &running).await, [(2026, 0), (2027, 2)]);
    assert_eq!(dated(&world, &running).await, [2026, 2026, 2027, 2027, 2027]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_replica_dates_a_record_before_another_ones() {
    let world = World::new();
    world.clock.set(at("2027-01-01T00:00:05.000Z"));
    let ahead = world.start().await;
    let slow = ManualClock::new(at("2026-12-31T23:59:50.000Z"));
    let mut deps = world.deps();
    deps.clock = Arc::new(slow.clone());
    let behind = world.try_start_with(deps).await.unwrap();
    world.witness(&behind, &WITNESSES[..2]).await;
    for version in (1..=6).step_by(2) {
        log(&world, &ahead, version).await;
        log(&world, &behind, version + 1).await;
        slow.advance_ms(1_000);
        world.clock.advance_ms(500);
    }
    assert!(slow.now() < at("2027-01-01T00:00:00.000Z"));
    // Who appended last has seen all.
    assert_eq!(dated(&world, &behind).await, [2027; 7]);
    assert_eq!(years(&world, &behind).await, [(2027, 0)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn years_are_filled_in_for_the_records_of_an_older_database() {
    let world = World::new();
    world.clock.set(at("2026-12-31T23:59:58.000Z"));
    let running = world.start().await;
    log(&world, &running, 1).await;
    world.clock.set(at("2027-01-01T00:00:00.000Z"));
    log(&world, &running, 2).await;
    log(&world, &running, 3).await;
    running.stop().await;
    let db = world.db().await;
    let mut conn = db.write().await.unwrap();
    for sql in ["DROP TABLE log_years", "DELETE FROM _sqlx_migrations WHERE version = 3"] {
        sqlx::query(sql).execute(&mut *conn).await.unwrap();
    }
    drop(conn);
    db.close().await;
    let db = world.db().await;
    let query = "SELECT year, first_index FROM log_years ORDER BY year";
    let rows = sqlx::query(query).fetch_all(&mut *db.read().await.unwrap()).await.unwrap();
    let filled: Vec<(i64, i64)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(filled, [(2026, 0), (2027, 2)]);
    db.close().await;
    let running = world.start().await;
    log(&world, &running, 4).await;
    assert_eq!(years(&world, &running).await, [(2026, 0), (2027, 2)]);
}
