//! The newest verified registry, kept for a start without the coordinator.

use sqlx::Row;
use tacit_store::{Conn, StoreError};

use super::signed;

/// The bytes of the newest registry, if one was ever seen.
pub(crate) async fn load(conn: &mut Conn) -> Result<Option<Vec<u8>>, StoreError> {
    let row = sqlx::query("SELECT bytes FROM registry_seen WHERE only_row = 1").fetch_optional(conn).await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

/// Keeps a registry, unless a newer one is kept already.
pub(crate) async fn keep(conn: &mut Conn, number: u64, bytes: &[u8]) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO registry_seen (only_row, number, bytes) VALUES (1, $1, $2) \
         ON CONFLICT (only_row) DO UPDATE SET number = excluded.number, bytes = excluded.bytes \
         WHERE registry_seen.number <= excluded.number",
    )
    .bind(signed(number))
    .bind(bytes)
    .execute(conn)
    .await?;
    Ok(())
}
