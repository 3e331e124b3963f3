//! How many subjects each requester enrolled, and what of it is in the log.

use sqlx::Row;
use tacit_store::{Conn, StoreError};

use super::{signed, unsigned};

/// A count that is not yet in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unreported {
    pub(crate) requester: String,
    pub(crate) epoch: u32,
    /// Subjects enrolled so far.
    pub(crate) subjects: u64,
}

/// Adds newly enrolled subjects.
pub(super) async fn add(conn: &mut Conn, requester: &str, epoch: u32, new: u64) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO enrollment (requester, epoch, subjects) VALUES ($1, $2, $3) \
         ON CONFLICT (requester, epoch) DO UPDATE SET subjects = enrollment.subjects + excluded.subjects",
    )
    .bind(requester)
    .bind(i64::from(epoch))
    .bind(signed(new))
    .execute(conn)
    .await?;
    Ok(())
}

/// The counts that rose since they were last reported.
pub(crate) async fn unreported(conn: &mut Conn) -> Result<Vec<Unreported>, StoreError> {
    let rows = sqlx::query(
        "SELECT requester, epoch, subjects FROM enrollment WHERE reported < subjects ORDER BY requester, epoch",
    )
    .fetch_all(conn)
    .await?;
    let read = |row: &sqlx::any::AnyRow| {
        Ok(Unreported {
            requester: row.try_get(0)?,
            epoch: unsigned("enrollment", "epoch", row.try_get(1)?)?,
            subjects: unsigned("enrollment", "subjects", row.try_get(2)?)?,
        })
    };
    rows.iter().map(read).collect()
}

/// Notes that a count is in the log.
pub(crate) async fn reported(conn: &mut Conn, count: &Unreported) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE enrollment SET reported = $3 WHERE requester = $1 AND epoch = $2 AND reported < $3 AND subjects >= $3",
    )
    .bind(count.requester.as_str())
    .bind(i64::from(count.epoch))
    .bind(signed(count.subjects))
    .execute(conn)
    .await?;
    Ok(())
}
