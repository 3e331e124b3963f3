//! Letters to members on behalf of users: keyed hashes in, sealed bytes out.

use sqlx::{Row, any::AnyRow};
use tacit_client::RowKey;
use tacit_model::Millis;
use tacit_store::{Conn, StoreError};

use super::{bytes32, signed};

/// A letter to a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LetterRow {
    pub(crate) key: RowKey,
    pub(crate) user: RowKey,
    pub(crate) sealed: Vec<u8>,
}

fn letter(row: &AnyRow) -> Result<LetterRow, StoreError> {
    Ok(LetterRow {
        key: bytes32("authority_letter", "letter_key", "a letter", row.try_get(0)?)?,
        user: bytes32("authority_letter", "user_key", "a letter", row.try_get(1)?)?,
        sealed: row.try_get(2)?,
    })
}

/// Adds a letter that waits; one that is there stays as it is.
pub(crate) async fn add(conn: &mut Conn, letter: &LetterRow, at: Millis) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO authority_letter (letter_key, user_key, state, at_ms, sealed) \
         VALUES ($1, $2, 'waiting', $3, $4) ON CONFLICT (letter_key) DO NOTHING",
    )
    .bind(letter.key.as_slice())
    .bind(letter.user.as_slice())
    .bind(signed(at.0))
    .bind(letter.sealed.as_slice())
    .execute(conn)
    .await?;
    Ok(())
}

/// Letters above `after` that wait, by key, at most `limit`.
pub(crate) async fn waiting(
    conn: &mut Conn,
    after: &RowKey,
    limit: u32,
) -> Result<Vec<LetterRow>, StoreError> {
    let rows = sqlx::query(
        "SELECT letter_key, user_key, sealed FROM authority_letter \
         WHERE state = 'waiting' AND letter_key > $1 ORDER BY letter_key LIMIT $2",
    )
    .bind(after.as_slice())
    .bind(i64::from(limit))
    .fetch_all(conn)
    .await?;
    rows.iter().map(letter).collect()
}

/// The letters of a user, oldest first.
pub(crate) async fn of_user(conn: &mut Conn, user: &RowKey) -> Result<Vec<LetterRow>, StoreError> {
    let rows = sqlx::query(
        "SELECT letter_key, user_key, sealed FROM authority_letter WHERE user_key = $1 ORDER BY at_ms, letter_key",
    )
    .bind(user.as_slice())
    .fetch_all(conn)
    .await?;
    rows.iter().map(letter).collect()
}

/// Removes letters.
pub(crate) async fn remove(conn: &mut Conn, keys: &[RowKey]) -> Result<(), StoreError> {
    for key in keys {
        sqlx::query("DELETE FROM authority_letter WHERE letter_key = $1")
            .bind(key.as_slice())
            .execute(&mut *conn)
            .await?;
    }
    Ok(())
}

/// Changes a letter that waits: it was sealed, or is in the log (`logged`).
pub(crate) async fn set(
    conn: &mut Conn,
    key: &RowKey,
    logged: bool,
    sealed: &[u8],
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE authority_letter SET state = $2, sealed = $3 WHERE letter_key = $1 AND state = 'waiting'",
    )
    .bind(key.as_slice())
    .bind(if logged { "logged" } else { "waiting" })
    .bind(sealed)
    .execute(conn)
    .await?;
    Ok(())
}

/// A letter by its key.
pub(crate) async fn of_key(conn: &mut Conn, key: &RowKey) -> Result<Option<LetterRow>, StoreError> {
    let sql = "SELECT letter_key, user_key, sealed FROM authority_letter WHERE letter_key = $1";
    sqlx::query(sql).bind(key.as_slice()).fetch_optional(conn).await?.as_ref().map(letter).transpose()
}
