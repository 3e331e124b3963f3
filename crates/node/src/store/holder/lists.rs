//! The lists held here.

use sqlx::Row;
use tacit_model::ListId;
use tacit_store::{Conn, StoreError};

use crate::store::unsigned;

/// A list's number in this database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ListNo(pub(crate) i64);

/// A list held here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HeldList {
    pub(crate) no: ListNo,
    /// Scheme of its codes.
    pub(crate) scheme: String,
    /// Last day whose beginnings and ends of listings were noticed.
    pub(crate) seen_day: u32,
}

/// The list, if anything was ever kept of it.
pub(crate) async fn find(conn: &mut Conn, list: &ListId) -> Result<Option<HeldList>, StoreError> {
    let row = sqlx::query("SELECT no, scheme, seen_day FROM held_list WHERE list = $1")
        .bind(list.as_str())
        .fetch_optional(conn)
        .await?;
    row.map(|row| {
        Ok(HeldList {
            no: ListNo(row.try_get(0)?),
            scheme: row.try_get(1)?,
            seen_day: unsigned("held_list", "seen_day", row.try_get(2)?)?,
        })
    })
    .transpose()
}

/// The list, begun now with this scheme if it is new.
pub(crate) async fn find_or_begin(
    conn: &mut Conn,
    list: &ListId,
    scheme: &str,
) -> Result<HeldList, StoreError> {
    sqlx::query("INSERT INTO held_list (list, scheme) VALUES ($1, $2) ON CONFLICT (list) DO NOTHING")
        .bind(list.as_str())
        .bind(scheme)
        .execute(&mut *conn)
        .await?;
    find(conn, list).await?.ok_or_else(|| StoreError::corrupt("held_list", "list", list, "is missing"))
}

/// Notes that beginnings and ends of listings are known up to this day.
pub(crate) async fn set_seen_day(conn: &mut Conn, list: ListNo, day: u32) -> Result<(), StoreError> {
    sqlx::query("UPDATE held_list SET seen_day = $1 WHERE no = $2")
        .bind(i64::from(day))
        .bind(list.0)
        .execute(conn)
        .await?;
    Ok(())
}
