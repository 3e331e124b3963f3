//! Answered permits and the holder's own counts.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sqlx::{Row, any::AnyRow};
use tacit_model::Millis;
use tacit_store::{Conn, ReadId, Reads, Rows, StoreError, Writes};

use crate::store::{bytes32, signed, unsigned};

/// A permit that is answered now.
pub(crate) struct NewUse {
    /// Record id.
    pub(crate) id: String,
    /// `b3("tacit v1 blinded query", M)`.
    pub(crate) query: [u8; 32],
    pub(crate) expires: Millis,
}

/// What answers are counted by.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct CountKey {
    /// UTC day.
    pub(crate) day: u64,
    pub(crate) requester: String,
    pub(crate) list: String,
    pub(crate) purpose: String,
}

/// What stands before a commit that answers permits.
pub(crate) struct Known {
    /// The newest record time that was accepted.
    pub(crate) newest: Millis,
    /// The queries that the permits were answered for before, by record id.
    pub(crate) used: HashMap<String, [u8; 32]>,
    /// Answers counted so far.
    pub(crate) counts: BTreeMap<CountKey, u64>,
}

/// The reads that [`known`] takes the rows of.
pub(crate) struct KnownReads {
    newest: ReadId,
    used: ReadId,
    counts: Vec<(CountKey, ReadId)>,
}

/// Adds the reads of what is known of these permits and counts.
pub(crate) fn read_known(reads: &mut Reads, ids: &[&str], keys: BTreeSet<CountKey>) -> KnownReads {
    let newest = reads.add("SELECT newest_ms FROM accepted_time WHERE only_row = 1", |row| row);
    let head = "SELECT id, query FROM used_permit WHERE id IN";
    let used = reads.keyed(head, |row| row, ids, |row, id| row.bind(*id));
    let count =
        "SELECT answers FROM answer_count WHERE day = ? AND requester = ? AND list = ? AND purpose = ?";
    let counts = keys
        .into_iter()
        .map(|key| {
            let read = reads.add(count, |row| {
                row.bind(signed(key.day))
                    .bind(key.requester.as_str())
                    .bind(key.list.as_str())
                    .bind(key.purpose.as_str())
            });
            (key, read)
        })
        .collect();
    KnownReads { newest, used, counts }
}

/// What is known of permits and counts.
pub(crate) fn known(reads: KnownReads, rows: &mut Rows) -> Result<Known, StoreError> {
    let KnownReads { newest, used, counts } = reads;
    let newest = rows.take(newest);
    let newest =
        newest.first().ok_or_else(|| StoreError::corrupt("accepted_time", "newest_ms", 1, "is missing"))?;
    Ok(Known {
        newest: Millis(unsigned("accepted_time", "newest_ms", newest.try_get(0)?)?),
        used: rows.take(used).iter().map(used_row).collect::<Result<_, _>>()?,
        counts: counts
            .into_iter()
            .map(|(key, read)| {
                let answers = rows
                    .take(read)
                    .first()
                    .map_or(Ok(0), |row| unsigned("answer_count", "answers", row.try_get(0)?));
                answers.map(|answers| (key, answers))
            })
            .collect::<Result<_, StoreError>>()?,
    })
}

fn used_row(row: &AnyRow) -> Result<(String, [u8; 32]), StoreError> {
    let id: String = row.try_get(0)?;
    let query = bytes32("used_permit", "query", &id, row.try_get(1)?)?;
    Ok((id, query))
}

/// Notes permits as answered.
pub(crate) fn add(last: &mut Writes, uses: &[NewUse]) {
    last.insert("used_permit (id, query, expires_ms)", 3, "", uses, |row, new| {
        row.bind(new.id.as_str()).bind(new.query.as_slice()).bind(new.expires.to_i64())
    });
}

/// Sets a count.
pub(crate) fn set_count(last: &mut Writes, key: &CountKey, answers: u64) {
    last.add(
        "INSERT INTO answer_count (day, requester, list, purpose, answers) VALUES (?, ?, ?, ?, ?) \
         ON CONFLICT (day, requester, list, purpose) DO UPDATE SET answers = excluded.answers",
        |row| {
            row.bind(signed(key.day))
                .bind(key.requester.as_str())
                .bind(key.list.as_str())
                .bind(key.purpose.as_str())
                .bind(signed(answers))
        },
    );
}

/// Raises the newest record time that was accepted.
pub(crate) fn set_newest_accepted(last: &mut Writes, newest: Millis) {
    let newest = newest.to_i64();
    last.add("UPDATE accepted_time SET newest_ms = ? WHERE only_row = 1 AND newest_ms < ?", |row| {
        row.bind(newest).bind(newest)
    });
}

/// Removes permits that nothing can make acceptable again (they ended before the newest accepted record), and counts
/// of days before `first_day`.
pub(crate) async fn prune(conn: &mut Conn, now: Millis, first_day: u64) -> Result<(), StoreError> {
    sqlx::query(
        "DELETE FROM used_permit WHERE expires_ms < $1 \
         AND expires_ms < (SELECT newest_ms FROM accepted_time WHERE only_row = 1)",
    )
    .bind(now.to_i64())
    .execute(&mut *conn)
    .await?;
    sqlx::query("DELETE FROM answer_count WHERE day < $1")
        .bind(signed(first_day))
        .execute(&mut *conn)
        .await?;
    Ok(())
}
