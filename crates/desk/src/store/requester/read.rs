//! Reads.

use std::collections::HashMap;

use sqlx::{AssertSqlSafe, Row, any::AnyRow};
use tacit_client::store::{
    AnsweredRecord, ConsentRow, Counts, RecordOutcome, RecordRow, RequestRow, RowKey, Sealed, StoredRequest,
    SubjectRow, SubjectState, Wanted,
};
use tacit_model::{Millis, Ulid};
use tacit_store::{Conn, StoreError, bulk};

use super::ulid_bytes;
use crate::store::{bytes32, unsigned};

/// Each of `keys` with its row, in any order: `sql` begins the query and is followed by the keys.
async fn by_keys<T>(
    conn: &mut Conn,
    sql: &str,
    keys: &[RowKey],
    mut each: impl FnMut(RowKey, &AnyRow) -> Result<T, StoreError>,
) -> Result<Vec<(RowKey, T)>, StoreError> {
    let mut found = Vec::with_capacity(keys.len());
    for part in bulk::parts(keys) {
        let sql = format!("{sql} IN ({})", bulk::placeholders(1, part.len()));
        let mut query = sqlx::query(AssertSqlSafe(sql)).persistent(part.len() == 1);
        for key in part {
            query = query.bind(key.as_slice());
        }
        for row in query.fetch_all(&mut *conn).await? {
            let key = key("", &row, 0)?;
            let value = each(key, &row)?;
            found.push((key, value));
        }
    }
    Ok(found)
}

fn key(table: &'static str, row: &AnyRow, column: usize) -> Result<RowKey, StoreError> {
    bytes32(table, "key", "", &row.try_get::<Vec<u8>, _>(column)?)
}

pub(super) async fn subjects(
    conn: &mut Conn,
    keys: &[RowKey],
) -> Result<Vec<Option<SubjectRow>>, StoreError> {
    let sql = "SELECT subject, state, sealed FROM requester_subject WHERE subject";
    let found = by_keys(conn, sql, keys, |_, row| {
        let state = match row.try_get::<String, _>(1)?.as_str() {
            "enrolled" => SubjectState::Enrolled,
            "pending" => SubjectState::Pending,
            _ => return Err(StoreError::corrupt("requester_subject", "state", "", "is no state")),
        };
        Ok(SubjectRow { state, sealed: row.try_get(2)? })
    })
    .await?;
    let mut found: HashMap<RowKey, SubjectRow> = found.into_iter().collect();
    // A key may be asked for twice; the last one takes the row.
    let last = keys.len().saturating_sub(1);
    Ok(keys
        .iter()
        .enumerate()
        .map(|(place, key)| {
            let again = place < last && found.len() < keys.len() && keys[place + 1..].contains(key);
            if again { found.get(key).cloned() } else { found.remove(key) }
        })
        .collect())
}

pub(super) async fn open_requests(conn: &mut Conn, limit: u32) -> Result<Vec<RequestRow>, StoreError> {
    let sql = "SELECT hash, asked_ms, case_key, sealed FROM requester_request WHERE state = 'sent' \
         ORDER BY asked_ms LIMIT $1";
    let rows = sqlx::query(sql).bind(i64::from(limit)).fetch_all(conn).await?;
    rows.iter().map(request).collect()
}

fn request(row: &AnyRow) -> Result<RequestRow, StoreError> {
    Ok(RequestRow {
        hash: key("requester_request", row, 0)?,
        asked: Millis(unsigned("requester_request", "asked_ms", row.try_get(1)?)?),
        case: key("requester_request", row, 2)?,
        sealed: row.try_get(3)?,
    })
}

pub(super) async fn not_answered(
    conn: &mut Conn,
    case: &RowKey,
    after: &[u8; 32],
    limit: u32,
) -> Result<Vec<StoredRequest>, StoreError> {
    let sql = "SELECT r.hash, r.asked_ms, r.case_key, r.sealed, a.sealed FROM requester_request r \
         JOIN requester_answer a ON a.request = r.hash \
         WHERE r.state = 'not_answered' AND r.case_key = $1 AND r.hash > $2 ORDER BY r.hash LIMIT $3";
    let rows = sqlx::query(sql)
        .bind(case.as_slice())
        .bind(after.as_slice())
        .bind(i64::from(limit))
        .fetch_all(&mut *conn)
        .await?;
    let mut found = Vec::with_capacity(rows.len());
    for row in &rows {
        let request = request(row)?;
        let sql = "SELECT id, place, outcome FROM requester_record \
             WHERE request = $1 AND outcome = 'not_answered' ORDER BY place";
        let records = sqlx::query(sql).bind(request.hash.as_slice()).fetch_all(&mut *conn).await?;
        let records = records.iter().map(|row| record_row(row, 0)).collect::<Result<_, _>>()?;
        found.push(StoredRequest { request, answer: row.try_get(4)?, records });
    }
    Ok(found)
}

fn record_row(row: &AnyRow, first: usize) -> Result<RecordRow, StoreError> {
    let outcome = match row.try_get::<String, _>(first + 2)?.as_str() {
        "answered" => RecordOutcome::Answered,
        "refused" => RecordOutcome::Refused,
        "not_answered" => RecordOutcome::NotAnswered,
        _ => return Err(StoreError::corrupt("requester_record", "outcome", "", "is no outcome")),
    };
    Ok(RecordRow {
        id: ulid(row, first)?,
        place: unsigned("requester_record", "place", row.try_get(first + 1)?)?,
        outcome,
    })
}

