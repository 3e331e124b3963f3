//! Sealed tables, their versions and their buckets.
//!
//! Buckets are immutable rows. A version of a table consists, per bucket number, of the newest row up to
//! that version, so that activating a tick moves no bytes: it changes the state of one row.

use std::collections::HashMap;

use bytes::Bytes;
use sqlx::{AssertSqlSafe, Row};
use tacit_model::{ListId, Millis};
use tacit_store::{Conn, StoreError, bulk};

use super::{bytes32, signed, unsigned};

/// A row id of `sealed_table`.
pub(crate) type TableId = i64;
/// A row id of `bucket`.
pub(crate) type Slot = i64;

/// Buckets removed in one statement.
const REMOVE_AT_ONCE: i64 = 256;

/// A version that is held.
#[derive(Debug, Clone)]
pub(crate) struct HeldVersion {
    pub(crate) table: TableId,
    pub(crate) list: ListId,
    pub(crate) epoch: u64,
    pub(crate) version: u64,
    /// The manifest as signed note.
    pub(crate) note: Vec<u8>,
    pub(crate) note_hash: [u8; 32],
    /// Since when the epoch is served; `None` before the first activation.
    pub(crate) served_since: Option<Millis>,
}

/// What identifies a bucket's bytes: where they are and what they hash to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BucketPlace {
    pub(crate) number: u32,
    pub(crate) slot: Slot,
    pub(crate) leaf: [u8; 32],
}

/// A bucket to store.
#[derive(Debug)]
pub(crate) struct NewBucket {
    pub(crate) number: u32,
    pub(crate) leaf: [u8; 32],
    pub(crate) entries: Bytes,
}

/// What a new table is.
#[derive(Debug)]
pub(crate) struct NewTable<'a> {
    pub(crate) list: &'a ListId,
    pub(crate) epoch: u64,
    pub(crate) version: u64,
    pub(crate) buckets: u32,
    pub(crate) capacity: u32,
    pub(crate) note: &'a [u8],
    pub(crate) note_hash: [u8; 32],
}

/// Begins a table whose buckets are still to come.
pub(crate) async fn begin(conn: &mut Conn, new: &NewTable<'_>, now: Millis) -> Result<TableId, StoreError> {
    let table: TableId = sqlx::query(
        "INSERT INTO sealed_table (list, epoch, buckets, capacity) VALUES ($1, $2, $3, $4) RETURNING id",
    )
    .bind(new.list.as_str())
    .bind(signed(new.epoch))
    .bind(i64::from(new.buckets))
    .bind(i64::from(new.capacity))
    .fetch_one(&mut *conn)
    .await?
    .try_get(0)?;
    insert_version(conn, table, new.version, "receiving", new.note, &new.note_hash, now).await?;
    Ok(table)
}

/// Stores buckets of a version.
pub(crate) async fn insert_buckets(
    conn: &mut Conn,
    table: TableId,
    version: u64,
    buckets: &[NewBucket],
) -> Result<(), StoreError> {
    let into = "bucket (table_id, version, number, leaf, entries)";
    bulk::insert(conn, into, 5, "", buckets, |row, bucket| {
        row.bind(table)
            .bind(signed(version))
            .bind(i64::from(bucket.number))
            .bind(bucket.leaf.as_slice())
            .bind(&*bucket.entries)
    })
    .await?;
    Ok(())
}

/// A received table is complete: it becomes the staged one, and what was staged before for its epoch goes. So does
/// what is staged for any epoch that is not yet served: a list has one of those at most.
pub(crate) async fn stage_table(
    conn: &mut Conn,
    new: &NewTable<'_>,
    table: TableId,
    served_epochs: &[u64],
    now: Millis,
) -> Result<(), StoreError> {
    for old in staged(conn, new.list).await? {
        if old.epoch == new.epoch || !served_epochs.contains(&old.epoch) {
            unstage(conn, &old, now).await?;
        }
    }
    set_state(conn, table, new.version, "staged", now).await
}

/// Stages the next version of a served table; its rewritten buckets follow in the same transaction. What was
/// staged for this epoch before goes.
pub(crate) async fn stage_changes(
    conn: &mut Conn,
    table: TableId,
    next: &NewTable<'_>,
    now: Millis,
) -> Result<(), StoreError> {
    for old in staged(conn, next.list).await? {
        if old.epoch == next.epoch {
            unstage(conn, &old, now).await?;
        }
    }
    insert_version(conn, table, next.version, "staged", next.note, &next.note_hash, now).await
}

/// What is staged for a list, ascending by epoch: at most one version per epoch.
pub(crate) async fn staged(conn: &mut Conn, list: &ListId) -> Result<Vec<HeldVersion>, StoreError> {
    let rows = sqlx::query(
        "SELECT t.id, t.list, t.epoch, v.version, v.note, v.note_hash, COALESCE(t.served_since_ms, -1) \
         FROM sealed_table t JOIN table_version v ON v.table_id = t.id \
         WHERE t.list = $1 AND v.state = 'staged' ORDER BY t.epoch",
    )
    .bind(list.as_str())
    .fetch_all(conn)
    .await?;
    rows.iter().map(held).collect()
}

