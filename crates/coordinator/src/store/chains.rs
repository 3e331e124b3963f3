//! A pseudonym's chain as it is read back and erased.

use sqlx::Row;
use tacit_model::Ulid;
use tacit_store::{Conn, Db, Dialect, StoreError, bulk};

use crate::opening::{Opening, open};

use super::{
    bytes32, letters,
    openings::{self, Chain},
    signed,
    subjects::Number,
    ulid,
};

/// Pseudonyms of one page of [`pseudonyms_after`].
const PAGE: i64 = 1024;

/// A pseudonym's number and the head of its chain; absent when there is no record about it.
pub(crate) async fn head(
    conn: &mut Conn,
    pseudonym: &[u8; 32],
) -> Result<Option<(Number, Chain)>, StoreError> {
    let query = "SELECT number FROM subject WHERE pseudonym = $1 \
                 UNION ALL SELECT subject FROM carried WHERE pseudonym = $1";
    let row = sqlx::query(query).bind(pseudonym.as_slice()).fetch_optional(&mut *conn).await?;
    let Some(row) = row else { return Ok(None) };
    let subject = Number(row.try_get(0)?);
    Ok(openings::chains(conn, &[subject]).await?.remove(&subject).map(|chain| (subject, chain)))
}

/// The sealed opening of a record, if it is there and of this pseudonym.
pub(crate) async fn opening(
    conn: &mut Conn,
    subject: Number,
    log_index: u64,
) -> Result<Option<Vec<u8>>, StoreError> {
    let row = sqlx::query("SELECT sealed FROM opening WHERE log_index = $1 AND subject = $2")
        .bind(signed(log_index))
        .bind(subject.0)
        .fetch_optional(conn)
        .await?;
    row.map(|row| Ok(row.try_get(0)?)).transpose()
}

/// A record of the log by its id, with its index and the number of the pseudonym that its opening is of; none when there
/// is no such record, or it does not open any more.
pub(crate) async fn record_by_id(
    conn: &mut Conn,
    id: Ulid,
) -> Result<Option<(u64, Number, Vec<u8>)>, StoreError> {
    let sql = "SELECT e.idx, o.subject, e.record FROM log_entry e JOIN opening o ON o.log_index = e.idx WHERE e.id = $1";
    let row = sqlx::query(sql).bind(id.to_string()).fetch_optional(conn).await?;
    let Some(row) = row else { return Ok(None) };
    let index = super::unsigned("log_entry", "idx", row.try_get(0)?)?;
    Ok(Some((index, Number(row.try_get(1)?), row.try_get(2)?)))
}

/// A record of a chain, as its opening tells.
pub(crate) struct Walked {
    pub(crate) index: u64,
    pub(crate) erasure: bool,
}

/// The records that open under a chain's present key, newest first. A broken chain ends early: what lies before the
/// break opens to nobody once the key is gone.
pub(crate) async fn walk(conn: &mut Conn, subject: Number, chain: &Chain) -> Result<Vec<Walked>, StoreError> {
    let mut walked = Vec::new();
    let mut next = chain.last_index;
    while let Some(index) = next {
        let mut sealed = opening(conn, subject, index).await?.unwrap_or_default();
        let Ok(opening) = open(&mut sealed, &chain.opening_key, index) else {
            tracing::error!(index, "an opening is missing or does not open");
            break;
        };
        next = opening.link().previous_index;
        walked.push(Walked { index, erasure: matches!(opening, Opening::Erasure(_)) });
    }
    Ok(walked)
}

/// The names behind a set of rules.
pub(crate) async fn rules(conn: &mut Conn, hash: &[u8; 32]) -> Result<Option<String>, StoreError> {
    let row = sqlx::query("SELECT rules FROM rule_set WHERE hash = $1")
        .bind(hash.as_slice())
        .fetch_optional(conn)
        .await?;
    row.map(|row| Ok(row.try_get(0)?)).transpose()
}

/// Destroys what opens the records of a pseudonym: the openings of these records, letters among them, and the key of all
/// of them. The key that takes its place is for later records.
pub(crate) async fn erase(
    conn: &mut Conn,
    subject: Number,
    records: &[Walked],
    next_key: &[u8; 32],
) -> Result<(), StoreError> {
    let sqlite = Dialect::of(conn) == Dialect::Sqlite;
    if sqlite {
        // What was in the rows is overwritten, not only unlinked.
        sqlx::raw_sql("PRAGMA secure_delete = ON").execute(&mut *conn).await?;
    }
    sqlx::query("UPDATE chain SET opening_key = $1 WHERE subject = $2")
        .bind(next_key.as_slice())
        .bind(subject.0)
        .execute(&mut *conn)
        .await?;
    for record in records {
        sqlx::query("DELETE FROM opening WHERE log_index = $1 AND subject = $2")
            .bind(signed(record.index))
            .bind(subject.0)
            .execute(&mut *conn)
            .await?;
    }
    letters::forget(conn, subject).await?;
    if sqlite {
        sqlx::raw_sql("PRAGMA secure_delete = OFF").execute(&mut *conn).await?;
    }
    Ok(())
}

/// Leaves no old page behind in SQLite's write-ahead log, as far as no reader is in the middle of something: the
/// next checkpoint takes those along. After the commit, not inside it. PostgreSQL overwrites old versions of rows
/// when it vacuums.
pub(crate) async fn wipe_traces(db: &Db) -> Result<(), StoreError> {
    if db.dialect() == Dialect::Sqlite {
        let mut conn = db.write().await?;
        sqlx::raw_sql("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut *conn).await?;
    }
    Ok(())
}

/// Which of these records the log has.
pub(crate) async fn logged(conn: &mut Conn, ids: &[Ulid]) -> Result<Vec<Ulid>, StoreError> {
    let head = "SELECT id FROM log_entry WHERE id IN";
    let rows = bulk::fetch(conn, head, ids, |row, id| row.bind(id.to_string())).await?;
    rows.iter().map(|row| ulid("log_entry", "id", row.try_get(0)?)).collect()
}

/// Pseudonyms in the order of their numbers, after this one.
pub(crate) async fn pseudonyms_after(
    conn: &mut Conn,
    after: Number,
) -> Result<Vec<(Number, [u8; 32])>, StoreError> {
    let rows =
        sqlx::query("SELECT number, pseudonym FROM subject WHERE number > $1 ORDER BY number LIMIT $2")
            .bind(after.0)
            .bind(PAGE)
            .fetch_all(conn)
            .await?;
    rows.iter()
        .map(|row| {
            let number = row.try_get(0)?;
            Ok((Number(number), bytes32("subject", "pseudonym", number, row.try_get(1)?)?))
        })
        .collect()
}

/// The exact bytes of a record, for who holds the connection already.
pub(crate) async fn record(conn: &mut Conn, log_index: u64) -> Result<Vec<u8>, StoreError> {
    let row = sqlx::query("SELECT record FROM log_entry WHERE idx = $1")
        .bind(signed(log_index))
        .fetch_optional(conn)
        .await?
        .ok_or_else(|| StoreError::corrupt("log_entry", "idx", log_index, "is missing"))?;
    Ok(row.try_get(0)?)
}
