//! What a member has verified of the log, kept across restarts. The tables are `witness_state`, `witness_freeze` and
//! `witness_restored`.

use sqlx::{Row, any::AnyRow};
use tacit_ledger::{Hash, checkpoint::VerifiedCheckpoint};

use crate::{Conn, ReadId, Reads, StoreError, Writes, begin, execute_alone};

/// Size and root of the checkpoint that stands in the database, as far as this process knows.
pub type Stored = (u64, Hash);

/// What became of [`advance`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Advanced {
    /// The checkpoint is the stored one now.
    Done,
    /// Another replica stored this one meanwhile, a signed note: nothing was written.
    Other(Vec<u8>),
    /// Another replica froze: nothing was written.
    Frozen,
}

/// Evidence that the coordinator forked its log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Freeze {
    /// A checkpoint that the log signed, as signed note.
    pub first: Vec<u8>,
    /// Another one that cannot be of the same log.
    pub second: Vec<u8>,
    /// The false consistency proof that the coordinator served, 32-byte hashes joined; `None` for two roots of one
    /// size.
    pub proof: Option<Vec<u8>>,
    /// When, in milliseconds since 1970-01-01T00:00:00Z.
    pub frozen_ms: u64,
}

/// The newest checkpoint a member has verified, as signed note.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn load(conn: &mut Conn) -> Result<Option<Vec<u8>>, StoreError> {
    let row = sqlx::query("SELECT note FROM witness_state WHERE only_row = 1").fetch_optional(conn).await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

/// Replaces the stored checkpoint, durably, if it is still the one that is `known`, against which the new one was
/// proven. Replicas of one member share the row: none overwrites what it has not compared.
///
/// # Errors
/// [`StoreError::Database`], [`StoreError::UnknownOutcome`].
pub async fn advance(
    conn: &mut Conn,
    known: Option<&Stored>,
    new: &VerifiedCheckpoint,
) -> Result<Advanced, StoreError> {
    let (size, root) = (number(new.size())?, new.root().as_slice());
    let write = match known {
        None => sqlx::query(
            "INSERT INTO witness_state (only_row, size, root, note) \
             SELECT 1, $1, $2, $3 WHERE NOT EXISTS (SELECT 1 FROM witness_freeze) \
             ON CONFLICT (only_row) DO NOTHING",
        )
        .bind(size)
        .bind(root)
        .bind(new.note()),
        Some((known_size, known_root)) => sqlx::query(
            "UPDATE witness_state SET size = $1, root = $2, note = $3 \
             WHERE only_row = 1 AND size = $4 AND root = $5 AND NOT EXISTS (SELECT 1 FROM witness_freeze)",
        )
        .bind(size)
        .bind(root)
        .bind(new.note())
        .bind(number(*known_size)?)
        .bind(known_root.as_slice()),
    };
    // Every permit waits for this one statement.
    if execute_alone(conn, write).await? == 1 {
        return Ok(Advanced::Done);
    }
    if load_freeze(conn).await?.is_some() {
        return Ok(Advanced::Frozen);
    }
    let other = load(conn).await?;
    other.map(Advanced::Other).ok_or(StoreError::corrupt("witness_state", "note", 1, "is missing"))
}

/// Reads, with what else begins a transaction, the row that [`stands`] judges.
#[must_use]
pub fn read_row(reads: &mut Reads) -> ReadId {
    reads.add(
        "SELECT size, root FROM witness_state WHERE only_row = 1 AND NOT EXISTS (SELECT 1 FROM witness_freeze)",
        |row| row,
    )
}

/// Whether the row is still the one that is `known`, and no replica froze: then the transaction that read it may
/// [`replace`] it.
///
/// # Errors
/// [`StoreError::Database`].
pub fn stands(row: &[AnyRow], known: &Stored) -> Result<bool, StoreError> {
    let Some(row) = row.first() else { return Ok(false) };
    let (size, root): (i64, Vec<u8>) = (row.try_get(0)?, row.try_get(1)?);
    Ok(size == number(known.0)? && root == known.1)
}

