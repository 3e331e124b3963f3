//! Measures that requesters registered: `measure`.

use sqlx::{Row as _, any::AnyRow};
use tacit_model::{MemberId, Millis, Ulid};
use tacit_store::{Conn, StoreError};

use super::{bytes32, signed, ulid, unsigned};

/// A registered measure.
pub(crate) struct StoredMeasure {
    pub(crate) id: Ulid,
    pub(crate) requester: MemberId,
    pub(crate) answer: Ulid,
    pub(crate) list: String,
    pub(crate) agreement: Ulid,
    pub(crate) number: u32,
    pub(crate) words: String,
    pub(crate) until: Option<Millis>,
    pub(crate) pseudonym: [u8; 32],
    pub(crate) details: [u8; 32],
    pub(crate) log_index: u64,
    pub(crate) lifted_index: Option<u64>,
}

const COLUMNS: &str = "SELECT id, requester, answer, list, agreement, number, words, until_ms, pseudonym, details, \
                       log_index, lifted_index FROM measure WHERE";

/// The measure that a record registered.
pub(crate) async fn by_id(conn: &mut Conn, id: Ulid) -> Result<Option<StoredMeasure>, StoreError> {
    let sql = format!("{COLUMNS} id = $1");
    let row = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(id.to_string()).fetch_optional(conn).await?;
    row.as_ref().map(measure).transpose()
}

/// The measure of this place that rests on an answer.
pub(crate) async fn by_answer(
    conn: &mut Conn,
    answer: Ulid,
    list: &str,
    number: u32,
) -> Result<Option<StoredMeasure>, StoreError> {
    let sql = format!("{COLUMNS} answer = $1 AND list = $2 AND number = $3");
    let row = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(answer.to_string())
        .bind(list)
        .bind(i64::from(number))
        .fetch_optional(conn)
        .await?;
    row.as_ref().map(measure).transpose()
}

/// Measures in the order of the records that registered them, from this index on.
pub(crate) async fn from_index(
    conn: &mut Conn,
    from: u64,
    limit: usize,
) -> Result<Vec<StoredMeasure>, StoreError> {
    let sql = format!("{COLUMNS} log_index >= $1 ORDER BY log_index LIMIT $2");
    let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(signed(from));
    let rows = query.bind(i64::try_from(limit).unwrap_or(i64::MAX)).fetch_all(conn).await?;
    rows.iter().map(measure).collect()
}

fn measure(row: &AnyRow) -> Result<StoredMeasure, StoreError> {
    let text = |column: usize| row.try_get::<String, _>(column);
    let id = ulid("measure", "id", &text(0)?)?;
    let wrong = |column| StoreError::corrupt("measure", column, id, "is out of range");
    let optional = |column: usize, name| -> Result<Option<u64>, StoreError> {
        row.try_get::<Option<i64>, _>(column)?.map(|value| unsigned("measure", name, value)).transpose()
    };
    Ok(StoredMeasure {
        id,
        requester: text(1)?.parse().map_err(|_| wrong("requester"))?,
        answer: ulid("measure", "answer", &text(2)?)?,
        list: text(3)?,
        agreement: ulid("measure", "agreement", &text(4)?)?,
        number: u32::try_from(row.try_get::<i64, _>(5)?).map_err(|_| wrong("number"))?,
        words: text(6)?,
        until: optional(7, "until_ms")?.map(Millis),
        pseudonym: bytes32("measure", "pseudonym", id, row.try_get(8)?)?,
        details: bytes32("measure", "details", id, row.try_get(9)?)?,
        log_index: unsigned("measure", "log_index", row.try_get(10)?)?,
        lifted_index: optional(11, "lifted_index")?,
    })
}

/// Stores a measure that was registered.
pub(crate) async fn store(conn: &mut Conn, measure: &StoredMeasure) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO measure (id, requester, answer, list, agreement, number, words, until_ms, pseudonym, details, \
         log_index) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    )
    .bind(measure.id.to_string())
    .bind(measure.requester.as_str())
    .bind(measure.answer.to_string())
    .bind(measure.list.as_str())
    .bind(measure.agreement.to_string())
    .bind(i64::from(measure.number))
    .bind(measure.words.as_str())
    .bind(measure.until.map(|until| signed(until.0)))
    .bind(measure.pseudonym.as_slice())
    .bind(measure.details.as_slice())
    .bind(signed(measure.log_index))
    .execute(conn)
    .await?;
    Ok(())
}

/// Notes the record that lifted a measure.
pub(crate) async fn lift(conn: &mut Conn, id: Ulid, lifted_index: u64) -> Result<(), StoreError> {
    sqlx::query("UPDATE measure SET lifted_index = $1 WHERE id = $2 AND lifted_index IS NULL")
        .bind(signed(lifted_index))
        .bind(id.to_string())
        .execute(conn)
        .await?;
    Ok(())
}
