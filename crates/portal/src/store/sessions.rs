//! Sessions: hashes in, sealed bytes out.

use sqlx::Row;
use tacit_model::Millis;
use tacit_store::{Conn, StoreError};

/// Writes a session, new or changed.
pub(crate) async fn put(
    conn: &mut Conn,
    key: &[u8; 32],
    desk: &str,
    until: Millis,
    sealed: &[u8],
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO portal_session (session_key, desk, until_ms, sealed) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (session_key) DO UPDATE SET until_ms = excluded.until_ms, sealed = excluded.sealed",
    )
    .bind(key.as_slice())
    .bind(desk)
    .bind(signed(until))
    .bind(sealed)
    .execute(conn)
    .await?;
    Ok(())
}

/// Changes a session that is still there; false when it has ended since.
pub(crate) async fn update(
    conn: &mut Conn,
    key: &[u8; 32],
    until: Millis,
    sealed: &[u8],
) -> Result<bool, StoreError> {
    let done = sqlx::query("UPDATE portal_session SET until_ms = $2, sealed = $3 WHERE session_key = $1")
        .bind(key.as_slice())
        .bind(signed(until))
        .bind(sealed)
        .execute(conn)
        .await?;
    Ok(done.rows_affected() > 0)
}

/// The sealed bytes of a session of this desk that has not ended.
pub(crate) async fn get(
    conn: &mut Conn,
    key: &[u8; 32],
    desk: &str,
    now: Millis,
) -> Result<Option<Vec<u8>>, StoreError> {
    let row = sqlx::query(
        "SELECT sealed FROM portal_session WHERE session_key = $1 AND desk = $2 AND until_ms > $3",
    )
    .bind(key.as_slice())
    .bind(desk)
    .bind(signed(now))
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

/// Ends a session.
pub(crate) async fn delete(conn: &mut Conn, key: &[u8; 32]) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM portal_session WHERE session_key = $1")
        .bind(key.as_slice())
        .execute(conn)
        .await?;
    Ok(())
}

/// Removes what ended by itself.
pub(crate) async fn sweep(conn: &mut Conn, now: Millis) -> Result<u64, StoreError> {
    let done = sqlx::query("DELETE FROM portal_session WHERE until_ms <= $1")
        .bind(signed(now))
        .execute(conn)
        .await?;
    Ok(done.rows_affected())
}

/// A time that fits BIGINT.
fn signed(at: Millis) -> i64 {
    i64::try_from(at.0).unwrap_or(i64::MAX)
}
