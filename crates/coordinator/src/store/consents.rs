//! Consents and their use.

use std::collections::HashMap;

use sqlx::{AssertSqlSafe, Row, any::AnyRow};
use tacit_store::{Conn, StoreError, bulk};

use super::{bytes32, signed, unsigned};

/// A stored consent.
#[derive(Clone)]
pub(crate) struct StoredConsent {
    pub(crate) id: String,
    pub(crate) authority: String,
    pub(crate) requester: String,
    pub(crate) pseudonym: [u8; 32],
    pub(crate) text: Vec<u8>,
    pub(crate) signature: Vec<u8>,
    pub(crate) state: String,
    pub(crate) number: u64,
    pub(crate) state_signature: Vec<u8>,
    pub(crate) uses: u64,
}

const COLUMNS: &str =
    "id, authority, requester, pseudonym, text, signature, state, number, state_signature, uses";

/// Consents by id.
pub(crate) async fn by_ids(
    conn: &mut Conn,
    ids: &[String],
) -> Result<HashMap<String, StoredConsent>, StoreError> {
    let mut found = HashMap::new();
    for part in bulk::parts(ids) {
        let sql =
            format!("SELECT {COLUMNS} FROM consent WHERE id IN ({})", bulk::placeholders(1, part.len()));
        let mut query = sqlx::query(AssertSqlSafe(sql)).persistent(part.len() == 1);
        for id in part {
            query = query.bind(id.as_str());
        }
        for row in query.fetch_all(&mut *conn).await? {
            let consent = read(&row)?;
            found.insert(consent.id.clone(), consent);
        }
    }
    Ok(found)
}

/// Consents under a requester's pseudonyms.
pub(crate) async fn by_pseudonyms(
    conn: &mut Conn,
    requester: &str,
    pseudonyms: &[[u8; 32]],
) -> Result<Vec<StoredConsent>, StoreError> {
    let mut found = Vec::new();
    for part in bulk::parts(pseudonyms) {
        let sql = format!(
            "SELECT {COLUMNS} FROM consent WHERE requester = $1 AND pseudonym IN ({}) ORDER BY id",
            bulk::placeholders(2, part.len())
        );
        let mut query = sqlx::query(AssertSqlSafe(sql)).persistent(false).bind(requester);
        for pseudonym in part {
            query = query.bind(pseudonym.as_slice());
        }
        for row in query.fetch_all(&mut *conn).await? {
            found.push(read(&row)?);
        }
    }
    Ok(found)
}

/// What an authority stored, under these pseudonyms or, when none are named, all of it.
pub(crate) async fn by_authority(
    conn: &mut Conn,
    authority: &str,
    pseudonyms: &[[u8; 32]],
) -> Result<Vec<StoredConsent>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM consent WHERE authority = $1 ORDER BY id LIMIT 100000");
    let rows = sqlx::query(AssertSqlSafe(sql)).bind(authority).fetch_all(conn).await?;
    let all: Result<Vec<_>, _> = rows.iter().map(read).collect();
    Ok(all?
        .into_iter()
        .filter(|consent| pseudonyms.is_empty() || pseudonyms.contains(&consent.pseudonym))
        .collect())
}

/// Stores a new consent.
pub(crate) async fn store(conn: &mut Conn, consent: &StoredConsent) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO consent (id, authority, requester, pseudonym, text, signature, state, number, state_signature) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(consent.id.as_str())
    .bind(consent.authority.as_str())
    .bind(consent.requester.as_str())
    .bind(consent.pseudonym.as_slice())
    .bind(consent.text.as_slice())
    .bind(consent.signature.as_slice())
    .bind(consent.state.as_str())
    .bind(signed(consent.number))
    .bind(consent.state_signature.as_slice())
    .execute(conn)
    .await?;
    Ok(())
}

/// Moves a consent to its next state.
pub(crate) async fn change(
    conn: &mut Conn,
    id: &str,
    state: &str,
    number: u64,
    signature: &[u8],
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE consent SET state = $2, number = $3, state_signature = $4 WHERE id = $1 AND number = $3 - 1",
    )
    .bind(id)
    .bind(state)
    .bind(signed(number))
    .bind(signature)
    .execute(conn)
    .await?;
    Ok(())
}

/// Uses of a consent since a moment.
pub(crate) async fn uses_since(conn: &mut Conn, id: &str, since_ms: u64) -> Result<u64, StoreError> {
    let row =
        sqlx::query("SELECT COALESCE(SUM(uses), 0) FROM consent_use WHERE consent = $1 AND at_ms >= $2")
            .bind(id)
            .bind(signed(since_ms))
            .fetch_one(conn)
            .await?;
    unsigned("consent_use", "uses", row.try_get(0)?)
}

/// Counts uses.
pub(crate) async fn add_uses(conn: &mut Conn, at_ms: u64, added: &[(String, u64)]) -> Result<(), StoreError> {
    bulk::insert(conn, "consent_use (consent, at_ms, uses)", 3, "", added, |row, (id, uses)| {
        row.bind(id.as_str()).bind(signed(at_ms)).bind(signed(*uses))
    })
    .await?;
    for (id, uses) in added {
        sqlx::query("UPDATE consent SET uses = uses + $2 WHERE id = $1")
            .bind(id.as_str())
            .bind(signed(*uses))
            .execute(&mut *conn)
            .await?;
    }
    Ok(())
}

fn read(row: &AnyRow) -> Result<StoredConsent, StoreError> {
    let id: String = row.try_get(0)?;
    Ok(StoredConsent {
        pseudonym: bytes32("consent", "pseudonym", &id, row.try_get(3)?)?,
        authority: row.try_get(1)?,
        requester: row.try_get(2)?,
        text: row.try_get(4)?,
        signature: row.try_get(5)?,
        state: row.try_get(6)?,
        number: unsigned("consent", "number", row.try_get(7)?)?,
        state_signature: row.try_get(8)?,
        uses: unsigned("consent", "uses", row.try_get(9)?)?,
        id,
    })
}
