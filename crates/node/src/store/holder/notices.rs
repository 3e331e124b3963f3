//! Which records their subjects were notified of through the log, and of which removals they are still to be told.

use std::{collections::HashMap, num::NonZeroU64};

use sqlx::{AssertSqlSafe, Row, any::AnyRow};
use tacit_client::RowKey;
use tacit_model::{ListId, Millis};
use tacit_store::{Conn, StoreError, bulk};

use super::lists::ListNo;
use crate::records::Facts;
use crate::store::{signed, unsigned};

/// The notice of a record.
pub(crate) struct Notice {
    pub(crate) record: u64,
    pub(crate) decision_ref: String,
    pub(crate) decided_on: u32,
    /// As the letter says.
    pub(crate) effective_on: u32,
    /// 0 while the letter is not in the log.
    pub(crate) notified_on: u32,
}

impl Notice {
    /// Whether it is of the decision that a record names.
    pub(crate) fn is_of(&self, facts: &Facts) -> bool {
        self.decision_ref == facts.decision_ref && self.decided_on == facts.decided_on
    }
}

const NOTICE: &str = "record_id, decision_ref, decided_on, effective_on, notified_on";

fn notice(row: &AnyRow) -> Result<Notice, StoreError> {
    let number = |column, value| unsigned("record_notice", column, value);
    Ok(Notice {
        record: unsigned("record_notice", "record_id", row.try_get(0)?)?,
        decision_ref: row.try_get(1)?,
        decided_on: number("decided_on", row.try_get(2)?)?,
        effective_on: number("effective_on", row.try_get(3)?)?,
        notified_on: number("notified_on", row.try_get(4)?)?,
    })
}

/// The next records of a list after a record id that nobody was notified of, at most `limit`, ascending.
pub(crate) async fn lacking(
    conn: &mut Conn,
    list: ListNo,
    after: u64,
    limit: u32,
) -> Result<Vec<u64>, StoreError> {
    let rows = sqlx::query(
        "SELECT id FROM record WHERE list_no = $1 AND id > $2 AND notified_on = 0 AND state <> 'removed' \
         ORDER BY id LIMIT $3",
    )
    .bind(list.0)
    .bind(signed(after))
    .bind(i64::from(limit))
    .fetch_all(conn)
    .await?;
    rows.iter().map(|row| unsigned("record", "id", row.try_get(0)?)).collect()
}

/// The notices of these records.
pub(crate) async fn of_records(conn: &mut Conn, records: &[u64]) -> Result<HashMap<u64, Notice>, StoreError> {
    let mut found = HashMap::with_capacity(records.len());
    for part in bulk::parts(records) {
        let marks = bulk::placeholders(1, part.len());
        let sql = format!("SELECT {NOTICE} FROM record_notice WHERE record_id IN ({marks})");
        let mut query = sqlx::query(AssertSqlSafe(sql)).persistent(false);
        for id in part {
            query = query.bind(signed(*id));
        }
        for row in query.fetch_all(&mut *conn).await? {
            let notice = notice(&row)?;
            found.insert(notice.record, notice);
        }
    }
    Ok(found)
}

/// The notice that a letter is.
pub(crate) async fn of_letter(conn: &mut Conn, letter: &RowKey) -> Result<Option<Notice>, StoreError> {
    let sql = format!("SELECT {NOTICE} FROM record_notice WHERE letter_key = $1");
    let row = sqlx::query(AssertSqlSafe(sql)).bind(letter.as_slice()).fetch_optional(conn).await?;
    row.as_ref().map(notice).transpose()
}

/// Notes that a notice of a record is on its way, in the place of one of an earlier decision.
pub(crate) async fn begin(conn: &mut Conn, letter: &RowKey, notice: &Notice) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO record_notice (record_id, letter_key, decision_ref, decided_on, effective_on, notified_on) \
         VALUES ($1, $2, $3, $4, $5, 0) ON CONFLICT (record_id) DO UPDATE SET letter_key = excluded.letter_key, \
         decision_ref = excluded.decision_ref, decided_on = excluded.decided_on, \
         effective_on = excluded.effective_on, notified_on = 0",
    )
    .bind(signed(notice.record))
    .bind(letter.as_slice())
    .bind(notice.decision_ref.as_str())
    .bind(i64::from(notice.decided_on))
    .bind(i64::from(notice.effective_on))
    .execute(conn)
    .await?;
    Ok(())
}

/// Notes the day on which a notice was in the log, once.
pub(crate) async fn logged(conn: &mut Conn, letter: &RowKey, day: u32) -> Result<(), StoreError> {
    sqlx::query("UPDATE record_notice SET notified_on = $2 WHERE letter_key = $1 AND notified_on = 0")
        .bind(letter.as_slice())
        .bind(i64::from(day))
        .execute(conn)
        .await?;
    Ok(())
}

/// Sets the days of a record from its notice.
pub(crate) async fn notify(
    conn: &mut Conn,
    record: NonZeroU64,
    notified_on: u32,
    effective_on: u32,
    seq: i64,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE record SET notified_on = $2, effective_on = $3, change_seq = $4 WHERE id = $1")
        .bind(signed(record.get()))
        .bind(i64::from(notified_on))
        .bind(i64::from(effective_on))
        .bind(seq)
        .execute(conn)
        .await?;
    Ok(())
}

/// A removal that its subject has no letter about yet.
pub(crate) struct Untold {
    pub(crate) record: u64,
    pub(crate) list: ListId,
    pub(crate) reason: String,
    pub(crate) removed: Millis,
}

/// Notes that the subject of a record is to be told that it was removed.
pub(crate) async fn removed(
    conn: &mut Conn,
    record: NonZeroU64,
    reason: &str,
    at: Millis,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO removal_untold (record_id, reason, removed_ms) VALUES ($1, $2, $3) \
         ON CONFLICT (record_id) DO UPDATE SET reason = excluded.reason, removed_ms = excluded.removed_ms",
    )
    .bind(signed(record.get()))
    .bind(reason)
    .bind(at.to_i64())
    .execute(conn)
    .await?;
    Ok(())
}

/// Removals that their subjects have no letter about, at most `limit`.
pub(crate) async fn untold(conn: &mut Conn, limit: u32) -> Result<Vec<Untold>, StoreError> {
    let rows = sqlx::query(
        "SELECT u.record_id, u.reason, u.removed_ms, l.list FROM removal_untold u \
         JOIN record r ON r.id = u.record_id JOIN held_list l ON l.no = r.list_no ORDER BY u.record_id LIMIT $1",
    )
    .bind(i64::from(limit))
    .fetch_all(conn)
    .await?;
    let number = |column, value| unsigned("removal_untold", column, value);
    rows.iter()
        .map(|row| {
            let list: &str = row.try_get(3)?;
            let broken = |_| StoreError::corrupt("held_list", "list", "of a record", "is no list id");
            Ok(Untold {
                record: number("record_id", row.try_get(0)?)?,
                list: list.parse().map_err(broken)?,
                reason: row.try_get(1)?,
                removed: Millis(number("removed_ms", row.try_get(2)?)?),
            })
        })
        .collect()
}

/// Notes that the letter about a removal is written, or that none is needed.
pub(crate) async fn told(conn: &mut Conn, record: u64) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM removal_untold WHERE record_id = $1").bind(signed(record)).execute(conn).await?;
    Ok(())
}
