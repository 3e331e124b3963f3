//! Records and their history.

use std::collections::HashMap;
use std::num::NonZeroU64;

use sqlx::{AssertSqlSafe, Row, any::AnyRow};
use tacit_model::Millis;
use tacit_store::{Conn, StoreError, bulk};
use zeroize::Zeroizing;

use super::lists::ListNo;
use crate::records::{Facts, RecordState};
use crate::store::{signed, unsigned};

/// Columns of [`Facts`], in the order of [`facts`].
const FACTS: &str = "category, decision_ref, decided_on, notified_on, effective_on, expires_on, state, \
                     fact_finding_body, listing_body, consented_on";

/// A record as stored. The code is wiped when dropped.
pub(crate) struct StoredRecord {
    pub(crate) id: NonZeroU64,
    pub(crate) code: Zeroizing<String>,
    pub(crate) reference: u64,
    pub(crate) facts: Facts,
}

/// What an import needs to know of a record that is there already.
pub(crate) struct Existing {
    pub(crate) id: NonZeroU64,
    pub(crate) reference: i64,
    pub(crate) change_seq: i64,
    pub(crate) import_id: i64,
    pub(crate) import_line: u64,
    pub(crate) facts: Facts,
}

/// A record to write whole.
pub(crate) struct WriteRecord<'a> {
    pub(crate) code: &'a str,
    pub(crate) reference: i64,
    pub(crate) facts: &'a Facts,
    pub(crate) change_seq: i64,
    pub(crate) import_line: u64,
}

/// A former state of a record, and why it ended.
pub(crate) struct WriteHistory<'a> {
    pub(crate) record: NonZeroU64,
    pub(crate) at: Millis,
    pub(crate) by: &'a str,
    pub(crate) action: &'static str,
    pub(crate) reason: &'a str,
    pub(crate) before: &'a Facts,
}

/// An entry of a record's history.
pub(crate) struct StoredHistory {
    pub(crate) at: Millis,
    pub(crate) by: String,
    pub(crate) action: String,
    pub(crate) reason: String,
    pub(crate) before: Facts,
}

fn facts(row: &AnyRow, first: usize) -> Result<Facts, StoreError> {
    let day = |index, column| -> Result<u32, StoreError> { unsigned("record", column, row.try_get(index)?) };
    let word: &str = row.try_get(first + 6)?;
    Ok(Facts {
        category: unsigned("record", "category", row.try_get(first)?)?,
        decision_ref: row.try_get(first + 1)?,
        decided_on: day(first + 2, "decided_on")?,
        notified_on: day(first + 3, "notified_on")?,
        effective_on: day(first + 4, "effective_on")?,
        expires_on: day(first + 5, "expires_on")?,
        state: RecordState::parse(word)
            .ok_or_else(|| StoreError::corrupt("record", "state", "of a list", "is not a state"))?,
        fact_finding_body: row.try_get(first + 7)?,
        listing_body: row.try_get(first + 8)?,
        consented_on: day(first + 9, "consented_on")?,
    })
}

fn record_id(id: i64) -> Result<NonZeroU64, StoreError> {
    let id = u64::try_from(id).ok().and_then(NonZeroU64::new);
    id.ok_or_else(|| StoreError::corrupt("record", "id", "of a list", "is not above zero"))
}

fn stored(row: &AnyRow) -> Result<StoredRecord, StoreError> {
    let reference: i64 = row.try_get(2)?;
    Ok(StoredRecord {
        id: record_id(row.try_get(0)?)?,
        code: Zeroizing::new(row.try_get(1)?),
        reference: reference.cast_unsigned(),
        facts: facts(row, 3)?,
    })
}

/// The next records of a list after a record id, at most `limit`, ascending by id.
pub(crate) async fn page(
    conn: &mut Conn,
    list: ListNo,
    after: u64,
    limit: u32,
) -> Result<Vec<StoredRecord>, StoreError> {
    let sql = format!(
        "SELECT id, code, reference, {FACTS} FROM record WHERE list_no = $1 AND id > $2 ORDER BY id LIMIT $3"
    );
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(list.0)
        .bind(signed(after))
        .bind(i64::from(limit))
        .fetch_all(conn)
        .await?;
    rows.iter().map(stored).collect()
}

