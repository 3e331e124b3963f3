//! What somebody changed in the log's tables is found when the log is opened.

use tacit_ledger::{ed25519::SigningKey, note::NoteSigner};
use tacit_store::{StoreError, log::Log};

use crate::support::*;

/// Records of the log that is changed: two full tiles and a part of the third.
const SIZE: usize = 700;

async fn opened_after(change: &'static str) -> Result<(), StoreError> {
    let (folder, running) = fresh().await;
    running.fill(0, SIZE).await;
    run(&running.db, change).await;
    running.close().await;
    Running::open(folder.path()).await.map(|_| ())
}

#[tokio::test]
async fn an_unchanged_log_opens() {
    opened_after("SELECT 1").await.unwrap();
}

#[tokio::test]
async fn every_change_of_a_table_is_found_at_open() {
    for change in [
        "UPDATE log_entry SET record = CAST('record x' AS BLOB) WHERE idx = 0",
        "UPDATE log_entry SET record = CAST(record || ' ' AS BLOB) WHERE idx = 300",
        "UPDATE log_entry SET record = CAST('record x' AS BLOB) WHERE idx = 699",
        "DELETE FROM log_entry WHERE idx = 5",
        "DELETE FROM log_entry WHERE idx = 699",
        "UPDATE log_entry SET idx = 10000 WHERE idx = 5; UPDATE log_entry SET idx = 5 WHERE idx = 6; \
         UPDATE log_entry SET idx = 6 WHERE idx = 10000",
        "UPDATE log_tile SET hashes = zeroblob(length(hashes)) WHERE level = 0 AND idx = 0",
        "UPDATE log_tile SET hashes = zeroblob(length(hashes)) WHERE level = 0 AND idx = 2",
        "UPDATE log_tile SET hashes = zeroblob(length(hashes)) WHERE level = 1",
        "UPDATE log_tile SET hashes = substr(hashes, 1, 32) WHERE level = 0 AND idx = 1",
        "UPDATE log_tile SET hashes = substr(hashes, 1, length(hashes) - 32) WHERE level = 0 AND idx = 2",
        "DELETE FROM log_tile WHERE level = 0 AND idx = 1",
        "DELETE FROM log_tile WHERE level = 1",
        "UPDATE log_head SET size = size - 1",
        "UPDATE log_head SET size = size + 1",
        "UPDATE log_head SET root = zeroblob(32)",
        "UPDATE log_head SET note = CAST(replace(CAST(note AS TEXT), '700', '701') AS BLOB)",
        "UPDATE log_head SET note = CAST('' AS BLOB)",
        // Record and leaf together: then the tiles do not give the root.
        "UPDATE log_entry SET record = CAST('' AS BLOB) WHERE idx = 0; UPDATE log_tile SET hashes = \
         CAST(x'6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d' || substr(hashes, 33) AS BLOB) \
         WHERE level = 0 AND idx = 0",
    ] {
        let opened = opened_after(change).await;
        let found = matches!(opened, Err(StoreError::LogHead(_) | StoreError::Corrupt { .. }));
        assert!(found, "{change}: {opened:?}");
    }
}

#[tokio::test]
async fn a_log_does_not_open_under_another_key_or_name() {
    let (folder, running) = fresh().await;
    running.fill(0, 3).await;
    running.close().await;
    let db = open_db(folder.path()).await;
    let key = |seed| SigningKey::from_seed(&[seed; 32]);
    for signer in
        [NoteSigner::new("coordinator/log", key(2)).unwrap(), NoteSigner::new("other/log", key(1)).unwrap()]
    {
        assert!(matches!(Log::open(&db, signer).await, Err(StoreError::LogHead(_))));
    }
    assert_eq!(Log::open(&db, signer()).await.unwrap().head().size(), 3);
}

#[tokio::test]
async fn a_change_under_the_running_log_is_found_by_its_check() {
    let (_folder, running) = fresh().await;
    running.fill(0, SIZE).await;
    running.log.check().await.unwrap();
    run(&running.db, "UPDATE log_entry SET record = CAST('record x' AS BLOB) WHERE idx = 255").await;
    let Err(StoreError::Corrupt { table: "log_entry", row, .. }) = running.log.check().await else {
        panic!("it is not found")
    };
    assert_eq!(row, "255");
}
