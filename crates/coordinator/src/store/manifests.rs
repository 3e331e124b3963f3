//! Logged manifests, and which epoch and version of each list is current.

use sqlx::Row;
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
        "SELECT epoch, MAX(version), MIN(logged_ms) FROM manifest WHERE list = $1 \
         AND epoch IN (SELECT DISTINCT epoch FROM manifest WHERE list = $1 ORDER BY epoch DESC LIMIT 2) \
         GROUP BY epoch ORDER BY epoch DESC",
    )
    .bind(list)
    .fetch_all(conn)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(EpochHead {
                epoch: unsigned("manifest", "epoch", row.try_get(0)?)?,
                version: unsigned("manifest", "version", row.try_get(1)?)?,
                first_logged_ms: unsigned("manifest", "logged_ms", row.try_get(2)?)?,
            })
        })
        .collect()
}

/// One manifest; epoch or version 0 means the newest.
pub(crate) async fn find(
    conn: &mut Conn,
    list: &str,
    epoch: u64,
    version: u64,
) -> Result<Option<StoredManifest>, StoreError> {
    let row = sqlx::query(
        "SELECT epoch, version, note, log_index FROM manifest \
         WHERE list = $1 AND ($2 = 0 OR epoch = $2) AND ($3 = 0 OR version = $3) \
         ORDER BY epoch DESC, version DESC LIMIT 1",
    )
    .bind(list)
    .bind(signed(epoch))
    .bind(signed(version))
    .fetch_optional(conn)
    .await?;
    row.map(|row| {
        Ok(StoredManifest {
            epoch: unsigned("manifest", "epoch", row.try_get(0)?)?,
            version: unsigned("manifest", "version", row.try_get(1)?)?,
            note: row.try_get(2)?,
            log_index: unsigned("manifest", "log_index", row.try_get(3)?)?,
        })
    })
    .transpose()
}

/// Stores a manifest.
pub(crate) async fn store(
    conn: &mut Conn,
    list: &str,
    manifest: &StoredManifest,
    now_ms: u64,
) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO manifest (list, epoch, version, note, log_index, logged_ms) VALUES ($1, $2, $3, $4, $5, $6)")
        .bind(list)
        .bind(signed(manifest.epoch))
        .bind(signed(manifest.version))
        .bind(manifest.note.as_slice())
        .bind(signed(manifest.log_index))
        .bind(signed(now_ms))
        .execute(conn)
        .await?;
    Ok(())
}

/// Whether this registry version is already in the log.
pub(crate) async fn registry_index(conn: &mut Conn, hash: &[u8; 32]) -> Result<Option<u64>, StoreError> {
    let row = sqlx::query("SELECT log_index FROM registry_version WHERE hash = $1")
        .bind(hash.as_slice())
        .fetch_optional(conn)
        .await?;
    row.map(|row| unsigned("registry_version", "log_index", row.try_get(0)?)).transpose()
}

/// Highest registry number that was ever in force.
pub(crate) async fn highest_registry(conn: &mut Conn) -> Result<u64, StoreError> {
    let row = sqlx::query("SELECT COALESCE(MAX(number), 0) FROM registry_version").fetch_one(conn).await?;
    unsigned("registry_version", "number", row.try_get(0)?)
}

/// Stores a registry version.
pub(crate) async fn store_registry(
    conn: &mut Conn,
    hash: &[u8; 32],
    number: u64,
    bytes: &[u8],
    index: u64,
) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO registry_version (hash, number, bytes, log_index) VALUES ($1, $2, $3, $4)")
        .bind(hash.as_slice())
        .bind(signed(number))
        .bind(bytes)
        .bind(signed(index))
        .execute(conn)
        .await?;
    Ok(())
}
