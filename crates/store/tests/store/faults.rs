//! Commits that fail lose nothing that was acknowledged, and the log goes on.

use sqlx::Row;
use tacit_store::{Dialect, StoreError, conformance};

use crate::support::*;

fn failed<T: std::fmt::Debug>(outcome: Result<T, StoreError>) {
    assert!(matches!(outcome, Err(StoreError::GroupFailed(_))), "{outcome:?}");
}

#[tokio::test]
async fn a_failed_job_takes_its_group_back_and_nothing_else() {
    let (_folder, running) = fresh().await;
    let mut news = running.log.subscribe();
    let mut records = Vec::new();
    for round in 0..300 {
        let record = format!("record {round}");
        if round % 3 == 1 {
            failed(running.append_then(&[&record], Then::Fail).await);
            // Readers are served also before the next append.
            running.assert_proven(&records).await;
        } else {
            let done = running.append(&[&record]).await.unwrap();
            assert_eq!(done, [records.len() as u64]);
            records.push(record);
        }
    }
    running.assert_proven(&records).await;
    let heads = received(&mut news);
    assert_eq!(heads.len(), records.len());
    assert_consistent(&running.log, &heads).await;
}

#[tokio::test]
async fn a_full_disk_refuses_and_goes_on_when_there_is_room() {
    if conformance::is_skipped(Dialect::Sqlite, "a full disk is made with a pragma of SQLite") {
        return;
    }
    let (folder, running) = fresh().await;
    let mut records: Vec<String> = (0..300).map(|n| format!("record {n}")).collect();
    running.fill(0, 300).await;
    // No page more than there is.
    run(&running.db, "PRAGMA max_page_count = 1").await;
    let long = "x".repeat(20_000);
    failed(running.append(&[&long]).await);
    // A short one may find room on a page that is there.
    if running.append(&["short"]).await.is_ok() {
        records.push("short".to_owned());
    }
    failed(running.append(&[&long]).await);
    running.assert_proven(&records).await;
    run(&running.db, "PRAGMA max_page_count = 1000000").await;
    running.append(&[&long]).await.unwrap();
    records.push(long);
    running.assert_proven(&records).await;
    running.close().await;
    Running::open(folder.path()).await.unwrap().assert_proven(&records).await;
}

#[tokio::test]
async fn a_lock_that_is_not_had_refuses_and_goes_on_when_it_is() {
    let (folder, running) = fresh().await;
    running.fill(0, 10).await;
    run(
        &running.db,
        match running.db.dialect() {
            Dialect::Sqlite => "PRAGMA busy_timeout = 20",
            Dialect::Postgres => "SET lock_timeout = '20ms'",
        },
    )
    .await;
    let other = open_db(folder.path()).await;
    let mut lease = other.write().await.unwrap();
    let lock = tacit_store::begin(&mut lease).await.unwrap();
    failed(running.append(&["while it is locked"]).await);
    // Reading goes on beside the lock.
    assert_eq!(running.log.entries(0, 100).await.unwrap().len(), 10);
    // Undone by being dropped, and at once: nobody else uses that connection.
    drop(lock);
    drop(lease);
    running.append(&["after"]).await.unwrap();
    let mut records: Vec<String> = (0..10).map(|n| format!("record {n}")).collect();
    records.push("after".to_owned());
    running.assert_proven(&records).await;
}

