//! The journal of who acted for whom: keyed hashes in, sealed bytes out.

use sqlx::Row;
use tacit_store::{Conn, StoreError};

/// Under which key the journal is written; the one given, when there was none yet.
pub(crate) async fn mark(conn: &mut Conn, mark: &[u8; 32]) -> Result<Vec<u8>, StoreError> {
    sqlx::query("INSERT INTO portal_act_key (one, mark) VALUES (1, $1) ON CONFLICT (one) DO NOTHING")
        .bind(mark.as_slice())
        .execute(&mut *conn)
        .await?;
    Ok(sqlx::query("SELECT mark FROM portal_act_key WHERE one = 1").fetch_one(conn).await?.try_get(0)?)
}

/// Writes an act down.
pub(crate) async fn add(
    conn: &mut Conn,
    id: &str,
    subject: &[u8; 32],
    sealed: &[u8],
) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO portal_act (act_id, subject_key, sealed) VALUES ($1, $2, $3)")
        .bind(id)
        .bind(subject.as_slice())
        .bind(sealed)
        .execute(conn)
        .await?;
    Ok(())
}

/// Writes down how it ended.
pub(crate) async fn end(conn: &mut Conn, id: &str, sealed: &[u8]) -> Result<(), StoreError> {
    sqlx::query("UPDATE portal_act SET sealed = $2 WHERE act_id = $1")
        .bind(id)
        .bind(sealed)
        .execute(conn)
        .await?;
    Ok(())
}

/// How many acts there are for a subject.
pub(crate) async fn count(conn: &mut Conn, subject: &[u8; 32]) -> Result<u64, StoreError> {
    let row = sqlx::query("SELECT COUNT(*) FROM portal_act WHERE subject_key = $1")
        .bind(subject.as_slice())
        .fetch_one(conn)
        .await?;
    Ok(u64::try_from(row.try_get::<i64, _>(0)?).unwrap_or(0))
}

/// Some of them, newest first: ids with what is sealed.
pub(crate) async fn page(
    conn: &mut Conn,
    subject: &[u8; 32],
    offset: u64,
    limit: u32,
) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
    let rows = sqlx::query(
        "SELECT act_id, sealed FROM portal_act WHERE subject_key = $1 ORDER BY act_id DESC LIMIT $2 OFFSET $3",
    )
    .bind(subject.as_slice())
    .bind(i64::from(limit))
    .bind(i64::try_from(offset).unwrap_or(i64::MAX))
    .fetch_all(conn)
    .await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}
