//! What the authority did to consents of its users: keyed hashes in, sealed bytes out.

use sqlx::Row;
use tacit_client::RowKey;
use tacit_model::Millis;
use tacit_store::{Conn, StoreError};

use super::{bytes32, signed};

/// A change of a consent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ChangeRow {
    pub(crate) key: RowKey,
    pub(crate) user: RowKey,
    /// It is in the log; else it was sent, and nothing more is known.
    pub(crate) logged: bool,
    pub(crate) sealed: Vec<u8>,
}

/// Stores a change; one that is in the log stays as it is.
pub(crate) async fn put(conn: &mut Conn, change: &ChangeRow, at: Millis) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO authority_consent_change (change_key, user_key, state, at_ms, sealed) \
         VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (change_key) DO UPDATE SET state = excluded.state, at_ms = excluded.at_ms, sealed = excluded.sealed \
         WHERE authority_consent_change.state = 'sent'",
    )
    .bind(change.key.as_slice())
    .bind(change.user.as_slice())
    .bind(if change.logged { "logged" } else { "sent" })
    .bind(signed(at.0))
    .bind(change.sealed.as_slice())
    .execute(conn)
    .await?;
    Ok(())
}

/// The changes of a user's consents, in any order.
pub(crate) async fn of_user(conn: &mut Conn, user: &RowKey) -> Result<Vec<ChangeRow>, StoreError> {
    let table = "authority_consent_change";
    let rows =
        sqlx::query("SELECT change_key, state, sealed FROM authority_consent_change WHERE user_key = $1")
            .bind(user.as_slice())
            .fetch_all(conn)
            .await?;
    rows.iter()
        .map(|row| {
            Ok(ChangeRow {
                key: bytes32(table, "change_key", "a change", row.try_get(0)?)?,
                user: *user,
                logged: row.try_get::<&str, _>(1)? == "logged",
                sealed: row.try_get(2)?,
            })
        })
        .collect()
}

/// Removes a change that was sent and is not in the log.
pub(crate) async fn take_back(conn: &mut Conn, key: &RowKey) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM authority_consent_change WHERE change_key = $1 AND state = 'sent'")
        .bind(key.as_slice())
        .execute(conn)
        .await?;
    Ok(())
}

/// Removes changes.
pub(crate) async fn remove(conn: &mut Conn, keys: &[RowKey]) -> Result<(), StoreError> {
    for key in keys {
        sqlx::query("DELETE FROM authority_consent_change WHERE change_key = $1")
            .bind(key.as_slice())
            .execute(&mut *conn)
            .await?;
    }
    Ok(())
}