/// Replaces the stored checkpoint with the commit whose last writes these are.
///
/// # Errors
/// A size beyond the database's integers.
pub fn replace(last: &mut Writes, new: &VerifiedCheckpoint) -> Result<(), StoreError> {
    let size = number(new.size())?;
    last.add("UPDATE witness_state SET size = ?, root = ?, note = ? WHERE only_row = 1", |row| {
        row.bind(size).bind(new.root().as_slice()).bind(new.note())
    });
    Ok(())
}

/// The evidence on which the member froze, if it did.
///
/// # Errors
/// [`StoreError::Corrupt`], [`StoreError::Database`].
pub async fn load_freeze(conn: &mut Conn) -> Result<Option<Freeze>, StoreError> {
    let row = sqlx::query("SELECT first, second, proof, frozen_ms FROM witness_freeze WHERE only_row = 1")
        .fetch_optional(conn)
        .await?;
    row.map(|row| {
        Ok(Freeze {
            first: row.try_get(0)?,
            second: row.try_get(1)?,
            proof: row.try_get(2)?,
            frozen_ms: time("witness_freeze", "frozen_ms", row.try_get(3)?)?,
        })
    })
    .transpose()
}

/// Keeps evidence, durably; the first stays.
///
/// # Errors
/// [`StoreError::Database`], [`StoreError::UnknownOutcome`].
pub async fn store_freeze(conn: &mut Conn, freeze: &Freeze) -> Result<(), StoreError> {
    let write = sqlx::query(
        "INSERT INTO witness_freeze (only_row, first, second, proof, frozen_ms) VALUES (1, $1, $2, $3, $4) \
         ON CONFLICT (only_row) DO NOTHING",
    )
    .bind(freeze.first.as_slice())
    .bind(freeze.second.as_slice())
    .bind(freeze.proof.as_deref())
    .bind(number(freeze.frozen_ms)?);
    execute_alone(conn, write).await.map(drop)
}

/// Removes the evidence; with `state` also the checkpoint that was verified, so that the next one is taken on the
/// log's signature. Whether there was evidence.
///
/// # Errors
/// [`StoreError::Database`], [`StoreError::UnknownOutcome`].
pub async fn clear_freeze(conn: &mut Conn, state: bool) -> Result<bool, StoreError> {
    let mut tx = begin(conn).await?;
    let removed = sqlx::query("DELETE FROM witness_freeze").execute(&mut *tx).await?.rows_affected();
    if state {
        sqlx::query("DELETE FROM witness_state").execute(&mut *tx).await?;
    }
    tx.commit().await?;
    Ok(removed > 0)
}

/// When the database was restored from a backup, if the member has not caught up since: milliseconds since
/// 1970-01-01T00:00:00Z.
///
/// # Errors
/// [`StoreError::Corrupt`], [`StoreError::Database`].
pub async fn load_restored(conn: &mut Conn) -> Result<Option<u64>, StoreError> {
    let row = sqlx::query("SELECT restored_ms FROM witness_restored WHERE only_row = 1")
        .fetch_optional(conn)
        .await?;
    row.map(|row| time("witness_restored", "restored_ms", row.try_get(0)?)).transpose()
}

/// Notes that the database was restored from a backup, or with `None` that the member has caught up since.
///
/// # Errors
/// [`StoreError::Database`], [`StoreError::UnknownOutcome`].
pub async fn mark_restored(conn: &mut Conn, restored_ms: Option<u64>) -> Result<(), StoreError> {
    let mut tx = begin(conn).await?;
    sqlx::query("DELETE FROM witness_restored").execute(&mut *tx).await?;
    if let Some(restored_ms) = restored_ms {
        sqlx::query("INSERT INTO witness_restored (only_row, restored_ms) VALUES (1, $1)")
            .bind(number(restored_ms)?)
            .execute(&mut *tx)
            .await?;
    }
    tx.commit().await
}

fn number(value: u64) -> Result<i64, StoreError> {
    i64::try_from(value).map_err(|_| StoreError::LogHead("a size is beyond the database's integers"))
}

fn time(table: &'static str, column: &'static str, value: i64) -> Result<u64, StoreError> {
    u64::try_from(value).map_err(|_| StoreError::corrupt(table, column, 1, "is negative"))
}
