//! The number of the last change, and what changed since.

use std::num::NonZeroU64;

use sqlx::Row;
use tacit_store::{Conn, StoreError, bulk};

use super::lists::ListNo;
use crate::store::{signed, unsigned};

/// Takes the next number, inside the transaction that changes records.
pub(crate) async fn next(conn: &mut Conn) -> Result<i64, StoreError> {
    let row = sqlx::query("UPDATE change_counter SET seq = seq + 1 WHERE only_row = 1 RETURNING seq")
        .fetch_one(conn)
        .await?;
    Ok(row.try_get(0)?)
}

/// The number of the last change of any list.
pub(crate) async fn newest(conn: &mut Conn) -> Result<i64, StoreError> {
    Ok(sqlx::query("SELECT seq FROM change_counter WHERE only_row = 1").fetch_one(conn).await?.try_get(0)?)
}

/// How many records of a list changed after `seq`, counted up to `most`.
pub(crate) async fn count_since(
    conn: &mut Conn,
    list: ListNo,
    seq: i64,
    most: u64,
) -> Result<u64, StoreError> {
    let row = sqlx::query(
        "SELECT COUNT(*) FROM (SELECT 1 FROM record WHERE list_no = $1 AND change_seq > $2 LIMIT $3) AS found",
    )
    .bind(list.0)
    .bind(seq)
    .bind(signed(most))
    .fetch_one(conn)
    .await?;
    unsigned("record", "count", row.try_get(0)?)
}

/// The records of a list that changed after `seq`, up to `upto`, in the order of their changes.
pub(crate) async fn since(
    conn: &mut Conn,
    list: ListNo,
    seq: i64,
    upto: i64,
) -> Result<Vec<u64>, StoreError> {
    let rows = sqlx::query(
        "SELECT id FROM record WHERE list_no = $1 AND change_seq > $2 AND change_seq <= $3 ORDER BY change_seq, id",
    )
    .bind(list.0)
    .bind(seq)
    .bind(upto)
    .fetch_all(conn)
    .await?;
    rows.iter().map(|row| unsigned("record", "id", row.try_get(0)?)).collect()
}

/// Gives records a new change number, because the day began or ended their listing.
pub(crate) async fn touch(conn: &mut Conn, ids: &[NonZeroU64], seq: i64) -> Result<(), StoreError> {
    for part in bulk::parts(ids) {
        let sql =
            format!("UPDATE record SET change_seq = $1 WHERE id IN ({})", bulk::placeholders(2, part.len()));
        let mut query = sqlx::query(sqlx::AssertSqlSafe(sql)).persistent(false).bind(seq);
        for id in part {
            query = query.bind(signed(id.get()));
        }
        query.execute(&mut *conn).await?;
    }
    Ok(())
}
