//! What PostgreSQL adds: sessions that end, replicas over one database, waits for a standby that are canceled.

use std::time::Duration;

use sqlx::{Row, migrate::Migrator};
use tacit_store::{Db, Dialect, Migrations, StoreError, begin, conformance};

use crate::support::*;

/// Ends the sessions of a test's database, as an administrator or a restart would.
async fn end_sessions(db: &Db, kind: &str) -> u64 {
    let mut conn = db.read().await.unwrap();
    let name: String =
        sqlx::query("SELECT CAST(current_database() AS TEXT)").fetch_one(&mut *conn).await.unwrap().get(0);
    let of = format!("datname = '{name}' AND application_name LIKE '%{kind}'");
    let count = format!("SELECT COUNT(*) FROM pg_stat_activity WHERE {of}");
    let found: i64 = sqlx::query(sqlx::AssertSqlSafe(count)).fetch_one(&mut *conn).await.unwrap().get(0);
    drop(conn);
    conformance::administer(&format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {of}"));
    found.unsigned_abs()
}

fn is_skipped() -> bool {
    conformance::is_skipped(
        Dialect::Postgres,
        "this is about PostgreSQL, and TACIT_TEST_POSTGRES names no server",
    )
}

#[tokio::test]
async fn connections_that_the_server_ended_are_replaced() {
    if is_skipped() {
        return;
    }
    let (_folder, running) = fresh().await;
    let mut records = Vec::new();
    for round in 0..5 {
        let record = format!("record {round}");
        assert_eq!(running.append(&[&record]).await.unwrap(), [round]);
        records.push(record);
        assert!(end_sessions(&running.db, "").await >= 2, "the writer and a reader");
        // The very next use works: nothing was under way when the sessions ended.
        running.assert_proven(&records).await;
    }
}

#[tokio::test]
async fn a_session_that_ends_within_a_write_fails_that_write_only() {
    if is_skipped() {
        return;
    }
    let (_folder, running) = fresh().await;
    running.fill(0, 3).await;
    // Its own session, in the middle of the transaction.
    let Err(StoreError::GroupFailed(error)) = running.append_then(&["lost"], Then::EndSession).await else {
        panic!("it was written")
    };
    assert!(!error.is_outcome_unknown(), "no commit was sent: {error}");
    let mut records: Vec<String> = (0..3).map(|n| format!("record {n}")).collect();
    running.append(&["next"]).await.unwrap();
    records.push("next".to_owned());
    running.assert_proven(&records).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn replicas_whose_sessions_end_again_and_again_write_one_log_without_a_gap() {
    if is_skipped() {
        return;
    }
    let (folder, first) = fresh().await;
    let second = Running::open(folder.path()).await.unwrap();
    let work = |running: &Running, name: &'static str| {
        let (writer, log) = (running.writer.clone(), running.log.clone());
        tokio::spawn(async move {
            let mut done = Vec::new();
            for n in 0..200 {
                let record = format!("{name} {n}");
                let job = Job(vec![record.clone().into_bytes()], Then::Nothing);
                match writer.submit(job).await {
                    Ok(indexes) => done.push((indexes[0], record)),
                    Err(error) => assert!(matches!(error, StoreError::GroupFailed(_)), "{error}"),
                }
                assert!(log.head().size() >= done.last().map_or(0, |(index, _)| index + 1));
            }
            done
        })
    };
    let tasks = [work(&first, "first"), work(&second, "second")];
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_millis(30)).await;
        end_sessions(&first.db, "writer").await;
    }
    let mut acknowledged = Vec::new();
    for task in tasks {
        acknowledged.extend(task.await.unwrap());
    }
    assert!(acknowledged.len() > 100, "too few to mean anything: {}", acknowledged.len());
    first.log.refresh().await.unwrap();
    second.log.refresh().await.unwrap();
    assert_eq!(first.log.head(), second.log.head());
    for (index, record) in acknowledged {
        assert_eq!(second.log.records(&[index]).await.unwrap(), [record.into_bytes()]);
    }
    second.log.check().await.unwrap();
}

#[tokio::test]
async fn a_dropped_transaction_gives_its_lock_back_at_once() {
    if is_skipped() {
        return;
    }
    let (folder, running) = fresh().await;
    let other = open_db(folder.path()).await;
    for record in ["one", "two", "three"] {
        let mut lease = other.write().await.unwrap();
        let tx = begin(&mut lease).await.unwrap();
        drop(tx);
        drop(lease);
        // Within a fraction of the ten seconds that a lock is waited for.
        let records = [record];
        let append = running.append(&records);
        tokio::time::timeout(Duration::from_secs(3), append).await.expect("the lock is held").unwrap();
    }
}

#[tokio::test]
async fn a_transaction_that_failed_is_not_committed_as_if_nothing_were() {
    if is_skipped() {
        return;
    }
    let (folder, _running) = fresh().await;
    let db = open_db(folder.path()).await;
    let mut lease = db.write().await.unwrap();
    let mut tx = begin(&mut lease).await.unwrap();
    sqlx::query("INSERT INTO rule_set (hash, rules) VALUES ($1, 'x')")
        .bind([7_u8; 32].as_slice())
        .execute(&mut *tx)
        .await
        .unwrap();
    // Whoever overlooks this error must not hear that all is well: COMMIT would undo and say nothing.
    assert!(sqlx::query("SELECT 1 / 0").persistent(false).fetch_one(&mut *tx).await.is_err());
    let error = tx.commit().await.unwrap_err();
    assert!(!error.is_outcome_unknown(), "{error}");
    drop(lease);
    let mut conn = db.read().await.unwrap();
    assert!(sqlx::query("SELECT 1 FROM rule_set").fetch_all(&mut *conn).await.unwrap().is_empty());
}

