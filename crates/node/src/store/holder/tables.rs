//! Sealed tables and their versions.

use std::num::NonZeroU64;

use sqlx::Row;
use tacit_blind::table::Layout;
use tacit_model::Millis;
use tacit_store::{Conn, StoreError, bulk};

use super::lists::ListNo;
use crate::store::{signed, unsigned};

/// A sealed table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct TableId(pub(crate) i64);

/// A table whose buckets are complete.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StoredTable {
    pub(crate) id: TableId,
    pub(crate) layout: Layout,
    pub(crate) applied_seq: i64,
    pub(crate) records: u64,
}

/// How far a version came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    Sealed,
    Uploaded,
    Logged,
    Active,
}

impl Stage {
    fn as_str(self) -> &'static str {
        match self {
            Self::Sealed => "sealed",
            Self::Uploaded => "uploaded",
            Self::Logged => "logged",
            Self::Active => "active",
        }
    }

    fn parse(word: &str) -> Result<Self, StoreError> {
        [Self::Sealed, Self::Uploaded, Self::Logged, Self::Active]
            .into_iter()
            .find(|stage| stage.as_str() == word)
            .ok_or_else(|| StoreError::corrupt("table_version", "state", "of a list", "is not a state"))
    }
}

/// A version of an epoch's table.
#[derive(Debug, Clone)]
pub(crate) struct StoredVersion {
    pub(crate) version: u64,
    pub(crate) table: TableId,
    /// Whether all buckets go to the custodian, or those of this version only.
    pub(crate) whole: bool,
    pub(crate) note: String,
    pub(crate) stage: Stage,
    pub(crate) logged: Option<Millis>,
}

/// The newest logged version of a list.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Published {
    pub(crate) id: TableId,
    pub(crate) epoch: u64,
    pub(crate) version: u64,
    pub(crate) buckets: u32,
    pub(crate) applied_seq: i64,
    pub(crate) records: u64,
    /// When this version was logged.
    pub(crate) logged: Millis,
}

/// Begins a table that is being built.
pub(crate) async fn begin(
    conn: &mut Conn,
    list: ListNo,
    epoch: u64,
    layout: Layout,
    applied_seq: i64,
) -> Result<TableId, StoreError> {
    let row = sqlx::query(
        "INSERT INTO sealed_table (list_no, epoch, buckets, capacity, state, applied_seq, records) \
         VALUES ($1, $2, $3, $4, 'building', $5, 0) RETURNING id",
    )
    .bind(list.0)
    .bind(signed(epoch))
    .bind(i64::from(layout.buckets()))
    .bind(i64::from(layout.capacity()))
    .bind(applied_seq)
    .fetch_one(conn)
    .await?;
    Ok(TableId(row.try_get(0)?))
}

/// Says that a table is complete, and that it took in changes up to `applied_seq`.
pub(crate) async fn set_live(conn: &mut Conn, table: &StoredTable) -> Result<(), StoreError> {
    sqlx::query("UPDATE sealed_table SET state = 'live', applied_seq = $1, records = $2 WHERE id = $3")
        .bind(table.applied_seq)
        .bind(signed(table.records))
        .bind(table.id.0)
        .execute(conn)
        .await?;
    Ok(())
}

/// Says that a table is needed no longer.
pub(crate) async fn set_dropped(conn: &mut Conn, table: TableId) -> Result<(), StoreError> {
    sqlx::query("UPDATE sealed_table SET state = 'dropped' WHERE id = $1")
        .bind(table.0)
        .execute(conn)
        .await?;
    Ok(())
}

/// Says that no table of an epoch is needed any longer.
pub(crate) async fn drop_epoch(conn: &mut Conn, list: ListNo, epoch: u64) -> Result<(), StoreError> {
    sqlx::query("UPDATE sealed_table SET state = 'dropped' WHERE list_no = $1 AND epoch = $2")
        .bind(list.0)
        .bind(signed(epoch))
        .execute(conn)
        .await?;
    Ok(())
}

/// Tables of a list that were not completed before the process ended.
pub(crate) async fn drop_unfinished(conn: &mut Conn, list: ListNo) -> Result<(), StoreError> {
    sqlx::query("UPDATE sealed_table SET state = 'dropped' WHERE list_no = $1 AND state = 'building'")
        .bind(list.0)
        .execute(conn)
        .await?;
    Ok(())
}

