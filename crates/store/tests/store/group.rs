//! Group commit: who shares a commit, who waits for it, and what an error does.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use sqlx::{Connection, Row as _, any::AnyRow};
use tacit_store::{Conn, Db, Group, GroupTx, GroupWork, Reads, StoreError, bulk::Row};
use tempfile::TempDir;
use tokio::sync::Notify;

use crate::support::open_db;

enum Job {
    Insert(i64),
    /// Inserts these with the last writes, and the number of all that are there then with them.
    Last(Vec<i64>),
    /// Waits inside the commit until it is let go.
    Wait(Arc<Notify>),
    /// Reads the numbers up to each of these, inserts one, and fails.
    ReadAndFail(Vec<i64>),
    /// Gives no result.
    Lose,
    /// Reads a file that is no database.
    Disk(String),
}

/// Numbers that are there to be read.
const READ: i64 = 40;

#[derive(Clone, Default)]
struct Counts {
    applied: Arc<AtomicUsize>,
    committed: Arc<AtomicUsize>,
    failed: Arc<AtomicUsize>,
}

struct Work(Counts);

impl GroupWork for Work {
    type Job = Job;
    type Done = i64;

    async fn apply(&mut self, tx: &mut GroupTx<'_>, jobs: Vec<Job>) -> Result<Vec<i64>, StoreError> {
        self.0.applied.fetch_add(1, Ordering::SeqCst);
        let mut done = Vec::new();
        for job in jobs {
            match job {
                Job::Insert(value) => {
                    sqlx::query("INSERT INTO noted (value) VALUES ($1)")
                        .bind(value)
                        .execute(tx.begun().await?.0)
                        .await?;
                    done.push(value * 10);
                }
                Job::Last(values) => {
                    tx.last().insert("noted (value)", 1, "", &values, |row, value| row.bind(*value));
                    tx.last().add("INSERT INTO noted (value) SELECT ? + COUNT(*) FROM noted", |row| {
                        row.bind(1_000_000_i64)
                    });
                    done.push(0);
                }
                Job::Wait(release) => {
                    release.notified().await;
                    done.push(-1);
                }
                Job::ReadAndFail(limits) => {
                    let mut reads = Reads::new(tx.dialect());
                    let below = "SELECT value FROM noted WHERE value < ? ORDER BY value";
                    let ids: Vec<_> =
                        limits.iter().map(|limit| reads.add(below, |row| row.bind(*limit))).collect();
                    let keyed =
                        reads.keyed("SELECT value FROM noted WHERE value IN", |row| row, &limits, Row::bind);
                    let mut rows = tx.fetch(reads).await?;
                    for (id, limit) in ids.into_iter().zip(&limits) {
                        assert_eq!(numbers(&rows.take(id)), (0..*limit).collect::<Vec<_>>());
                        assert!(rows.take(id).is_empty());
                    }
                    let mut found = numbers(&rows.take(keyed));
                    found.sort_unstable();
                    found.dedup();
                    let due: BTreeSet<_> = limits.iter().copied().filter(|limit| *limit < READ).collect();
                    assert!(found.into_iter().eq(due));
                    sqlx::query("INSERT INTO noted (value) VALUES (-1)").execute(tx.begun().await?.0).await?;
                    return Err(StoreError::Stopped);
                }
                Job::Lose => {}
                Job::Disk(path) => {
                    let mut broken = Conn::connect(&format!("sqlite:{path}")).await?;
                    sqlx::query("SELECT * FROM sqlite_schema").fetch_all(&mut broken).await?;
                }
            }
        }
        Ok(done)
    }

    fn committed(&mut self) {
        self.0.committed.fetch_add(1, Ordering::SeqCst);
    }

    fn failed(&mut self) {
        self.0.failed.fetch_add(1, Ordering::SeqCst);
    }
}

fn numbers(rows: &[AnyRow]) -> Vec<i64> {
    rows.iter().map(|row| row.get(0)).collect()
}