#[tokio::test]
async fn readers_cannot_write() {
    if is_skipped() {
        return;
    }
    let (_folder, running) = fresh().await;
    let mut conn = running.db.read().await.unwrap();
    assert!(sqlx::raw_sql("DELETE FROM log_head").execute(&mut *conn).await.is_err());
}

/// Demands a standby that is not there, until it is dropped. All sessions of the server wait meanwhile.
struct NoStandby;

impl NoStandby {
    fn begin() -> Self {
        conformance::administer("ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
        conformance::administer("SELECT pg_reload_conf()");
        // The server's checkpointer tells all sessions, when it comes to it; no view shows whether it has.
        std::thread::sleep(Duration::from_secs(2));
        Self
    }
}

impl Drop for NoStandby {
    fn drop(&mut self) {
        conformance::administer("ALTER SYSTEM RESET synchronous_standby_names");
        conformance::administer("SELECT pg_reload_conf()");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_canceled_wait_for_a_standby_is_an_unknown_outcome_and_is_not_shown_before_it_is_safe() {
    if is_skipped() {
        return;
    }
    let (folder, running) = fresh().await;
    running.fill(0, 5).await;
    let second = Running::open(folder.path()).await.unwrap();
    let name: String = {
        let mut conn = running.db.read().await.unwrap();
        sqlx::query("SELECT CAST(current_database() AS TEXT)").fetch_one(&mut *conn).await.unwrap().get(0)
    };
    let cancel = format!(
        "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND datname = '{name}'"
    );
    let no_standby = NoStandby::begin();
    // Once by the warning that the driver shows; the append itself must not be acknowledged.
    let append = {
        let writer = running.writer.clone();
        tokio::spawn(async move { writer.submit(Job(vec![b"unknown".to_vec()], Then::Nothing)).await })
    };
    while !append.is_finished() {
        tokio::time::sleep(Duration::from_millis(20)).await;
        conformance::administer(&cancel);
    }
    let error = append.await.unwrap().unwrap_err();
    assert!(error.is_outcome_unknown(), "{error}");
    assert_eq!(running.log.head().size(), 5, "nothing is shown that was not acknowledged");
    // Nor is a transaction outside of the group, be it that it wrote or that it would only answer by what it read.
    for writes in [true, false] {
        let db = running.db.clone();
        let commit = tokio::spawn(async move {
            let mut lease = db.write().await.unwrap();
            let mut tx = begin(&mut lease).await.unwrap();
            if writes {
                let insert = sqlx::query("INSERT INTO rule_set (hash, rules) VALUES ($1, 'x')");
                insert.bind([7_u8; 32].as_slice()).execute(&mut *tx).await.unwrap();
            }
            tx.commit().await
        });
        while !commit.is_finished() {
            tokio::time::sleep(Duration::from_millis(20)).await;
            conformance::administer(&cancel);
        }
        let error = commit.await.unwrap().unwrap_err();
        assert!(error.is_outcome_unknown(), "{error}");
    }
    // It can be read by everybody now, and no standby has it: nobody signs or shows it.
    let refresh = second.log.refresh();
    assert!(
        tokio::time::timeout(Duration::from_millis(500), refresh).await.is_err(),
        "shown before it is safe"
    );
    assert_eq!(second.log.head().size(), 5);
    drop(no_standby);
    // No standby is demanded any more: what is committed is as safe as it has to be.
    second.log.refresh().await.unwrap();
    assert_eq!(second.log.head().size(), 6);
    assert_eq!(running.append(&["next"]).await.unwrap(), [6]);
    running.log.check().await.unwrap();
}

#[tokio::test]
async fn a_role_without_a_schema_for_postgresql_says_so_and_names_no_secret() {
    let none = Migrator { migrations: Vec::new().into(), ..Migrator::DEFAULT };
    let url = "postgres://tacit:hunter2@db.example.org/log";
    for migrations in [Migrations::from(&none), Migrations { sqlite: &none, postgres: Some(&none) }] {
        let error = Db::open(url, migrations).await.unwrap_err();
        assert!(matches!(error, StoreError::Unsupported(_)), "{error}");
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    }
}

#[tokio::test]
async fn no_error_and_no_debug_output_holds_the_password() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("password");
    std::fs::write(&path, "canary-9d41").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    let none = Migrator { migrations: Vec::new().into(), ..Migrator::DEFAULT };
    let migrations = Migrations { sqlite: &none, postgres: Some(&none) };
    // Nobody listens on port 1.
    let url = format!("postgres://tacit@127.0.0.1:1/log?password_file={}", path.display());
    let error = Db::open(&url, migrations).await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
    if !is_skipped() {
        let at = conformance::url(folder.path(), "secret");
        let separator = if at.contains('?') { '&' } else { '?' };
        let url = format!("{at}{separator}password_file={}", path.display());
        let db = Db::open(&url, migrations).await.unwrap();
        let lease = db.write().await.unwrap();
        assert!(!format!("{db:?} {lease:?}").contains("canary"));
    }
}
