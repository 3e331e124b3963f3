//! The SQL of the log: `log_head`, `log_entry`, `log_tile`.

use std::collections::HashMap;

use sqlx::{Row, any::AnyRow};
use tacit_ledger::{Hash, checkpoint::VerifiedCheckpoint, tile::TileId, tree::TileUpdate};

use crate::{Conn, Dialect, ReadId, Reads, StoreError, Writes, bulk};

/// Records read in one statement.
const PAGE: u64 = 1024;

/// The row of `log_head`, as it is stored.
pub(super) struct StoredHead {
    pub(super) size: u64,
    pub(super) root: Hash,
    pub(super) note: Vec<u8>,
}

const HEAD: &str = "SELECT size, root, note FROM log_head WHERE only_row = 1";
const HEAD_LOCKED: &str = "SELECT size, root, note FROM log_head WHERE only_row = 1 FOR UPDATE";

pub(super) async fn read_head(conn: &mut Conn) -> Result<Option<StoredHead>, StoreError> {
    sqlx::query(HEAD).fetch_optional(conn).await?.as_ref().map(head).transpose()
}

/// The head, which nobody else moves until this transaction ends. On SQLite the transaction has that lock already; on
/// PostgreSQL it has one that all of our writers take, and this one stops whoever else there is.
pub(super) fn lock_head(reads: &mut Reads) -> ReadId {
    let sql = match reads.dialect() {
        Dialect::Sqlite => HEAD,
        Dialect::Postgres => HEAD_LOCKED,
    };
    reads.add(sql, |row| row)
}

pub(super) fn head(row: &AnyRow) -> Result<StoredHead, StoreError> {
    let size = row.try_get::<i64, _>(0)?;
    let root: Vec<u8> = row.try_get(1)?;
    Ok(StoredHead {
        size: u64::try_from(size).map_err(|_| StoreError::corrupt("log_head", "size", 1, "is negative"))?,
        root: root.try_into().map_err(|_| StoreError::corrupt("log_head", "root", 1, "is not 32 bytes"))?,
        note: row.try_get(2)?,
    })
}

pub(super) async fn create_head(conn: &mut Conn, head: &VerifiedCheckpoint) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO log_head (only_row, size, root, note) VALUES (1, $1, $2, $3)")
        .bind(number(head.size())?)
        .bind(head.root().as_slice())
        .bind(head.note())
        .execute(conn)
        .await?;
    Ok(())
}

/// Moves the head on; fails if somebody else moved it, because no size may be missing.
pub(super) fn move_head(
    writes: &mut Writes,
    old: &VerifiedCheckpoint,
    new: &VerifiedCheckpoint,
) -> Result<(), StoreError> {
    let (old_size, new_size) = (number(old.size())?, number(new.size())?);
    writes.add(
        "UPDATE log_head SET size = CASE WHEN size = ? AND root = ? THEN CAST(? AS BIGINT) END, root = ?, note = ? \
         WHERE only_row = 1",
        |row| {
            row.bind(old_size)
                .bind(old.root().as_slice())
                .bind(new_size)
                .bind(new.root().as_slice())
                .bind(new.note())
        },
    );
    Ok(())
}

pub(super) fn insert_entries(
    writes: &mut Writes,
    start: u64,
    records: &[(String, Vec<u8>)],
) -> Result<(), StoreError> {
    let mut index = number(start)?;
    writes.insert("log_entry (idx, id, record)", 3, "", records, |row, (id, record)| {
        let row = row.bind(index).bind(id.as_str()).bind(record.as_slice());
        index += 1;
        row
    });
    Ok(())
}

pub(super) fn store_tiles(writes: &mut Writes, tiles: &[TileUpdate]) -> Result<(), StoreError> {
    for tile in tiles {
        let index = number(tile.id.index)?;
        writes.add(
            "INSERT INTO log_tile (level, idx, hashes) VALUES (?, ?, ?) \
             ON CONFLICT (level, idx) DO UPDATE SET hashes = excluded.hashes",
            |row| row.bind(i64::from(tile.id.level)).bind(index).bind(tile.bytes.as_slice()),
        );
    }
    Ok(())
}

pub(super) async fn read_tile(conn: &mut Conn, id: TileId) -> Result<Vec<u8>, StoreError> {
    let row = sqlx::query("SELECT hashes FROM log_tile WHERE level = $1 AND idx = $2")
        .bind(i64::from(id.level))
        .bind(number(id.index)?)
        .fetch_optional(conn)
        .await?
        .ok_or_else(|| {
            StoreError::corrupt("log_tile", "hashes", format!("{}/{}", id.level, id.index), "is missing")
        })?;
    Ok(row.try_get(0)?)
}

pub(super) async fn entries(conn: &mut Conn, start: u64, count: u64) -> Result<Vec<Vec<u8>>, StoreError> {
    let end = start.saturating_add(count);
    let mut records = Vec::new();
    let mut next = start;
    while next < end {
        let page = (end - next).min(PAGE);
        let rows = sqlx::query("SELECT idx, record FROM log_entry WHERE idx >= $1 AND idx < $2 ORDER BY idx")
            .bind(number(next)?)
            .bind(number(next + page)?)
            .fetch_all(&mut *conn)
            .await?;
        for row in &rows {
            if row.try_get::<i64, _>(0)? != number(next)? {
                return Err(StoreError::corrupt("log_entry", "idx", next, "is missing"));
            }
            records.push(row.try_get(1)?);
            next += 1;
        }
        if rows.len() as u64 != page {
            return Err(StoreError::corrupt("log_entry", "idx", next, "is missing"));
        }
    }
    Ok(records)
}

pub(super) async fn records(conn: &mut Conn, indexes: &[u64]) -> Result<Vec<Vec<u8>>, StoreError> {
    let keys = indexes.iter().map(|index| number(*index)).collect::<Result<Vec<_>, _>>()?;
    let head = "SELECT idx, record FROM log_entry WHERE idx IN";
    let mut found = HashMap::with_capacity(indexes.len());
    for row in bulk::fetch(conn, head, &keys, |row, key| row.bind(*key)).await? {
        found.insert(row.try_get::<i64, _>(0)?, row.try_get::<Vec<u8>, _>(1)?);
    }
    keys.iter()
        .map(|key| {
            found.get(key).cloned().ok_or_else(|| StoreError::corrupt("log_entry", "idx", key, "is missing"))
        })
        .collect()
}

fn number(value: u64) -> Result<i64, StoreError> {
    i64::try_from(value).map_err(|_| StoreError::LogHead("a size or index is beyond the database's integers"))
}