/// All versions that are served.
pub(crate) async fn active(conn: &mut Conn) -> Result<Vec<HeldVersion>, StoreError> {
    let rows = sqlx::query(
        "SELECT t.id, t.list, t.epoch, v.version, v.note, v.note_hash, COALESCE(t.served_since_ms, -1) \
         FROM sealed_table t JOIN table_version v ON v.table_id = t.id WHERE v.state = 'active' ORDER BY t.id",
    )
    .fetch_all(conn)
    .await?;
    rows.iter().map(held).collect()
}

fn held(row: &sqlx::any::AnyRow) -> Result<HeldVersion, StoreError> {
    let table: TableId = row.try_get(0)?;
    let list: String = row.try_get(1)?;
    let served_since: i64 = row.try_get(6)?;
    Ok(HeldVersion {
        table,
        list: list
            .parse()
            .map_err(|_| StoreError::corrupt("sealed_table", "list", table, "is not a list id"))?,
        epoch: unsigned("sealed_table", "epoch", row.try_get(2)?)?,
        version: unsigned("table_version", "version", row.try_get(3)?)?,
        note: row.try_get(4)?,
        note_hash: bytes32("table_version", "note_hash", table, row.try_get(5)?)?,
        served_since: Millis::from_i64(served_since),
    })
}

/// Where the buckets of one version are: of a whole table when `only` is false, else only those that this
/// version rewrote. Ascending by version, so that the last one of a number counts.
pub(crate) async fn places(
    conn: &mut Conn,
    table: TableId,
    version: u64,
    only: bool,
) -> Result<Vec<BucketPlace>, StoreError> {
    let sql = if only {
        "SELECT number, slot, leaf FROM bucket WHERE table_id = $1 AND version = $2"
    } else {
        "SELECT number, slot, leaf FROM bucket WHERE table_id = $1 AND version <= $2 ORDER BY version"
    };
    let rows = sqlx::query(sql).bind(table).bind(signed(version)).fetch_all(conn).await?;
    let read = |row: &sqlx::any::AnyRow| {
        let slot: Slot = row.try_get(1)?;
        let leaf: Vec<u8> = row.try_get(2)?;
        Ok(BucketPlace {
            number: unsigned("bucket", "number", row.try_get(0)?)?,
            slot,
            leaf: bytes32("bucket", "leaf", slot, &leaf)?,
        })
    };
    rows.iter().map(read).collect()
}

/// The bytes of buckets, by slot. A slot that is gone is missing from the answer.
pub(crate) async fn read(conn: &mut Conn, slots: &[Slot]) -> Result<HashMap<Slot, Bytes>, StoreError> {
    let sql =
        format!("SELECT slot, entries FROM bucket WHERE slot IN ({})", bulk::placeholders(1, slots.len()));
    let mut query = sqlx::query(AssertSqlSafe(sql)).persistent(slots.len() == 1);
    for slot in slots {
        query = query.bind(*slot);
    }
    let mut found = HashMap::with_capacity(slots.len());
    for row in query.fetch_all(conn).await? {
        let entries: Vec<u8> = row.try_get(1)?;
        found.insert(row.try_get(0)?, Bytes::from(entries));
    }
    Ok(found)
}

/// What an activation replaces.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Replaced<'a> {
    /// Table and version served so far in this epoch.
    pub(crate) table: TableId,
    pub(crate) version: u64,
    /// Since when this epoch is served.
    pub(crate) served_since: Millis,
    /// Buckets that the next version of the same table replaces.
    pub(crate) slots: &'a [Slot],
}

/// Makes a staged version the served one.
pub(crate) async fn activate(
    conn: &mut Conn,
    staged: &HeldVersion,
    replaced: Option<Replaced<'_>>,
    now: Millis,
) -> Result<(), StoreError> {
    match replaced {
        Some(old) if old.table == staged.table => {
            sqlx::query("DELETE FROM table_version WHERE table_id = $1 AND version = $2")
                .bind(old.table)
                .bind(signed(old.version))
                .execute(&mut *conn)
                .await?;
            let into = "superseded_bucket (slot, since_ms)";
            let again = "ON CONFLICT (slot) DO NOTHING";
            bulk::insert(conn, into, 2, again, old.slots, |row, slot| row.bind(*slot).bind(now.to_i64()))
                .await?;
        }
        Some(old) => set_state(conn, old.table, old.version, "dropped", now).await?,
        None => {}
    }
    sqlx::query("UPDATE sealed_table SET served_since_ms = $2 WHERE id = $1 AND served_since_ms IS NULL")
        .bind(staged.table)
        .bind(replaced.map_or(now, |old| old.served_since).to_i64())
        .execute(&mut *conn)
        .await?;
    set_state(conn, staged.table, staged.version, "active", now).await
}

