//! What the witnesses stand behind, and why the log stopped itself: `log_cosigned` and `log_seal`.

use sqlx::Row;
use tacit_ledger::{checkpoint::VerifiedCheckpoint, quorum::CosignedCheckpoint};
use tacit_model::Millis;
use tacit_store::{Conn, StoreError, execute_alone};

use super::signed;

/// The newest cosigned checkpoint, a signed note.
pub(crate) async fn load(conn: &mut Conn) -> Result<Option<Vec<u8>>, StoreError> {
    let row = sqlx::query("SELECT note FROM log_cosigned WHERE only_row = 1").fetch_optional(conn).await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

/// Keeps a newer one; an older one never replaces it.
pub(crate) async fn save(conn: &mut Conn, cosigned: &CosignedCheckpoint) -> Result<(), StoreError> {
    let write = sqlx::query(
        "INSERT INTO log_cosigned (only_row, size, time_s, note) VALUES (1, $1, $2, $3) \
         ON CONFLICT (only_row) DO UPDATE SET size = excluded.size, time_s = excluded.time_s, note = excluded.note \
         WHERE log_cosigned.size < excluded.size \
         OR (log_cosigned.size = excluded.size AND log_cosigned.time_s < excluded.time_s)",
    )
    .bind(signed(cosigned.checkpoint().size()))
    .bind(signed(cosigned.time_s()))
    .bind(cosigned.checkpoint().note());
    execute_alone(conn, write).await.map(drop)
}

/// Whether the log stopped itself.
pub(crate) async fn is_sealed(conn: &mut Conn) -> Result<bool, StoreError> {
    let row = sqlx::query("SELECT 1 FROM log_seal WHERE only_row = 1").fetch_optional(conn).await?;
    Ok(row.is_some())
}

/// Keeps why the log stopped itself: a checkpoint of its own that its head does not continue. The first stays.
pub(crate) async fn seal(
    conn: &mut Conn,
    checkpoint: &VerifiedCheckpoint,
    head: &VerifiedCheckpoint,
    now: Millis,
) -> Result<(), StoreError> {
    let write = sqlx::query(
        "INSERT INTO log_seal (only_row, note, head, sealed_ms) VALUES (1, $1, $2, $3) \
         ON CONFLICT (only_row) DO NOTHING",
    )
    .bind(checkpoint.note())
    .bind(head.note())
    .bind(signed(now.0));
    execute_alone(conn, write).await.map(drop)
}
