//! Numbers of pseudonyms.

use std::collections::HashMap;

use sqlx::Row;
use tacit_store::{Conn, StoreError, bulk};

use super::{bytes32, carried};

/// The number of a pseudonym.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Number(pub(crate) i64);

/// Numbers of pseudonyms, in their order; those that had none get the next ones. A pseudonym that was carried has the
/// number of the one that it was carried from.
pub(crate) async fn number(
    conn: &mut Conn,
    pseudonyms: &[[u8; 32]],
) -> Result<HashMap<[u8; 32], Number>, StoreError> {
    let mut numbers = carried::numbers(conn, pseudonyms).await?;
    let own: Vec<[u8; 32]> = pseudonyms.iter().filter(|it| !numbers.contains_key(*it)).copied().collect();
    bulk::insert(conn, "subject (pseudonym)", 1, "ON CONFLICT DO NOTHING", &own, |row, pseudonym| {
        row.bind(pseudonym.as_slice())
    })
    .await?;
    numbers.extend(own_numbers(conn, &own).await?);
    Ok(numbers)
}

/// Numbers that pseudonyms have of their own; those without one are absent.
pub(crate) async fn own_numbers(
    conn: &mut Conn,
    pseudonyms: &[[u8; 32]],
) -> Result<HashMap<[u8; 32], Number>, StoreError> {
    let head = "SELECT pseudonym, number FROM subject WHERE pseudonym IN";
    let rows = bulk::fetch(conn, head, pseudonyms, |row, pseudonym| row.bind(pseudonym.as_slice())).await?;
    rows.iter()
        .map(|row| {
            let number = row.try_get(1)?;
            Ok((bytes32("subject", "pseudonym", number, row.try_get(0)?)?, Number(number)))
        })
        .collect()
}

/// The pseudonym that a subject had first.
pub(crate) async fn first(conn: &mut Conn, subject: Number) -> Result<[u8; 32], StoreError> {
    let row = sqlx::query("SELECT pseudonym FROM subject WHERE number = $1")
        .bind(subject.0)
        .fetch_optional(conn)
        .await?
        .ok_or_else(|| StoreError::corrupt("subject", "number", subject.0, "is missing"))?;
    bytes32("subject", "pseudonym", subject.0, row.try_get(0)?)
}