#[tokio::test]
async fn a_commit_of_unknown_outcome_is_found_and_continued_and_never_contradicted() {
    let (folder, running) = fresh().await;
    let mut news = running.log.subscribe();
    let mut records: Vec<String> = (0..300).map(|n| format!("record {n}")).collect();
    running.fill(0, 300).await;
    // Once it is found by the next append, once by who asks.
    failed(running.append_then(&["unknown 1"], Then::CommitAndFail).await);
    assert_eq!(running.log.head().size(), 300, "nothing is shown that was not acknowledged");
    assert_eq!(running.append(&["next"]).await.unwrap(), [301]);
    failed(running.append_then(&["unknown 2"], Then::CommitAndFail).await);
    running.log.refresh().await.unwrap();
    assert_eq!(running.log.head().size(), 303);
    records.extend(["unknown 1", "next", "unknown 2"].map(str::to_owned));
    running.assert_proven(&records).await;
    // And once by an append without records, such as a repetition.
    failed(running.append_then(&["unknown 3"], Then::CommitAndFail).await);
    running.append(&[]).await.unwrap();
    records.push("unknown 3".to_owned());
    running.assert_proven(&records).await;
    assert_consistent(&running.log, &received(&mut news)).await;
    running.close().await;
    Running::open(folder.path()).await.unwrap().assert_proven(&records).await;
}

#[tokio::test]
async fn a_database_that_went_back_behind_what_was_published_is_refused_for_good() {
    let (_folder, running) = fresh().await;
    running.fill(0, 5).await;
    let published = running.log.head();
    // The state of five records comes back under the running process, as from a backup.
    run(&running.db, "CREATE TABLE saved AS SELECT * FROM log_head").await;
    running.fill(5, 5).await;
    run(
        &running.db,
        "DELETE FROM log_head; INSERT INTO log_head SELECT * FROM saved; DELETE FROM log_entry WHERE idx >= 5; \
         UPDATE log_tile SET hashes = substr(hashes, 1, 160)",
    )
    .await;
    for _ in 0..2 {
        let Err(StoreError::GroupFailed(error)) = running.append(&["fork"]).await else {
            panic!("it signed another history")
        };
        assert!(matches!(*error, StoreError::LogHead(_)), "{error}");
    }
    assert!(running.log.head().size() > published.size());
}

#[tokio::test]
async fn a_longer_log_of_another_history_is_refused_for_good() {
    let (_folder, running) = fresh().await;
    running.fill(0, 5).await;
    let (other_folder, other) = fresh().await;
    other.fill(100, 300).await;
    other.close().await;
    let other = open_db(other_folder.path()).await;
    let mut from = other.read().await.unwrap();
    run(&running.db, "DELETE FROM log_head; DELETE FROM log_entry; DELETE FROM log_tile").await;
    let mut to = running.db.write().await.unwrap();
    for row in sqlx::query("SELECT size, root, note FROM log_head").fetch_all(&mut *from).await.unwrap() {
        sqlx::query("INSERT INTO log_head (only_row, size, root, note) VALUES (1, $1, $2, $3)")
            .bind(row.get::<i64, _>(0))
            .bind(row.get::<Vec<u8>, _>(1))
            .bind(row.get::<Vec<u8>, _>(2))
            .execute(&mut *to)
            .await
            .unwrap();
    }
    for row in sqlx::query("SELECT idx, id, record FROM log_entry").fetch_all(&mut *from).await.unwrap() {
        sqlx::query("INSERT INTO log_entry (idx, id, record) VALUES ($1, $2, $3)")
            .bind(row.get::<i64, _>(0))
            .bind(row.get::<String, _>(1))
            .bind(row.get::<Vec<u8>, _>(2))
            .execute(&mut *to)
            .await
            .unwrap();
    }
    for row in sqlx::query("SELECT level, idx, hashes FROM log_tile").fetch_all(&mut *from).await.unwrap() {
        sqlx::query("INSERT INTO log_tile (level, idx, hashes) VALUES ($1, $2, $3)")
            .bind(row.get::<i64, _>(0))
            .bind(row.get::<i64, _>(1))
            .bind(row.get::<Vec<u8>, _>(2))
            .execute(&mut *to)
            .await
            .unwrap();
    }
    drop(to);
    let Err(StoreError::GroupFailed(error)) = running.append(&["fork"]).await else {
        panic!("it continued another history")
    };
    assert!(matches!(*error, StoreError::LogHead(_)), "{error}");
    assert!(running.log.refresh().await.is_err());
    assert_eq!(running.log.head().size(), 5);
}