/// Stops serving a version.
pub(crate) async fn drop_version(
    conn: &mut Conn,
    table: TableId,
    version: u64,
    now: Millis,
) -> Result<(), StoreError> {
    set_state(conn, table, version, "dropped", now).await
}

/// Takes back what is staged for an epoch that is over.
pub(crate) async fn end_epoch(
    conn: &mut Conn,
    list: &ListId,
    epoch: u64,
    now: Millis,
) -> Result<(), StoreError> {
    for old in staged(conn, list).await?.iter().filter(|old| old.epoch == epoch) {
        unstage(conn, old, now).await?;
    }
    Ok(())
}

/// After a start: uploads that nobody is sending any more.
pub(crate) async fn drop_unfinished(conn: &mut Conn, now: Millis) -> Result<(), StoreError> {
    sqlx::query("UPDATE table_version SET state = 'dropped', changed_ms = $1 WHERE state = 'receiving'")
        .bind(now.to_i64())
        .execute(conn)
        .await?;
    Ok(())
}

/// Removes some of what has not been served since `before`. True when there may be more.
pub(crate) async fn remove_some(conn: &mut Conn, before: Millis) -> Result<bool, StoreError> {
    let superseded = sqlx::query(
        "DELETE FROM bucket WHERE slot IN (SELECT slot FROM superseded_bucket WHERE since_ms < $1 ORDER BY slot LIMIT $2)",
    )
    .bind(before.to_i64())
    .bind(REMOVE_AT_ONCE)
    .execute(&mut *conn)
    .await?
    .rows_affected();
    sqlx::query(
        "DELETE FROM superseded_bucket WHERE since_ms < $1 \
         AND NOT EXISTS (SELECT 1 FROM bucket WHERE bucket.slot = superseded_bucket.slot)",
    )
    .bind(before.to_i64())
    .execute(&mut *conn)
    .await?;
    let dropped = sqlx::query(
        "SELECT table_id FROM table_version AS v WHERE state = 'dropped' AND changed_ms < $1 AND NOT EXISTS \
         (SELECT 1 FROM table_version AS o WHERE o.table_id = v.table_id AND o.state = 'active') LIMIT 1",
    )
    .bind(before.to_i64())
    .fetch_optional(&mut *conn)
    .await?;
    let Some(row) = dropped else { return Ok(superseded > 0) };
    let table: TableId = row.try_get(0)?;
    let removed = sqlx::query(
        "DELETE FROM bucket WHERE slot IN (SELECT slot FROM bucket WHERE table_id = $1 LIMIT $2)",
    )
    .bind(table)
    .bind(REMOVE_AT_ONCE)
    .execute(&mut *conn)
    .await?
    .rows_affected();
    if removed == 0 {
        // Nothing of the table is served; what was staged on top of it goes along.
        sqlx::query("DELETE FROM table_version WHERE table_id = $1").bind(table).execute(&mut *conn).await?;
        sqlx::query("DELETE FROM sealed_table WHERE id = $1").bind(table).execute(&mut *conn).await?;
        tracing::debug!(table, "removed a table that is no longer served");
    }
    Ok(true)
}

async fn insert_version(
    conn: &mut Conn,
    table: TableId,
    version: u64,
    state: &'static str,
    note: &[u8],
    note_hash: &[u8; 32],
    now: Millis,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO table_version (table_id, version, state, note, note_hash, changed_ms) \
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(table)
    .bind(signed(version))
    .bind(state)
    .bind(note)
    .bind(note_hash.as_slice())
    .bind(now.to_i64())
    .execute(conn)
    .await?;
    Ok(())
}

async fn set_state(
    conn: &mut Conn,
    table: TableId,
    version: u64,
    state: &'static str,
    now: Millis,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE table_version SET state = $3, changed_ms = $4 WHERE table_id = $1 AND version = $2")
        .bind(table)
        .bind(signed(version))
        .bind(state)
        .bind(now.to_i64())
        .execute(conn)
        .await?;
    Ok(())
}

/// Takes a staged version back. Staged changes lie in the table they change, and go at once: no answer can be
/// reading them. A staged table of its own is removed later, bit by bit.
async fn unstage(conn: &mut Conn, staged: &HeldVersion, now: Millis) -> Result<(), StoreError> {
    if staged.served_since.is_none() {
        return set_state(conn, staged.table, staged.version, "dropped", now).await;
    }
    for sql in [
        "DELETE FROM bucket WHERE table_id = $1 AND version = $2",
        "DELETE FROM table_version WHERE table_id = $1 AND version = $2",
    ] {
        sqlx::query(sql).bind(staged.table).bind(signed(staged.version)).execute(&mut *conn).await?;
    }
    Ok(())
}
