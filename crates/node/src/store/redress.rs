//! Notices, objections, decisions and appeals: keyed hashes and sealed bytes.

use sqlx::{Row, any::AnyRow};
use tacit_client::RowKey;
use tacit_model::Millis;
use tacit_store::{Conn, StoreError};

use super::{bytes32, signed, unsigned};

/// A case as stored.
pub(crate) struct CaseRow {
    pub(crate) key: RowKey,
    pub(crate) sealed: Vec<u8>,
}

/// A letter as stored.
pub(crate) struct LetterRow {
    pub(crate) key: RowKey,
    pub(crate) way: String,
    pub(crate) state: String,
    pub(crate) at: Millis,
    pub(crate) sealed: Vec<u8>,
}

/// A letter to keep.
pub(crate) struct NewLetter<'a> {
    pub(crate) key: &'a RowKey,
    pub(crate) case: Option<&'a RowKey>,
    pub(crate) way: &'static str,
    pub(crate) state: &'static str,
    pub(crate) at: Millis,
    pub(crate) sealed: &'a [u8],
}

const LETTER: &str = "letter_key, way, state, at_ms, sealed";

fn letter(row: &AnyRow) -> Result<LetterRow, StoreError> {
    Ok(LetterRow {
        key: bytes32("redress_letter", "letter_key", "a letter", row.try_get(0)?)?,
        way: row.try_get(1)?,
        state: row.try_get(2)?,
        at: Millis(unsigned("redress_letter", "at_ms", row.try_get(3)?)?),
        sealed: row.try_get(4)?,
    })
}

fn case(row: &AnyRow) -> Result<CaseRow, StoreError> {
    let key = bytes32("redress_case", "case_key", "a case", row.try_get(0)?)?;
    Ok(CaseRow { key, sealed: row.try_get(1)? })
}

/// Keeps a letter; false when it is there already.
pub(crate) async fn add_letter(conn: &mut Conn, new: &NewLetter<'_>) -> Result<bool, StoreError> {
    let sql = "INSERT INTO redress_letter (letter_key, case_key, way, state, at_ms, sealed) \
               VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (letter_key) DO NOTHING";
    let done = sqlx::query(sql)
        .bind(new.key.as_slice())
        .bind(new.case.map(|key| key.as_slice()))
        .bind(new.way)
        .bind(new.state)
        .bind(new.at.to_i64())
        .bind(new.sealed)
        .execute(conn)
        .await?;
    Ok(done.rows_affected() > 0)
}

/// A letter by its key.
pub(crate) async fn letter_of(conn: &mut Conn, key: &RowKey) -> Result<Option<LetterRow>, StoreError> {
    let sql = format!("SELECT {LETTER} FROM redress_letter WHERE letter_key = $1");
    let row = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(key.as_slice()).fetch_optional(conn).await?;
    row.as_ref().map(letter).transpose()
}

/// Letters on their way, the oldest first.
pub(crate) async fn waiting(conn: &mut Conn, limit: u32) -> Result<Vec<LetterRow>, StoreError> {
    let sql = format!("SELECT {LETTER} FROM redress_letter WHERE state = 'waiting' ORDER BY no LIMIT $1");
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(i64::from(limit)).fetch_all(conn).await?;
    rows.iter().map(letter).collect()
}

/// Whether a letter is still on its way.
pub(crate) async fn is_waiting(conn: &mut Conn, key: &RowKey) -> Result<bool, StoreError> {
    let row = sqlx::query("SELECT 1 FROM redress_letter WHERE letter_key = $1 AND state = 'waiting'")
        .bind(key.as_slice())
        .fetch_optional(conn)
        .await?;
    Ok(row.is_some())
}

/// Changes a letter that is on its way: it was sealed, or is in the log (`logged`).
pub(crate) async fn set_letter(
    conn: &mut Conn,
    key: &RowKey,
    logged: bool,
    sealed: &[u8],
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE redress_letter SET state = $2, sealed = $3 WHERE letter_key = $1 AND state = 'waiting'",
    )
    .bind(key.as_slice())
    .bind(if logged { "logged" } else { "waiting" })
    .bind(sealed)
    .execute(conn)
    .await?;
    Ok(())
}

/// The letters of a case in their order: what came before what was written because of it.
pub(crate) async fn letters_of(conn: &mut Conn, case: &RowKey) -> Result<Vec<LetterRow>, StoreError> {
    let sql = format!("SELECT {LETTER} FROM redress_letter WHERE case_key = $1 ORDER BY at_ms, way, no");
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(case.as_slice()).fetch_all(conn).await?;
    rows.iter().map(letter).collect()
}

