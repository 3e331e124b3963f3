//! Imports: who brought which records, and which one is under way.

use sqlx::Row;
use tacit_model::Millis;
use tacit_store::{Conn, StoreError};

use super::lists::ListNo;
use crate::store::signed;

/// An import without a beat for this long has died, in milliseconds.
pub(crate) const BEAT_MS: u64 = 30_000;

/// Final counts of an import.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ImportCounts {
    pub(crate) read: u64,
    pub(crate) imported: u64,
    pub(crate) changed: u64,
    pub(crate) unchanged: u64,
    pub(crate) rejected: u64,
}

/// Begins an import; `None` when another one of this list is under way.
pub(crate) async fn begin(
    conn: &mut Conn,
    list: ListNo,
    by: &str,
    source: &str,
    now: Millis,
) -> Result<Option<i64>, StoreError> {
    if under_way(conn, list, now).await? {
        return Ok(None);
    }
    let row = sqlx::query(
        "INSERT INTO import_run (list_no, by_whom, source, started_ms, beat_ms) VALUES ($1, $2, $3, $4, $4) RETURNING id",
    )
    .bind(list.0)
    .bind(by)
    .bind(source)
    .bind(now.to_i64())
    .fetch_one(conn)
    .await?;
    Ok(Some(row.try_get(0)?))
}

/// Says that an import is still under way.
pub(crate) async fn beat(conn: &mut Conn, import_id: i64, now: Millis) -> Result<(), StoreError> {
    sqlx::query("UPDATE import_run SET beat_ms = $1 WHERE id = $2")
        .bind(now.to_i64())
        .bind(import_id)
        .execute(conn)
        .await?;
    Ok(())
}

/// Ends an import.
pub(crate) async fn finish(
    conn: &mut Conn,
    import_id: i64,
    counts: ImportCounts,
    now: Millis,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE import_run SET finished_ms = $1, rows_read = $2, imported = $3, changed = $4, unchanged = $5, \
         rejected = $6 WHERE id = $7",
    )
    .bind(now.to_i64())
    .bind(signed(counts.read))
    .bind(signed(counts.imported))
    .bind(signed(counts.changed))
    .bind(signed(counts.unchanged))
    .bind(signed(counts.rejected))
    .bind(import_id)
    .execute(conn)
    .await?;
    Ok(())
}

/// Whether an import of this list is under way.
pub(crate) async fn under_way(conn: &mut Conn, list: ListNo, now: Millis) -> Result<bool, StoreError> {
    let row = sqlx::query(
        "SELECT 1 FROM import_run WHERE list_no = $1 AND finished_ms IS NULL AND beat_ms > $2 LIMIT 1",
    )
    .bind(list.0)
    .bind(now.minus_ms(BEAT_MS).to_i64())
    .fetch_optional(conn)
    .await?;
    Ok(row.is_some())
}
