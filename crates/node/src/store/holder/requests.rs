//! Requests to publish a list now.

use sqlx::Row;
use tacit_model::{Millis, Reason};
use tacit_store::{Conn, StoreError};

use super::lists::ListNo;
use crate::records::SealOutcome;
use crate::store::{signed, unsigned};

/// Puts a request in the queue.
pub(crate) async fn add(conn: &mut Conn, list: ListNo, by: &str, now: Millis) -> Result<i64, StoreError> {
    let row = sqlx::query(
        "INSERT INTO seal_request (list_no, by_whom, asked_ms, state) VALUES ($1, $2, $3, 'waiting') RETURNING id",
    )
    .bind(list.0)
    .bind(by)
    .bind(now.to_i64())
    .fetch_one(conn)
    .await?;
    Ok(row.try_get(0)?)
}

/// The requests of a list that wait, oldest first.
pub(crate) async fn waiting(conn: &mut Conn, list: ListNo) -> Result<Vec<i64>, StoreError> {
    let rows =
        sqlx::query("SELECT id FROM seal_request WHERE state = 'waiting' AND list_no = $1 ORDER BY id")
            .bind(list.0)
            .fetch_all(conn)
            .await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// Answers requests.
pub(crate) async fn answer(
    conn: &mut Conn,
    ids: &[i64],
    outcome: SealOutcome,
    now: Millis,
) -> Result<(), StoreError> {
    let (state, reason, epoch, version) = match outcome {
        SealOutcome::Waiting => return Ok(()),
        SealOutcome::Published { epoch, version } => ("done", "", epoch, version),
        SealOutcome::Failed(reason) => ("failed", reason.as_str(), 0, 0),
    };
    for id in ids {
        sqlx::query(
            "UPDATE seal_request SET state = $1, reason = $2, epoch = $3, version = $4, done_ms = $5 WHERE id = $6",
        )
        .bind(state)
        .bind(reason)
        .bind(signed(epoch))
        .bind(signed(version))
        .bind(now.to_i64())
        .bind(*id)
        .execute(&mut *conn)
        .await?;
    }
    Ok(())
}

/// What became of a request; `None` when there is none with this id.
pub(crate) async fn outcome(conn: &mut Conn, id: i64) -> Result<Option<SealOutcome>, StoreError> {
    let row = sqlx::query("SELECT state, reason, epoch, version FROM seal_request WHERE id = $1")
        .bind(id)
        .fetch_optional(conn)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let state: &str = row.try_get(0)?;
    Ok(Some(match state {
        "waiting" => SealOutcome::Waiting,
        "done" => SealOutcome::Published {
            epoch: unsigned("seal_request", "epoch", row.try_get(2)?)?,
            version: unsigned("seal_request", "version", row.try_get(3)?)?,
        },
        _ => SealOutcome::Failed(row.try_get::<&str, _>(1)?.parse().unwrap_or(Reason::Internal)),
    }))
}