async fn start(waiting: usize, largest: usize) -> (TempDir, Db, Group<Work>, Counts) {
    let folder = tempfile::tempdir().unwrap();
    let db = open_db(folder.path()).await;
    let mut conn = db.write().await.unwrap();
    sqlx::raw_sql("CREATE TABLE noted (value BIGINT PRIMARY KEY)").execute(&mut *conn).await.unwrap();
    drop(conn);
    let counts = Counts::default();
    let group = Group::start(db.clone(), Work(counts.clone()), waiting, largest);
    (folder, db, group, counts)
}

async fn noted(db: &Db) -> Vec<i64> {
    let mut conn = db.read().await.unwrap();
    let rows = sqlx::query("SELECT value FROM noted ORDER BY value").fetch_all(&mut *conn).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// Holds the writer inside a commit until the notice is given.
async fn hold(group: &Group<Work>, counts: &Counts) -> Arc<Notify> {
    let (release, before) = (Arc::new(Notify::new()), counts.applied.load(Ordering::SeqCst));
    let (holding, notice) = (group.clone(), release.clone());
    tokio::spawn(async move { holding.submit(Job::Wait(notice)).await });
    while counts.applied.load(Ordering::SeqCst) == before {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    release
}

#[tokio::test]
async fn what_arrives_during_a_commit_makes_the_next_one_and_each_gets_its_own_result() {
    let (_folder, db, group, counts) = start(1024, 1024).await;
    let release = hold(&group, &counts).await;
    let submits: Vec<_> = (0..100)
        .map(|value| {
            let group = group.clone();
            tokio::spawn(async move { group.submit(Job::Insert(value)).await.unwrap() })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(submits.iter().all(|submit| !submit.is_finished()), "answered before its commit");
    release.notify_one();
    for (value, submit) in (0..).zip(submits) {
        assert_eq!(submit.await.unwrap(), value * 10);
    }
    assert_eq!(counts.applied.load(Ordering::SeqCst), 2, "one commit for all hundred");
    assert_eq!(noted(&db).await, (0..100).collect::<Vec<_>>());
}

#[tokio::test]
async fn no_commit_is_larger_than_it_may_be() {
    let (_folder, _db, group, counts) = start(1024, 10).await;
    let release = hold(&group, &counts).await;
    let submits: Vec<_> = (0..95)
        .map(|value| {
            let group = group.clone();
            tokio::spawn(async move { group.submit(Job::Insert(value)).await.unwrap() })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(50)).await;
    release.notify_one();
    for submit in submits {
        submit.await.unwrap();
    }
    assert_eq!(counts.applied.load(Ordering::SeqCst), 1 + 10);
}

#[tokio::test]
async fn a_job_is_carried_out_although_its_asker_went_away() {
    let (_folder, db, group, counts) = start(1024, 1024).await;
    let release = hold(&group, &counts).await;
    let gone = tokio::time::timeout(Duration::from_millis(20), group.submit(Job::Insert(7))).await;
    assert!(gone.is_err());
    release.notify_one();
    assert_eq!(group.submit(Job::Insert(8)).await.unwrap(), 80);
    assert_eq!(noted(&db).await, [7, 8]);
}

#[tokio::test]
async fn a_full_queue_is_said_at_once() {
    let (_folder, _db, group, counts) = start(2, 1024).await;
    let release = hold(&group, &counts).await;
    for value in 0..2 {
        let group = group.clone();
        tokio::spawn(async move { group.submit(Job::Insert(value)).await });
    }
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(group.try_submit(Job::Insert(9)).await.is_err());
    release.notify_one();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(group.try_submit(Job::Insert(9)).await.unwrap().unwrap(), 90);
}

#[tokio::test]
async fn an_error_undoes_its_group_and_the_next_one_is_written() {
    let (_folder, db, group, counts) = start(1024, 1024).await;
    group.submit(Job::Insert(1)).await.unwrap();
    // The same key again, beside another job of the same group.
    let release = hold(&group, &counts).await;
    let (first, second) = (group.clone(), group.clone());
    let innocent = tokio::spawn(async move { first.submit(Job::Insert(2)).await });
    let guilty = tokio::spawn(async move { second.submit(Job::Insert(1)).await });
    tokio::time::sleep(Duration::from_millis(20)).await;
    release.notify_one();
    for submit in [innocent, guilty] {
        assert!(matches!(submit.await.unwrap(), Err(StoreError::GroupFailed(_))));
    }
    assert_eq!(counts.failed.load(Ordering::SeqCst), 1);
    group.submit(Job::Insert(3)).await.unwrap();
    assert_eq!(noted(&db).await, [1, 3]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_transaction_begins_by_reading_is_told_apart_and_inside_it_also_when_it_is_nothing() {
    let (_folder, db, group, _) = start(16, 16).await;
    for value in 0..READ {
        group.submit(Job::Insert(value)).await.unwrap();
    }
    let all: Vec<i64> = (0..READ).collect();
    // Many keys are several statements of one read.
    for limits in [vec![], vec![0], vec![3, 0, 0, 5], (0..3_000).map(|n| n % (READ + 5)).collect()] {
        let limits: Vec<i64> = limits.into_iter().map(|limit: i64| limit.min(READ)).collect();
        assert!(group.submit(Job::ReadAndFail(limits.clone())).await.is_err());
        assert_eq!(noted(&db).await, all, "the transaction had begun: {} reads", limits.len());
    }
}

#[tokio::test]
async fn the_last_writes_of_a_group_come_in_order_and_all_or_none() {
    let (_folder, db, group, counts) = start(1024, 1024).await;
    // Alone and without a read, and of every length that is joined or not.
    for values in [vec![1], vec![2, 3], (10..19).collect()] {
        group.submit(Job::Last(values)).await.unwrap();
    }
    let mut due: Vec<i64> = [1, 2, 3].into_iter().chain(10..19).collect();
    due.extend([1_000_001, 1_000_004, 1_000_014]);
    assert_eq!(noted(&db).await, due);
    // The middle one of three fails: nothing of the three is there.
    assert!(group.submit(Job::Last(vec![20, 3, 21])).await.is_err());
    // The same behind a statement that was executed before.
    let release = hold(&group, &counts).await;
    let (first, second) = (group.clone(), group.clone());
    let insert = tokio::spawn(async move { first.submit(Job::Insert(30)).await });
    let last = tokio::spawn(async move { second.submit(Job::Last(vec![30])).await });
    tokio::time::sleep(Duration::from_millis(20)).await;
    release.notify_one();
    assert!(insert.await.unwrap().is_err() && last.await.unwrap().is_err());
    assert_eq!(noted(&db).await, due);
    group.submit(Job::Last(vec![40])).await.unwrap();
    assert_eq!(noted(&db).await.len(), due.len() + 2);
}

#[tokio::test]
async fn results_that_do_not_match_their_jobs_are_given_to_nobody() {
    let (_folder, db, group, counts) = start(1024, 1024).await;
    let release = hold(&group, &counts).await;
    let (first, second) = (group.clone(), group.clone());
    let insert = tokio::spawn(async move { first.submit(Job::Insert(2)).await });
    let lost = tokio::spawn(async move { second.submit(Job::Lose).await });
    tokio::time::sleep(Duration::from_millis(20)).await;
    release.notify_one();
    for submit in [insert, lost] {
        let Err(StoreError::GroupFailed(error)) = submit.await.unwrap() else { panic!("answered") };
        assert!(matches!(*error, StoreError::WrongCount { due: 2, found: 1 }));
    }
    assert!(noted(&db).await.is_empty());
}

#[tokio::test]
async fn the_writer_stops_for_good_when_the_disk_fails() {
    let (folder, db, group, counts) = start(1024, 1024).await;
    group.submit(Job::Insert(1)).await.unwrap();
    let path = folder.path().join("broken.db");
    std::fs::write(&path, [0x55; 8192]).unwrap();
    let error = group.submit(Job::Disk(path.display().to_string())).await.unwrap_err();
    assert!(matches!(error, StoreError::GroupFailed(inner) if inner.is_io_failure()));
    assert!(matches!(group.submit(Job::Insert(2)).await, Err(StoreError::Stopped)));
    assert!(matches!(group.try_submit(Job::Insert(2)).await, Ok(Err(StoreError::Stopped))));
    tokio::time::timeout(Duration::from_secs(1), group.stopped()).await.expect("nobody is told");
    assert_eq!((counts.committed.load(Ordering::SeqCst), noted(&db).await), (1, vec![1]));
}
