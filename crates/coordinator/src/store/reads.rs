//! How many pseudonyms each authority read on a day: `subject_read`.

use sqlx::Row;
use tacit_model::MemberId;
use tacit_store::{Conn, StoreError};

use super::{signed, unsigned};

/// Pseudonyms that an authority read on a day.
pub(crate) async fn of_day(conn: &mut Conn, reader: &MemberId, day: u64) -> Result<u64, StoreError> {
    let row = sqlx::query("SELECT pseudonyms FROM subject_read WHERE reader = $1 AND day = $2")
        .bind(reader.as_str())
        .bind(signed(day))
        .fetch_optional(conn)
        .await?;
    row.map_or(Ok(0), |row| unsigned("subject_read", "pseudonyms", row.try_get(0)?))
}

/// Counts pseudonyms that are about to be read.
pub(crate) async fn add(
    conn: &mut Conn,
    reader: &MemberId,
    day: u64,
    pseudonyms: u64,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO subject_read (reader, day, pseudonyms) VALUES ($1, $2, $3) ON CONFLICT (reader, day) \
         DO UPDATE SET pseudonyms = subject_read.pseudonyms + excluded.pseudonyms",
    )
    .bind(reader.as_str())
    .bind(signed(day))
    .bind(signed(pseudonyms))
    .execute(conn)
    .await?;
    Ok(())
}
