//! What may be used once, or only so often: nonces, blinded queries, quotas.

use std::collections::{HashMap, HashSet};

use sqlx::{AssertSqlSafe, Row};
use tacit_store::{Conn, StoreError, bulk};

use super::{bytes32, signed, unsigned};

/// Nonces of a requester, as (requester, nonce).
pub(crate) type Nonce = (String, [u8; 16]);

/// Which of these nonces were used in the window.
pub(crate) async fn used_nonces(conn: &mut Conn, nonces: &[Nonce]) -> Result<HashSet<Nonce>, StoreError> {
    let mut used = HashSet::new();
    for part in bulk::parts(nonces) {
        let sql = format!(
            "SELECT requester, nonce FROM used_nonce WHERE nonce IN ({})",
            bulk::placeholders(1, part.len())
        );
        let mut query = sqlx::query(AssertSqlSafe(sql)).persistent(part.len() == 1);
        for (_, nonce) in part {
            query = query.bind(nonce.as_slice());
        }
        for row in query.fetch_all(&mut *conn).await? {
            let requester: String = row.try_get(0)?;
            let nonce: Vec<u8> = row.try_get(1)?;
            let nonce = nonce
                .try_into()
                .map_err(|_| StoreError::corrupt("used_nonce", "nonce", &requester, "is not 16 bytes"))?;
            used.insert((requester, nonce));
        }
    }
    Ok(used)
}

/// Marks nonces as used until `until_ms`.
pub(crate) async fn use_nonces(conn: &mut Conn, nonces: &[Nonce], until_ms: u64) -> Result<(), StoreError> {
    bulk::insert(
        conn,
        "used_nonce (requester, nonce, until_ms)",
        3,
        "",
        nonces,
        |row, (requester, nonce)| row.bind(requester.as_str()).bind(nonce.as_slice()).bind(signed(until_ms)),
    )
    .await?;
    Ok(())
}

/// Which of these blinded-query hashes were used in the window.
pub(crate) async fn used_queries(
    conn: &mut Conn,
    queries: &[[u8; 32]],
) -> Result<HashSet<[u8; 32]>, StoreError> {
    let mut used = HashSet::new();
    for part in bulk::parts(queries) {
        let sql =
            format!("SELECT query FROM used_query WHERE query IN ({})", bulk::placeholders(1, part.len()));
        let mut query = sqlx::query(AssertSqlSafe(sql)).persistent(part.len() == 1);
        for hash in part {
            query = query.bind(hash.as_slice());
        }
        for row in query.fetch_all(&mut *conn).await? {
            used.insert(bytes32("used_query", "query", "", row.try_get(0)?)?);
        }
    }
    Ok(used)
}

/// Marks blinded-query hashes as used until `until_ms`.
pub(crate) async fn use_queries(
    conn: &mut Conn,
    queries: &[[u8; 32]],
    until_ms: u64,
) -> Result<(), StoreError> {
    bulk::insert(conn, "used_query (query, until_ms)", 2, "", queries, |row, query| {
        row.bind(query.as_slice()).bind(signed(until_ms))
    })
    .await?;
    Ok(())
}

/// Permitted checks of one day, by pseudonym and agreement.
pub(crate) type SubjectUses = HashMap<([u8; 32], String), u64>;

/// Counts of `day` for these pseudonyms.
pub(crate) async fn subject_uses(
    conn: &mut Conn,
    pseudonyms: &[[u8; 32]],
    day: u64,
) -> Result<SubjectUses, StoreError> {
    let mut counts = HashMap::new();
    for part in bulk::parts(pseudonyms) {
        let sql = format!(
            "SELECT pseudonym, agreement, uses FROM subject_use WHERE day = $1 AND pseudonym IN ({})",
            bulk::placeholders(2, part.len())
        );
        let mut query = sqlx::query(AssertSqlSafe(sql)).persistent(part.len() == 1).bind(signed(day));
        for pseudonym in part {
            query = query.bind(pseudonym.as_slice());
        }
        for row in query.fetch_all(&mut *conn).await? {
            let pseudonym = bytes32("subject_use", "pseudonym", "", row.try_get(0)?)?;
            counts.insert((pseudonym, row.try_get(1)?), unsigned("subject_use", "uses", row.try_get(2)?)?);
        }
    }
    Ok(counts)
}

/// Adds to the counts of `day`.
pub(crate) async fn add_subject_uses(
    conn: &mut Conn,
    day: u64,
    added: &[(([u8; 32], String), u64)],
) -> Result<(), StoreError> {
    bulk::insert(
        conn,
        "subject_use (pseudonym, agreement, day, uses)",
        4,
        "ON CONFLICT (pseudonym, agreement, day) DO UPDATE SET uses = subject_use.uses + excluded.uses",
        added,
        |row, ((pseudonym, agreement), uses)| {
            row.bind(pseudonym.as_slice()).bind(agreement.as_str()).bind(signed(day)).bind(signed(*uses))
        },
    )
    .await?;
    Ok(())
}

/// Permitted checks of `day` under each agreement.
pub(crate) async fn agreement_uses(conn: &mut Conn, day: u64) -> Result<HashMap<String, u64>, StoreError> {
    let rows = sqlx::query("SELECT agreement, uses FROM agreement_use WHERE day = $1")
        .bind(signed(day))
        .fetch_all(conn)
        .await?;
    rows.iter()
        .map(|row| Ok((row.try_get(0)?, unsigned("agreement_use", "uses", row.try_get(1)?)?)))
        .collect()
}

/// Adds to the counts of `day`.
pub(crate) async fn add_agreement_uses(
    conn: &mut Conn,
    day: u64,
    added: &[(String, u64)],
) -> Result<(), StoreError> {
    bulk::insert(
        conn,
        "agreement_use (agreement, day, uses)",
        3,
        "ON CONFLICT (agreement, day) DO UPDATE SET uses = agreement_use.uses + excluded.uses",
        added,
        |row, (agreement, uses)| row.bind(agreement.as_str()).bind(signed(day)).bind(signed(*uses)),
    )
    .await?;
    Ok(())
}

/// Removes what the freshness window no longer needs.
pub(crate) async fn prune(conn: &mut Conn, now_ms: u64, today: u64) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM used_nonce WHERE until_ms < $1")
        .bind(signed(now_ms))
        .execute(&mut *conn)
        .await?;
    sqlx::query("DELETE FROM used_query WHERE until_ms < $1")
        .bind(signed(now_ms))
        .execute(&mut *conn)
        .await?;
    sqlx::query("DELETE FROM agreement_use WHERE day < $1").bind(signed(today)).execute(&mut *conn).await?;
    sqlx::query("DELETE FROM subject_use WHERE day < $1").bind(signed(today)).execute(&mut *conn).await?;
    Ok(())
}
