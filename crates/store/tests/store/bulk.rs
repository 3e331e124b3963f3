//! Many rows in few statements: every row once, whatever their number.

use std::collections::BTreeSet;

use sqlx::Row;
use tacit_store::bulk;
use tempfile::TempDir;

use crate::support::{open_db, run};

async fn table() -> (TempDir, tacit_store::Db) {
    let folder = tempfile::tempdir().unwrap();
    let db = open_db(folder.path()).await;
    run(
        &db,
        "DROP TABLE IF EXISTS thing; CREATE TABLE thing (key BLOB PRIMARY KEY, kind TEXT NOT NULL, n BIGINT)",
    )
    .await;
    (folder, db)
}

#[tokio::test]
async fn every_row_is_written_and_found_once_whatever_their_number() {
    for count in [0usize, 1, 3, 4, 5, 16, 63, 255, 256, 257, 1000, 1023, 1024, 1025, 3000] {
        let (_folder, db) = table().await;
        let mut conn = db.write().await.unwrap();
        let rows: Vec<(Vec<u8>, i64)> =
            (0..count).map(|n| (n.to_be_bytes().to_vec(), i64::try_from(n).unwrap())).collect();
        let written = bulk::insert(&mut conn, "thing (key, kind, n)", 3, "", &rows, |row, (key, n)| {
            row.bind(key.as_slice()).bind(if n % 2 == 0 { "even" } else { "odd" }).bind(*n)
        });
        assert_eq!(written.await.unwrap(), count as u64);
        // Twice the keys that are there, and some that are not.
        let mut keys: Vec<Vec<u8>> = rows.iter().map(|(key, _)| key.clone()).collect();
        keys.extend((0..5usize).map(|n| (1_000_000 + n).to_be_bytes().to_vec()));
        let bind =
            |found: Vec<sqlx::any::AnyRow>| -> Vec<i64> { found.iter().map(|row| row.get(0)).collect() };
        let found = bulk::fetch(&mut conn, "SELECT n FROM thing WHERE key IN", &keys, |row, key| {
            row.bind(key.as_slice())
        });
        let found = bind(found.await.unwrap());
        assert_eq!(found.len(), count, "each once");
        assert_eq!(found.into_iter().collect::<BTreeSet<_>>().len(), count);
        let head = "SELECT n FROM thing WHERE kind = ? AND n >= ? AND key IN";
        let first = |row: bulk::Row| row.bind("even").bind(10i64);
        let found =
            bulk::fetch_within(&mut conn, head, first, &keys.leak()[..], |row, key| row.bind(key.as_slice()));
        let due = (10..i64::try_from(count).unwrap()).filter(|n| n % 2 == 0).count();
        assert_eq!(bind(found.await.unwrap()).len(), due);
    }
}

#[tokio::test]
async fn rows_that_are_there_are_left_or_replaced_as_the_statement_says() {
    let (_folder, db) = table().await;
    let mut conn = db.write().await.unwrap();
    let rows: Vec<u8> = (0..100).collect();
    let mut insert = async |rows: &[u8], n: i64, suffix: &'static str| {
        let rows = rows.to_vec().leak();
        let bind = |row: bulk::Row, key: &'static u8| row.bind(std::slice::from_ref(key)).bind("x").bind(n);
        bulk::insert(&mut conn, "thing (key, kind, n)", 3, suffix, rows, bind).await
    };
    assert_eq!(insert(&rows[..50], 1, "").await.unwrap(), 50);
    assert_eq!(insert(&rows, 2, "ON CONFLICT DO NOTHING").await.unwrap(), 50);
    let replace = "ON CONFLICT (key) DO UPDATE SET n = thing.n + excluded.n";
    assert_eq!(insert(&rows[..10], 5, replace).await.unwrap(), 10);
    assert!(insert(&rows[..1], 5, "").await.is_err());
    let sum = sqlx::query("SELECT CAST(SUM(n) AS BIGINT) FROM thing").fetch_one(&mut *conn).await.unwrap();
    assert_eq!(sum.get::<i64, _>(0), 50 + 50 * 2 + 10 * 5);
}

#[test]
fn placeholders_are_numbered_from_where_they_begin() {
    assert_eq!(bulk::placeholders(3, 3), "$3,$4,$5");
    assert_eq!(bulk::placeholders(1, 0), "");
    let keys: Vec<u32> = (0..2500).collect();
    assert_eq!(bulk::parts(&keys).map(<[u32]>::len).collect::<Vec<_>>(), [1000, 1000, 500]);
}
