//! The buckets of sealed tables.

use sqlx::{AssertSqlSafe, Row, any::AnyRow};
use tacit_blind::table::Bucket;
use tacit_store::{Conn, StoreError, bulk};

use super::tables::{StoredTable, TableId};
use crate::store::{bytes32, signed, unsigned};

/// Rows of one insert; with the smallest buckets about half a megabyte.
const BUCKETS_TOGETHER: usize = 64;

/// Writes buckets of a version: new rows of a table being built, or in the place of older ones.
pub(crate) async fn put(
    conn: &mut Conn,
    table: TableId,
    version: u64,
    buckets: &[Bucket],
) -> Result<(), StoreError> {
    struct Prepared<'a> {
        bucket: &'a Bucket,
        leaf: [u8; 32],
        refs: Vec<u8>,
    }
    for part in buckets.chunks(BUCKETS_TOGETHER) {
        let prepared: Vec<Prepared<'_>> = part
            .iter()
            .map(|bucket| {
                let refs = bucket.references().iter().flat_map(|reference| reference.to_be_bytes()).collect();
                Prepared { bucket, leaf: bucket.leaf(), refs }
            })
            .collect();
        bulk::insert(
            conn,
            "table_bucket (table_id, number, version, fillers, leaf, refs, entries)",
            7,
            "ON CONFLICT (table_id, number) DO UPDATE SET version = excluded.version, fillers = excluded.fillers, \
             leaf = excluded.leaf, refs = excluded.refs, entries = excluded.entries",
            &prepared,
            |row, it| {
                row.bind(table.0)
                    .bind(i64::from(it.bucket.number()))
                    .bind(signed(version))
                    .bind(signed(it.bucket.fillers() as u64))
                    .bind(it.leaf.as_slice())
                    .bind(it.refs.as_slice())
                    .bind(it.bucket.entries())
            },
        )
        .await?;
    }
    Ok(())
}

/// Leaf and fillers of every bucket of a table, in order.
pub(crate) async fn leaves(conn: &mut Conn, table: &StoredTable) -> Result<Vec<([u8; 32], u32)>, StoreError> {
    let rows =
        sqlx::query("SELECT number, leaf, fillers FROM table_bucket WHERE table_id = $1 ORDER BY number")
            .bind(table.id.0)
            .fetch_all(conn)
            .await?;
    let mut leaves = Vec::with_capacity(rows.len());
    for row in &rows {
        let number: i64 = row.try_get(0)?;
        if number != signed(leaves.len() as u64) {
            return Err(StoreError::corrupt("table_bucket", "number", table.id.0, "a bucket is missing"));
        }
        let leaf = bytes32("table_bucket", "leaf", number, row.try_get(1)?)?;
        leaves.push((leaf, unsigned("table_bucket", "fillers", row.try_get(2)?)?));
    }
    if leaves.len() == table.layout.buckets() as usize {
        Ok(leaves)
    } else {
        Err(StoreError::corrupt("table_bucket", "number", table.id.0, "buckets are missing"))
    }
}

/// Some buckets of a table, ascending.
pub(crate) async fn some(
    conn: &mut Conn,
    table: &StoredTable,
    numbers: &[u32],
) -> Result<Vec<Bucket>, StoreError> {
    let mut found = Vec::with_capacity(numbers.len());
    for part in numbers.chunks(1024) {
        let marks = bulk::placeholders(2, part.len());
        let sql = format!(
            "SELECT number, refs, entries FROM table_bucket WHERE table_id = $1 AND number IN ({marks}) ORDER BY number"
        );
        let mut query = sqlx::query(AssertSqlSafe(sql)).persistent(false).bind(table.id.0);
        for number in part {
            query = query.bind(i64::from(*number));
        }
        for row in query.fetch_all(&mut *conn).await? {
            let number = unsigned("table_bucket", "number", row.try_get(0)?)?;
            let references = references(&row, 1, number)?;
            let bucket = Bucket::from_parts(table.layout, number, row.try_get(2)?, references);
            found
                .push(bucket.map_err(|_| {
                    StoreError::corrupt("table_bucket", "entries", number, "is not a bucket")
                })?);
        }
    }
    if found.len() == numbers.len() {
        Ok(found)
    } else {
        Err(StoreError::corrupt("table_bucket", "number", table.id.0, "buckets are missing"))
    }
}

/// The record ids in some buckets of a table, ascending by bucket.
pub(crate) async fn records(
    conn: &mut Conn,
    table: TableId,
    numbers: &[u32],
) -> Result<Vec<(u32, Vec<u64>)>, StoreError> {
    let mut found = Vec::with_capacity(numbers.len());
    for part in bulk::parts(numbers) {
        let marks = bulk::placeholders(2, part.len());
        let sql = format!(
            "SELECT number, refs FROM table_bucket WHERE table_id = $1 AND number IN ({marks}) ORDER BY number"
        );
        let mut query = sqlx::query(AssertSqlSafe(sql)).persistent(false).bind(table.0);
        for number in part {
            query = query.bind(i64::from(*number));
        }
        for row in query.fetch_all(&mut *conn).await? {
            let number = unsigned("table_bucket", "number", row.try_get(0)?)?;
            let mut ids = references(&row, 1, number)?;
            ids.retain(|id| *id != 0);
            found.push((number, ids));
        }
    }
    Ok(found)
}

fn references(row: &AnyRow, index: usize, number: u32) -> Result<Vec<u64>, StoreError> {
    let (chunks, rest) = row.try_get::<&[u8], _>(index)?.as_chunks::<8>();
    if rest.is_empty() {
        Ok(chunks.iter().map(|bytes| u64::from_be_bytes(*bytes)).collect())
    } else {
        Err(StoreError::corrupt("table_bucket", "refs", number, "is not a whole number of references"))
    }
}

/// The published bytes of the buckets from `first` on, at most `count`, ascending.
pub(crate) async fn entries_from(
    conn: &mut Conn,
    table: TableId,
    first: u32,
    count: usize,
) -> Result<Vec<(u32, Vec<u8>)>, StoreError> {
    let rows = sqlx::query(
        "SELECT number, entries FROM table_bucket WHERE table_id = $1 AND number >= $2 ORDER BY number LIMIT $3",
    )
    .bind(table.0)
    .bind(i64::from(first))
    .bind(signed(count as u64))
    .fetch_all(conn)
    .await?;
    rows.iter()
        .map(|row| Ok((unsigned("table_bucket", "number", row.try_get(0)?)?, row.try_get(1)?)))
        .collect()
}

/// The published bytes of the buckets that a version wrote, ascending.
pub(crate) async fn entries_of_version(
    conn: &mut Conn,
    table: TableId,
    version: u64,
) -> Result<Vec<(u32, Vec<u8>)>, StoreError> {
    let rows = sqlx::query(
        "SELECT number, entries FROM table_bucket WHERE table_id = $1 AND version = $2 ORDER BY number",
    )
    .bind(table.0)
    .bind(signed(version))
    .fetch_all(conn)
    .await?;
    rows.iter()
        .map(|row| Ok((unsigned("table_bucket", "number", row.try_get(0)?)?, row.try_get(1)?)))
        .collect()
}