/// Removes some buckets of dropped tables of a list; true when nothing is left to remove.
pub(crate) async fn sweep(conn: &mut Conn, list: ListNo) -> Result<bool, StoreError> {
    let row = sqlx::query("SELECT id FROM sealed_table WHERE list_no = $1 AND state = 'dropped' LIMIT 1")
        .bind(list.0)
        .fetch_optional(&mut *conn)
        .await?;
    let Some(row) = row else { return Ok(true) };
    let table: i64 = row.try_get(0)?;
    let removed = sqlx::query(
        "DELETE FROM table_bucket WHERE table_id = $1 AND number IN \
         (SELECT number FROM table_bucket WHERE table_id = $1 ORDER BY number LIMIT 512)",
    )
    .bind(table)
    .execute(&mut *conn)
    .await?
    .rows_affected();
    if removed == 0 {
        for sql in [
            "DELETE FROM deferred_change WHERE table_id = $1",
            "DELETE FROM table_version WHERE table_id = $1",
            "DELETE FROM sealed_table WHERE id = $1",
        ] {
            sqlx::query(sql).bind(table).execute(&mut *conn).await?;
        }
    }
    Ok(false)
}

/// A complete table.
pub(crate) async fn load(conn: &mut Conn, id: TableId) -> Result<StoredTable, StoreError> {
    let row = sqlx::query("SELECT buckets, capacity, applied_seq, records FROM sealed_table WHERE id = $1")
        .bind(id.0)
        .fetch_one(conn)
        .await?;
    let buckets = unsigned("sealed_table", "buckets", row.try_get(0)?)?;
    let capacity = unsigned("sealed_table", "capacity", row.try_get(1)?)?;
    let layout = Layout::from_counts(buckets, capacity)
        .map_err(|_| StoreError::corrupt("sealed_table", "capacity", id.0, "is not a layout"))?;
    let records = unsigned("sealed_table", "records", row.try_get(3)?)?;
    Ok(StoredTable { id, layout, applied_seq: row.try_get(2)?, records })
}

/// Adds a version that is sealed.
pub(crate) async fn add_version(
    conn: &mut Conn,
    list: ListNo,
    epoch: u64,
    version: &StoredVersion,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO table_version (list_no, epoch, version, table_id, whole, note, state) \
         VALUES ($1, $2, $3, $4, $5, $6, 'sealed')",
    )
    .bind(list.0)
    .bind(signed(epoch))
    .bind(signed(version.version))
    .bind(version.table.0)
    .bind(i64::from(version.whole))
    .bind(version.note.as_bytes())
    .execute(conn)
    .await?;
    Ok(())
}

/// Notes how far a version came.
pub(crate) async fn set_stage(
    conn: &mut Conn,
    list: ListNo,
    epoch: u64,
    version: u64,
    stage: Stage,
    logged: Option<Millis>,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE table_version SET state = $1, logged_ms = COALESCE(logged_ms, $2) \
         WHERE list_no = $3 AND epoch = $4 AND version = $5",
    )
    .bind(stage.as_str())
    .bind(logged.map(Millis::to_i64))
    .bind(list.0)
    .bind(signed(epoch))
    .bind(signed(version))
    .execute(conn)
    .await?;
    Ok(())
}

/// Says that all buckets of a version go to the custodian.
pub(crate) async fn set_whole(
    conn: &mut Conn,
    list: ListNo,
    epoch: u64,
    version: u64,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE table_version SET whole = 1, state = 'sealed' WHERE list_no = $1 AND epoch = $2 AND version = $3")
        .bind(list.0)
        .bind(signed(epoch))
        .bind(signed(version))
        .execute(conn)
        .await?;
    Ok(())
}