/// Records by their ids; ids that do not exist are left out.
pub(crate) async fn by_ids(conn: &mut Conn, ids: &[u64]) -> Result<Vec<StoredRecord>, StoreError> {
    let mut found = Vec::with_capacity(ids.len());
    for part in bulk::parts(ids) {
        let marks = bulk::placeholders(1, part.len());
        let sql = format!("SELECT id, code, reference, {FACTS} FROM record WHERE id IN ({marks})");
        let mut query = sqlx::query(AssertSqlSafe(sql)).persistent(false);
        for id in part {
            query = query.bind(signed(*id));
        }
        for row in query.fetch_all(&mut *conn).await? {
            found.push(stored(&row)?);
        }
    }
    Ok(found)
}

/// The record of a code.
pub(crate) async fn by_code(
    conn: &mut Conn,
    list: ListNo,
    code: &str,
) -> Result<Option<(StoredRecord, i64)>, StoreError> {
    let sql = format!(
        "SELECT id, code, reference, {FACTS}, change_seq FROM record WHERE list_no = $1 AND code = $2"
    );
    let row = sqlx::query(AssertSqlSafe(sql)).bind(list.0).bind(code).fetch_optional(conn).await?;
    row.map(|row| Ok((stored(&row)?, row.try_get(13)?))).transpose()
}

/// Which of these codes have records.
pub(crate) async fn existing(
    conn: &mut Conn,
    list: ListNo,
    codes: &[&str],
) -> Result<HashMap<String, Existing>, StoreError> {
    let mut found = HashMap::with_capacity(codes.len());
    for part in bulk::parts(codes) {
        let marks = bulk::placeholders(2, part.len());
        let sql = format!(
            "SELECT code, id, reference, change_seq, import_id, import_line, {FACTS} FROM record \
             WHERE list_no = $1 AND code IN ({marks})"
        );
        let mut query = sqlx::query(AssertSqlSafe(sql)).persistent(false).bind(list.0);
        for code in part {
            query = query.bind(*code);
        }
        for row in query.fetch_all(&mut *conn).await? {
            let existing = Existing {
                id: record_id(row.try_get(1)?)?,
                reference: row.try_get(2)?,
                change_seq: row.try_get(3)?,
                import_id: row.try_get(4)?,
                import_line: unsigned("record", "import_line", row.try_get(5)?)?,
                facts: facts(&row, 6)?,
            };
            found.insert(row.try_get(0)?, existing);
        }
    }
    Ok(found)
}

