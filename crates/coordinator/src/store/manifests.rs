//! Logged manifests, and which epoch and version of each list is current.

use sqlx::{Row, any::AnyRow};
use tacit_store::{Conn, StoreError};

use super::{signed, unsigned};

/// A logged manifest.
pub(crate) struct StoredManifest {
    pub(crate) epoch: u64,
    pub(crate) version: u64,
    pub(crate) note: Vec<u8>,
    pub(crate) log_index: u64,
}

/// Where an epoch of a list stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EpochHead {
    pub(crate) epoch: u64,
    /// Newest logged version.
    pub(crate) version: u64,
    /// When the epoch's first manifest was logged.
    pub(crate) first_logged_ms: u64,
}

/// The newest two epochs of a list, newest first.
pub(crate) async fn heads(conn: &mut Conn, list: &str) -> Result<Vec<EpochHead>, StoreError> {
    let rows = sqlx::query(
        "SELECT epoch, version, first_logged_ms FROM list_epoch WHERE list = $1 ORDER BY epoch DESC LIMIT 2",
    )
    .bind(list)
    .fetch_all(conn)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(EpochHead {
                epoch: unsigned("list_epoch", "epoch", row.try_get(0)?)?,
                version: unsigned("list_epoch", "version", row.try_get(1)?)?,
                first_logged_ms: unsigned("list_epoch", "first_logged_ms", row.try_get(2)?)?,
            })
        })
        .collect()
}

/// One manifest.
pub(crate) async fn find(
    conn: &mut Conn,
    list: &str,
    epoch: u64,
    version: u64,
) -> Result<Option<StoredManifest>, StoreError> {
    let row = sqlx::query(
        "SELECT epoch, version, note, log_index FROM manifest WHERE list = $1 AND epoch = $2 AND version = $3",
    )
    .bind(list)
    .bind(signed(epoch))
    .bind(signed(version))
    .fetch_optional(conn)
    .await?;
    row.as_ref().map(read).transpose()
}

/// The newest manifest of an epoch.
pub(crate) async fn newest(
    conn: &mut Conn,
    list: &str,
    epoch: u64,
) -> Result<Option<StoredManifest>, StoreError> {
    let row = sqlx::query(
        "SELECT epoch, version, note, log_index FROM manifest \
         WHERE list = $1 AND epoch = $2 ORDER BY version DESC LIMIT 1",
    )
    .bind(list)
    .bind(signed(epoch))
    .fetch_optional(conn)
    .await?;
    row.as_ref().map(read).transpose()
}

fn read(row: &AnyRow) -> Result<StoredManifest, StoreError> {
    Ok(StoredManifest {
        epoch: unsigned("manifest", "epoch", row.try_get(0)?)?,
        version: unsigned("manifest", "version", row.try_get(1)?)?,
        note: row.try_get(2)?,
        log_index: unsigned("manifest", "log_index", row.try_get(3)?)?,
    })
}

/// Stores a manifest, which is the newest of its epoch.
pub(crate) async fn store(
    conn: &mut Conn,
    list: &str,
    manifest: &StoredManifest,
    now_ms: u64,
) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO manifest (list, epoch, version, note, log_index) VALUES ($1, $2, $3, $4, $5)")
        .bind(list)
        .bind(signed(manifest.epoch))
        .bind(signed(manifest.version))
        .bind(manifest.note.as_slice())
        .bind(signed(manifest.log_index))
        .execute(&mut *conn)
        .await?;
    sqlx::query(
        "INSERT INTO list_epoch (list, epoch, first_logged_ms, version) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (list, epoch) DO UPDATE SET version = excluded.version",
    )
    .bind(list)
    .bind(signed(manifest.epoch))
    .bind(signed(now_ms))
    .bind(signed(manifest.version))
    .execute(conn)
    .await?;
    Ok(())
}

/// Keeps a manifest that contradicts a logged one: evidence against its holder.
pub(crate) async fn keep_conflict(
    conn: &mut Conn,
    list: &str,
    conflict: (u64, u64, &str),
    now_ms: u64,
) -> Result<(), StoreError> {
    let (epoch, version, note) = conflict;
    sqlx::query(
        "INSERT INTO manifest_conflict (list, epoch, version, note, received_ms) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT DO NOTHING",
    )
    .bind(list)
    .bind(signed(epoch))
    .bind(signed(version))
    .bind(note.as_bytes())
    .bind(signed(now_ms))
    .execute(conn)
    .await?;
    Ok(())
}
