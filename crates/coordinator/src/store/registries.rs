//! Registry versions that were in force here.

use sqlx::Row;
use tacit_policy::registry_hash;
use tacit_store::{Conn, StoreError};

use super::{signed, unsigned};

/// A logged registry version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LoggedRegistry {
    pub(crate) number: u64,
    pub(crate) log_index: u64,
}

/// This version, if it is in the log.
pub(crate) async fn find(conn: &mut Conn, hash: &[u8; 32]) -> Result<Option<LoggedRegistry>, StoreError> {
    let row = sqlx::query("SELECT number, log_index FROM registry_version WHERE hash = $1")
        .bind(hash.as_slice())
        .fetch_optional(conn)
        .await?;
    row.map(|row| {
        Ok(LoggedRegistry {
            number: unsigned("registry_version", "number", row.try_get(0)?)?,
            log_index: unsigned("registry_version", "log_index", row.try_get(1)?)?,
        })
    })
    .transpose()
}

/// Highest number that was ever in force; 0 for none.
pub(crate) async fn highest(conn: &mut Conn) -> Result<u64, StoreError> {
    let row = sqlx::query("SELECT COALESCE(MAX(number), 0) FROM registry_version").fetch_one(conn).await?;
    unsigned("registry_version", "number", row.try_get(0)?)
}

/// Stores a version with its record.
pub(crate) async fn store(
    conn: &mut Conn,
    hash: &[u8; 32],
    logged: LoggedRegistry,
    bytes: &[u8],
) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO registry_version (hash, number, bytes, log_index) VALUES ($1, $2, $3, $4)")
        .bind(hash.as_slice())
        .bind(signed(logged.number))
        .bind(bytes)
        .bind(signed(logged.log_index))
        .execute(conn)
        .await?;
    Ok(())
}

/// The stored file of the version that follows number `after`, with its own number: exactly what was logged.
pub(crate) async fn next(conn: &mut Conn, after: u64) -> Result<Option<(u64, Vec<u8>)>, StoreError> {
    let row = sqlx::query(
        "SELECT number, hash, bytes FROM registry_version WHERE number > $1 ORDER BY number LIMIT 1",
    )
    .bind(signed(after))
    .fetch_optional(conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let number = unsigned("registry_version", "number", row.try_get(0)?)?;
    let bytes: Vec<u8> = row.try_get(2)?;
    if row.try_get::<&[u8], _>(1)? != registry_hash(&bytes) {
        return Err(StoreError::corrupt("registry_version", "bytes", number, "are not what their hash says"));
    }
    Ok(Some((number, bytes)))
}