/// Writes records of one import: new ones, and the present values of those that are there. Returns how many rows
/// were written; with `only_new`, rows whose code is there already are left alone.
pub(crate) async fn write(
    conn: &mut Conn,
    list: ListNo,
    import_id: i64,
    rows: &[WriteRecord<'_>],
    only_new: bool,
) -> Result<u64, StoreError> {
    let into = "record (list_no, code, reference, category, decision_ref, decided_on, notified_on, effective_on, \
                expires_on, state, fact_finding_body, listing_body, consented_on, change_seq, import_id, import_line)";
    let suffix = if only_new {
        "ON CONFLICT (list_no, code) DO NOTHING"
    } else {
        "ON CONFLICT (list_no, code) DO UPDATE SET category = excluded.category, \
         decision_ref = excluded.decision_ref, decided_on = excluded.decided_on, notified_on = excluded.notified_on, \
         effective_on = excluded.effective_on, expires_on = excluded.expires_on, state = excluded.state, \
         fact_finding_body = excluded.fact_finding_body, listing_body = excluded.listing_body, \
         consented_on = excluded.consented_on, change_seq = excluded.change_seq, import_id = excluded.import_id, import_line = excluded.import_line"
    };
    bulk::insert(conn, into, 16, suffix, rows, |row, new| {
        row.bind(list.0)
            .bind(new.code)
            .bind(new.reference)
            .bind(i64::from(new.facts.category))
            .bind(new.facts.decision_ref.as_str())
            .bind(i64::from(new.facts.decided_on))
            .bind(i64::from(new.facts.notified_on))
            .bind(i64::from(new.facts.effective_on))
            .bind(i64::from(new.facts.expires_on))
            .bind(new.facts.state.as_str())
            .bind(new.facts.fact_finding_body.as_str())
            .bind(new.facts.listing_body.as_str())
            .bind(i64::from(new.facts.consented_on))
            .bind(new.change_seq)
            .bind(import_id)
            .bind(signed(new.import_line))
    })
    .await
}

/// Changes the state of one record.
pub(crate) async fn set_state(
    conn: &mut Conn,
    id: NonZeroU64,
    state: RecordState,
    seq: i64,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE record SET state = $1, change_seq = $2 WHERE id = $3")
        .bind(state.as_str())
        .bind(seq)
        .bind(signed(id.get()))
        .execute(conn)
        .await?;
    Ok(())
}

/// Notes whether the subject of a record consents to stand on the list.
pub(crate) async fn set_consented(
    conn: &mut Conn,
    id: NonZeroU64,
    consented_on: u32,
    seq: i64,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE record SET consented_on = $1, change_seq = $2 WHERE id = $3")
        .bind(i64::from(consented_on))
        .bind(seq)
        .bind(signed(id.get()))
        .execute(conn)
        .await?;
    Ok(())
}

/// Keeps former values.
pub(crate) async fn add_history(conn: &mut Conn, rows: &[WriteHistory<'_>]) -> Result<(), StoreError> {
    let into = "record_history (record_id, at_ms, by_whom, action, reason, category, decision_ref, decided_on, \
                notified_on, effective_on, expires_on, state, fact_finding_body, listing_body, consented_on)";
    bulk::insert(conn, into, 15, "", rows, |row, entry| {
        row.bind(signed(entry.record.get()))
            .bind(entry.at.to_i64())
            .bind(entry.by)
            .bind(entry.action)
            .bind(entry.reason)
            .bind(i64::from(entry.before.category))
            .bind(entry.before.decision_ref.as_str())
            .bind(i64::from(entry.before.decided_on))
            .bind(i64::from(entry.before.notified_on))
            .bind(i64::from(entry.before.effective_on))
            .bind(i64::from(entry.before.expires_on))
            .bind(entry.before.state.as_str())
            .bind(entry.before.fact_finding_body.as_str())
            .bind(entry.before.listing_body.as_str())
            .bind(i64::from(entry.before.consented_on))
    })
    .await?;
    Ok(())
}

/// The history of a record, oldest first.
pub(crate) async fn history(conn: &mut Conn, id: NonZeroU64) -> Result<Vec<StoredHistory>, StoreError> {
    let sql = format!(
        "SELECT at_ms, by_whom, action, reason, {FACTS} FROM record_history WHERE record_id = $1 ORDER BY id"
    );
    let rows = sqlx::query(AssertSqlSafe(sql)).bind(signed(id.get())).fetch_all(conn).await?;
    let entry = |row: &AnyRow| {
        Ok(StoredHistory {
            at: Millis(unsigned("record_history", "at_ms", row.try_get(0)?)?),
            by: row.try_get(1)?,
            action: row.try_get(2)?,
            reason: row.try_get(3)?,
            before: facts(row, 4)?,
        })
    };
    rows.iter().map(entry).collect()
}

/// How many records a list has in each state: active, contested, removed.
pub(crate) async fn count_states(conn: &mut Conn, list: ListNo) -> Result<[u64; 3], StoreError> {
    let rows = sqlx::query("SELECT state, COUNT(*) FROM record WHERE list_no = $1 GROUP BY state")
        .bind(list.0)
        .fetch_all(conn)
        .await?;
    let mut counts = [0; 3];
    for row in rows {
        let word: &str = row.try_get(0)?;
        let place = match RecordState::parse(word) {
            Some(RecordState::Active) => 0,
            Some(RecordState::Contested) => 1,
            Some(RecordState::Removed) => 2,
            None => return Err(StoreError::corrupt("record", "state", "of a list", "is not a state")),
        };
        counts[place] = unsigned("record", "count", row.try_get(1)?)?;
    }
    Ok(counts)
}

/// Whether a list has any record at all.
pub(crate) async fn any(conn: &mut Conn, list: ListNo) -> Result<bool, StoreError> {
    let row = sqlx::query("SELECT 1 FROM record WHERE list_no = $1 LIMIT 1")
        .bind(list.0)
        .fetch_optional(conn)
        .await?;
    Ok(row.is_some())
}
