//! Users: keyed hashes in, sealed bytes out.

use sqlx::Row;
use tacit_client::RowKey;
use tacit_model::Millis;
use tacit_store::{Conn, StoreError, bulk};

use super::{bytes32, signed, unsigned};

/// A user's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UserRow {
    pub(crate) key: RowKey,
    pub(crate) sealed: Vec<u8>,
}

/// Adds a user; false when it is there already.
pub(crate) async fn add(conn: &mut Conn, user: &UserRow, since: Millis) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "INSERT INTO authority_user (user_key, since_ms, sealed) VALUES ($1, $2, $3) \
         ON CONFLICT (user_key) DO NOTHING",
    )
    .bind(user.key.as_slice())
    .bind(signed(since.0))
    .bind(user.sealed.as_slice())
    .execute(conn)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Since when there is this user.
pub(crate) async fn since(conn: &mut Conn, key: &RowKey) -> Result<Option<Millis>, StoreError> {
    let row = sqlx::query("SELECT since_ms FROM authority_user WHERE user_key = $1")
        .bind(key.as_slice())
        .fetch_optional(conn)
        .await?;
    row.map(|row| Ok(Millis(unsigned("authority_user", "since_ms", row.try_get(0)?)?))).transpose()
}

/// How many users there are.
pub(crate) async fn count(conn: &mut Conn) -> Result<u64, StoreError> {
    let row = sqlx::query("SELECT COUNT(*) FROM authority_user").fetch_one(conn).await?;
    unsigned("authority_user", "count", row.try_get(0)?)
}

/// How many users do not have chains for all of these requesters yet.
pub(crate) async fn count_uncovered(conn: &mut Conn, covered: &RowKey) -> Result<u64, StoreError> {
    let row = sqlx::query("SELECT COUNT(*) FROM authority_user WHERE covered IS NULL OR covered <> $1")
        .bind(covered.as_slice())
        .fetch_one(conn)
        .await?;
    unsigned("authority_user", "count", row.try_get(0)?)
}

/// Users above `after` that do not have chains for all of these requesters yet, by key, at most `limit`.
pub(crate) async fn uncovered(
    conn: &mut Conn,
    covered: &RowKey,
    after: &RowKey,
    limit: u32,
) -> Result<Vec<UserRow>, StoreError> {
    let rows = sqlx::query(
        "SELECT user_key, sealed FROM authority_user \
         WHERE (covered IS NULL OR covered <> $1) AND user_key > $2 ORDER BY user_key LIMIT $3",
    )
    .bind(covered.as_slice())
    .bind(after.as_slice())
    .bind(i64::from(limit))
    .fetch_all(conn)
    .await?;
    rows.iter()
        .map(|row| {
            let key = bytes32("authority_user", "user_key", "a user", row.try_get(0)?)?;
            Ok(UserRow { key, sealed: row.try_get(1)? })
        })
        .collect()
}

/// Notes that users have chains for all of these requesters.
pub(crate) async fn set_covered(
    conn: &mut Conn,
    users: &[RowKey],
    covered: &RowKey,
) -> Result<(), StoreError> {
    for part in bulk::parts(users) {
        let sql = format!(
            "UPDATE authority_user SET covered = $1 WHERE user_key IN ({})",
            bulk::placeholders(2, part.len())
        );
        let mut query = sqlx::query(sqlx::AssertSqlSafe(sql)).persistent(false).bind(covered.as_slice());
        for key in part {
            query = query.bind(key.as_slice());
        }
        query.execute(&mut *conn).await?;
    }
    Ok(())
}

/// A user.
pub(crate) async fn of_key(conn: &mut Conn, key: &RowKey) -> Result<Option<UserRow>, StoreError> {
    let row = sqlx::query("SELECT sealed FROM authority_user WHERE user_key = $1")
        .bind(key.as_slice())
        .fetch_optional(conn)
        .await?;
    row.map(|row| Ok(UserRow { key: *key, sealed: row.try_get(0)? })).transpose()
}