/// The newest versions of an epoch, newest first, at most `most`.
pub(crate) async fn versions(
    conn: &mut Conn,
    list: ListNo,
    epoch: u64,
    most: u32,
) -> Result<Vec<StoredVersion>, StoreError> {
    let rows = sqlx::query(
        "SELECT version, table_id, whole, note, state, logged_ms FROM table_version \
         WHERE list_no = $1 AND epoch = $2 ORDER BY version DESC LIMIT $3",
    )
    .bind(list.0)
    .bind(signed(epoch))
    .bind(i64::from(most))
    .fetch_all(conn)
    .await?;
    rows.iter()
        .map(|row| {
            let version: u64 = unsigned("table_version", "version", row.try_get(0)?)?;
            let note = String::from_utf8(row.try_get(3)?);
            let logged: Option<i64> = row.try_get(5)?;
            Ok(StoredVersion {
                version,
                table: TableId(row.try_get(1)?),
                whole: row.try_get::<i64, _>(2)? == 1,
                note: note
                    .map_err(|_| StoreError::corrupt("table_version", "note", version, "is not text"))?,
                stage: Stage::parse(row.try_get(4)?)?,
                logged: logged
                    .map(|ms| Ok::<_, StoreError>(Millis(unsigned("table_version", "logged_ms", ms)?)))
                    .transpose()?,
            })
        })
        .collect()
}

/// The newest logged version of a list, if its epoch's key is still here.
pub(crate) async fn published(conn: &mut Conn, list: ListNo) -> Result<Option<Published>, StoreError> {
    let row = sqlx::query(
        "SELECT t.id, v.epoch, v.version, t.buckets, t.applied_seq, t.records, v.logged_ms FROM table_version v \
         JOIN sealed_table t ON t.id = v.table_id \
         WHERE v.list_no = $1 AND v.logged_ms IS NOT NULL ORDER BY v.epoch DESC, v.version DESC LIMIT 1",
    )
    .bind(list.0)
    .fetch_optional(conn)
    .await?;
    row.map(|row| {
        Ok(Published {
            id: TableId(row.try_get(0)?),
            epoch: unsigned("table_version", "epoch", row.try_get(1)?)?,
            version: unsigned("table_version", "version", row.try_get(2)?)?,
            buckets: unsigned("sealed_table", "buckets", row.try_get(3)?)?,
            applied_seq: row.try_get(4)?,
            records: unsigned("sealed_table", "records", row.try_get(5)?)?,
            logged: Millis(unsigned("table_version", "logged_ms", row.try_get(6)?)?),
        })
    })
    .transpose()
}

/// The changes that wait for a table's next tick.
pub(crate) async fn deferred(conn: &mut Conn, table: TableId) -> Result<Vec<u64>, StoreError> {
    let rows = sqlx::query("SELECT record_id FROM deferred_change WHERE table_id = $1 ORDER BY record_id")
        .bind(table.0)
        .fetch_all(conn)
        .await?;
    rows.iter().map(|row| unsigned("deferred_change", "record_id", row.try_get(0)?)).collect()
}

/// Replaces the changes that wait for a table's next tick.
pub(crate) async fn set_deferred(conn: &mut Conn, table: TableId, records: &[u64]) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM deferred_change WHERE table_id = $1").bind(table.0).execute(&mut *conn).await?;
    bulk::insert(
        conn,
        "deferred_change (table_id, record_id)",
        2,
        "ON CONFLICT DO NOTHING",
        records,
        |row, id| row.bind(table.0).bind(signed(*id)),
    )
    .await?;
    Ok(())
}

/// How many changes wait for a table's next tick.
pub(crate) async fn count_deferred(conn: &mut Conn, table: TableId) -> Result<u64, StoreError> {
    let row = sqlx::query("SELECT COUNT(*) FROM deferred_change WHERE table_id = $1")
        .bind(table.0)
        .fetch_one(conn)
        .await?;
    unsigned("deferred_change", "count", row.try_get(0)?)
}

/// Whether a record's change waits for a table's next tick.
pub(crate) async fn is_deferred(
    conn: &mut Conn,
    table: TableId,
    record: NonZeroU64,
) -> Result<bool, StoreError> {
    let row = sqlx::query("SELECT 1 FROM deferred_change WHERE table_id = $1 AND record_id = $2")
        .bind(table.0)
        .bind(signed(record.get()))
        .fetch_optional(conn)
        .await?;
    Ok(row.is_some())
}

/// Says that only one table of an epoch is needed.
pub(crate) async fn drop_others(
    conn: &mut Conn,
    list: ListNo,
    epoch: u64,
    keep: TableId,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE sealed_table SET state = 'dropped' WHERE list_no = $1 AND epoch = $2 AND id <> $3")
        .bind(list.0)
        .bind(signed(epoch))
        .bind(keep.0)
        .execute(conn)
        .await?;
    Ok(())
}