/// All letters of no case here, newest first: notices, and what came and could not be taken.
pub(crate) async fn letters_alone(conn: &mut Conn, limit: u32) -> Result<Vec<LetterRow>, StoreError> {
    let sql = format!("SELECT {LETTER} FROM redress_letter WHERE case_key IS NULL ORDER BY no DESC LIMIT $1");
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(i64::from(limit)).fetch_all(conn).await?;
    rows.iter().map(letter).collect()
}

/// A case.
pub(crate) async fn case_of(conn: &mut Conn, key: &RowKey) -> Result<Option<CaseRow>, StoreError> {
    let row = sqlx::query("SELECT case_key, sealed FROM redress_case WHERE case_key = $1")
        .bind(key.as_slice())
        .fetch_optional(conn)
        .await?;
    row.as_ref().map(case).transpose()
}

/// The cases of a level, the oldest first; without those that are over unless they are wanted too.
pub(crate) async fn cases(conn: &mut Conn, level: &str, over: bool) -> Result<Vec<CaseRow>, StoreError> {
    let sql = "SELECT case_key, sealed FROM redress_case WHERE level = $1 AND ended <= $2 ORDER BY begun_ms";
    let rows = sqlx::query(sql).bind(level).bind(i64::from(over)).fetch_all(conn).await?;
    rows.iter().map(case).collect()
}

/// A page of the cases of a level, in the order in which they began: those after `after`, if that is one. Rows are never
/// removed, so that a place in this order stays good.
pub(crate) async fn cases_after(
    conn: &mut Conn,
    level: &str,
    over: bool,
    after: Option<&RowKey>,
    limit: u32,
) -> Result<Option<Vec<CaseRow>>, StoreError> {
    let (mut begun, mut key) = (-1_i64, [].as_slice());
    if let Some(after) = after {
        let row = sqlx::query("SELECT begun_ms FROM redress_case WHERE case_key = $1 AND level = $2")
            .bind(after.as_slice())
            .bind(level)
            .fetch_optional(&mut *conn)
            .await?;
        let Some(row) = row else { return Ok(None) };
        (begun, key) = (row.try_get(0)?, after.as_slice());
    }
    let sql = "SELECT case_key, sealed FROM redress_case WHERE level = $1 AND ended <= $2 \
               AND (begun_ms > $3 OR (begun_ms = $3 AND case_key > $4)) ORDER BY begun_ms, case_key LIMIT $5";
    let rows = sqlx::query(sql)
        .bind(level)
        .bind(i64::from(over))
        .bind(begun)
        .bind(key)
        .bind(i64::from(limit))
        .fetch_all(conn)
        .await?;
    rows.iter().map(case).collect::<Result<_, _>>().map(Some)
}

/// How many letters are on their way.
pub(crate) async fn count_waiting(conn: &mut Conn) -> Result<u64, StoreError> {
    let row =
        sqlx::query("SELECT COUNT(*) FROM redress_letter WHERE state = 'waiting'").fetch_one(conn).await?;
    unsigned("redress_letter", "state", row.try_get(0)?)
}

/// Begins a case.
pub(crate) async fn add_case(
    conn: &mut Conn,
    key: &RowKey,
    level: &str,
    begun: Millis,
    sealed: &[u8],
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO redress_case (case_key, level, ended, begun_ms, sealed) VALUES ($1, $2, 0, $3, $4)",
    )
    .bind(key.as_slice())
    .bind(level)
    .bind(begun.to_i64())
    .bind(sealed)
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes how far a case is.
pub(crate) async fn set_case(
    conn: &mut Conn,
    key: &RowKey,
    over: bool,
    sealed: &[u8],
) -> Result<(), StoreError> {
    sqlx::query("UPDATE redress_case SET ended = $2, sealed = $3 WHERE case_key = $1")
        .bind(key.as_slice())
        .bind(i64::from(over))
        .bind(sealed)
        .execute(conn)
        .await?;
    Ok(())
}

/// From which log index on letters are asked for.
pub(crate) async fn cursor(conn: &mut Conn) -> Result<u64, StoreError> {
    let row = sqlx::query("SELECT next FROM redress_cursor WHERE only_row = 1").fetch_one(conn).await?;
    unsigned("redress_cursor", "next", row.try_get(0)?)
}

/// Moves on; never back.
pub(crate) async fn set_cursor(conn: &mut Conn, next: u64) -> Result<(), StoreError> {
    sqlx::query("UPDATE redress_cursor SET next = $1 WHERE only_row = 1 AND next < $1")
        .bind(signed(next))
        .execute(conn)
        .await?;
    Ok(())
}
