//! Numbers of pseudonyms.

use std::collections::HashMap;

use sqlx::Row;
use tacit_store::{Conn, StoreError, bulk};

use super::bytes32;

/// The number of a pseudonym.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Number(pub(crate) i64);

/// Numbers of pseudonyms, in their order; those that had none get the next ones.
pub(crate) async fn number(
    conn: &mut Conn,
    pseudonyms: &[[u8; 32]],
) -> Result<HashMap<[u8; 32], Number>, StoreError> {
    bulk::insert(conn, "subject (pseudonym)", 1, "ON CONFLICT DO NOTHING", pseudonyms, |row, pseudonym| {
        row.bind(pseudonym.as_slice())
    })
    .await?;
    let head = "SELECT pseudonym, number FROM subject WHERE pseudonym IN";
    let rows = bulk::fetch(conn, head, pseudonyms, |row, pseudonym| row.bind(pseudonym.as_slice())).await?;
    rows.iter()
        .map(|row| {
            let number = row.try_get(1)?;
            Ok((bytes32("subject", "pseudonym", number, row.try_get(0)?)?, Number(number)))
        })
        .collect()
}