fn ulid(row: &AnyRow, column: usize) -> Result<Ulid, StoreError> {
    let bytes: Vec<u8> = row.try_get(column)?;
    let bytes: [u8; 16] =
        bytes.try_into().map_err(|_| StoreError::corrupt("requester_record", "id", "", "is not 16 bytes"))?;
    Ok(Ulid(u128::from_be_bytes(bytes)))
}

pub(super) async fn record(conn: &mut Conn, id: Ulid) -> Result<Option<StoredRequest>, StoreError> {
    let sql = "SELECT r.hash, r.asked_ms, r.case_key, r.sealed, a.sealed, i.id, i.place, i.outcome \
         FROM requester_record i JOIN requester_request r ON r.hash = i.request \
         JOIN requester_answer a ON a.request = i.request WHERE i.id = $1";
    let row = sqlx::query(sql).bind(ulid_bytes(id)).fetch_optional(conn).await?;
    row.map(|row| {
        Ok(StoredRequest {
            request: request(&row)?,
            answer: row.try_get(4)?,
            records: vec![record_row(&row, 5)?],
        })
    })
    .transpose()
}

pub(super) async fn answered(conn: &mut Conn, wanted: &Wanted) -> Result<Vec<AnsweredRecord>, StoreError> {
    let mut sql = "SELECT i.id, i.request FROM requester_record i".to_owned();
    if wanted.case.is_some() {
        sql.push_str(" JOIN requester_request r ON r.hash = i.request");
    }
    sql.push_str(" WHERE i.outcome = 'answered' AND i.id >= $1 AND i.id < $2");
    let keys = [(&wanted.case, "r.case_key"), (&wanted.officer, "i.officer_key")];
    let keys = keys.into_iter().filter_map(|(key, column)| Some((key.as_ref()?, column)));
    for (place, (_, column)) in keys.clone().enumerate() {
        sql.push_str(&format!(" AND {column} = ${}", place + 4));
    }
    sql.push_str(if wanted.newest_first {
        " ORDER BY i.id DESC LIMIT $3"
    } else {
        " ORDER BY i.id LIMIT $3"
    });
    // One of eight texts.
    let mut query = sqlx::query(AssertSqlSafe(sql))
        .bind(ulid_bytes(wanted.from))
        .bind(ulid_bytes(wanted.until))
        .bind(i64::from(wanted.limit));
    for (key, _) in keys {
        query = query.bind(key.as_slice());
    }
    let rows = query.fetch_all(conn).await?;
    let record =
        |row: &AnyRow| Ok(AnsweredRecord { id: ulid(row, 0)?, request: key("requester_record", row, 1)? });
    rows.iter().map(record).collect()
}

pub(super) async fn has_buckets(conn: &mut Conn, keys: &[RowKey]) -> Result<Vec<bool>, StoreError> {
    let sql = "SELECT bucket FROM requester_bucket WHERE bucket";
    let found: HashMap<RowKey, ()> = by_keys(conn, sql, keys, |_, _| Ok(())).await?.into_iter().collect();
    Ok(keys.iter().map(|key| found.contains_key(key)).collect())
}

pub(super) async fn bucket(conn: &mut Conn, key: &RowKey) -> Result<Option<Sealed>, StoreError> {
    let sql = "SELECT sealed FROM requester_bucket WHERE bucket = $1";
    let row = sqlx::query(sql).bind(key.as_slice()).fetch_optional(conn).await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

fn consent(row: &AnyRow) -> Result<ConsentRow, StoreError> {
    Ok(ConsentRow {
        pseudonym: key("requester_consent", row, 0)?,
        id: ulid(row, 1)?,
        number: unsigned("requester_consent", "number", row.try_get(2)?)?,
        sealed: row.try_get(3)?,
    })
}

pub(super) async fn consents(
    conn: &mut Conn,
    pseudonyms: &[RowKey],
) -> Result<Vec<Vec<ConsentRow>>, StoreError> {
    let sql = "SELECT pseudonym, id, number, sealed FROM requester_consent WHERE pseudonym";
    let mut found: HashMap<RowKey, Vec<ConsentRow>> = HashMap::new();
    for (key, row) in by_keys(conn, sql, pseudonyms, |_, row| consent(row)).await? {
        found.entry(key).or_default().push(row);
    }
    found.values_mut().for_each(|rows| rows.sort_by_key(|row| row.id));
    Ok(pseudonyms.iter().map(|key| found.get(key).cloned().unwrap_or_default()).collect())
}

pub(super) async fn consents_after(
    conn: &mut Conn,
    after: Ulid,
    limit: u32,
) -> Result<Vec<ConsentRow>, StoreError> {
    let sql =
        "SELECT pseudonym, id, number, sealed FROM requester_consent WHERE id > $1 ORDER BY id LIMIT $2";
    let rows = sqlx::query(sql).bind(ulid_bytes(after)).bind(i64::from(limit)).fetch_all(conn).await?;
    rows.iter().map(consent).collect()
}

pub(super) async fn counts(conn: &mut Conn) -> Result<Counts, StoreError> {
    let sql = "SELECT (SELECT count(*) FROM requester_subject), \
         (SELECT count(*) FROM requester_subject WHERE state = 'pending')";
    let row = sqlx::query(sql).fetch_one(conn).await?;
    let all: u64 = unsigned("requester_subject", "count", row.try_get(0)?)?;
    let pending: u64 = unsigned("requester_subject", "count", row.try_get(1)?)?;
    Ok(Counts { enrolled: all.saturating_sub(pending), pending })
}
