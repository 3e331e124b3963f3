//! Texts of consents that a renewal replaced.

use sqlx::Row as _;
use tacit_model::Ulid;
use tacit_store::{Conn, StoreError};

use super::signed;

/// A signed text.
pub(crate) struct SignedText {
    pub(crate) text: Vec<u8>,
    pub(crate) signature: Vec<u8>,
}

/// The text that stood after change `number`, when a later renewal replaced it.
pub(crate) async fn at(conn: &mut Conn, id: Ulid, number: u64) -> Result<Option<SignedText>, StoreError> {
    let found = sqlx::query(
        "SELECT text, signature FROM consent_text WHERE consent = $1 AND until_number > $2 \
         ORDER BY until_number LIMIT 1",
    )
    .bind(id.to_string())
    .bind(signed(number))
    .fetch_optional(conn)
    .await?;
    let Some(row) = found else { return Ok(None) };
    Ok(Some(SignedText { text: row.try_get(0)?, signature: row.try_get(1)? }))
}

/// Keeps the text that the renewal with this number replaces.
pub(crate) async fn replace(
    conn: &mut Conn,
    id: Ulid,
    until_number: u64,
    text: &[u8],
    signature: &[u8; 64],
) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO consent_text (consent, until_number, text, signature) VALUES ($1, $2, $3, $4)")
        .bind(id.to_string())
        .bind(signed(until_number))
        .bind(text)
        .bind(signature.as_slice())
        .execute(conn)
        .await?;
    Ok(())
}
