//! What a member has verified of the log, kept across restarts. The table is `witness_state`.

use sqlx::Row;

use crate::{Conn, StoreError};

/// The newest checkpoint a member has verified, as signed note.
pub async fn load(conn: &mut Conn) -> Result<Option<Vec<u8>>, StoreError> {
    let row = sqlx::query("SELECT note FROM witness_state WHERE only_row = 1").fetch_optional(conn).await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

/// Keeps a newer checkpoint; an older one never replaces it.
pub async fn save(conn: &mut Conn, size: u64, root: &[u8; 32], note: &[u8]) -> Result<(), StoreError> {
    let size =
        i64::try_from(size).map_err(|_| StoreError::LogHead("a size is beyond the database's integers"))?;
    sqlx::query(
        "INSERT INTO witness_state (only_row, size, root, note) VALUES (1, $1, $2, $3) \
         ON CONFLICT (only_row) DO UPDATE SET size = excluded.size, root = excluded.root, note = excluded.note \
         WHERE witness_state.size < excluded.size",
    )
    .bind(size)
    .bind(root.as_slice())
    .bind(note)
    .execute(conn)
    .await?;
    Ok(())
}
