//! Registered pseudonyms.

use std::collections::HashMap;

use sqlx::{AssertSqlSafe, Row};
use tacit_store::{Conn, StoreError, bulk};

use super::{bytes32, signed};

/// A pseudonym to store.
#[derive(Clone)]
pub(crate) struct NewPseudonym {
    pub(crate) pseudonym: [u8; 32],
    pub(crate) blinded_subject: [u8; 32],
    pub(crate) evaluated: [u8; 32],
    pub(crate) proof: [u8; 64],
    pub(crate) register_hash: [u8; 32],
    pub(crate) audit_box: Vec<u8>,
}

/// What a check needs to know of its pseudonym.
#[derive(Clone, Copy)]
pub(crate) struct Registered {
    pub(crate) blinded_subject: [u8; 32],
    pub(crate) register_hash: [u8; 32],
}

/// Looks pseudonyms of one requester and epoch up.
pub(crate) async fn lookup(
    conn: &mut Conn,
    requester: &str,
    epoch: u32,
    pseudonyms: &[[u8; 32]],
) -> Result<HashMap<[u8; 32], Registered>, StoreError> {
    let mut found = HashMap::with_capacity(pseudonyms.len());
    for part in bulk::parts(pseudonyms) {
        let sql = format!(
            "SELECT pseudonym, blinded_subject, register_hash FROM pseudonym \
             WHERE requester = $1 AND epoch = $2 AND pseudonym IN ({})",
            bulk::placeholders(3, part.len())
        );
        let mut query = sqlx::query(AssertSqlSafe(sql))
            .persistent(part.len() == 1)
            .bind(requester)
            .bind(i64::from(epoch));
        for pseudonym in part {
            query = query.bind(pseudonym.as_slice());
        }
        for row in query.fetch_all(&mut *conn).await? {
            let pseudonym = bytes32("pseudonym", "pseudonym", requester, row.try_get(0)?)?;
            let blinded_subject = bytes32("pseudonym", "blinded_subject", requester, row.try_get(1)?)?;
            let register_hash = bytes32("pseudonym", "register_hash", requester, row.try_get(2)?)?;
            found.insert(pseudonym, Registered { blinded_subject, register_hash });
        }
    }
    Ok(found)
}

/// Whether any Ph or Th of a batch already stands under another pseudonym of this requester and epoch:
/// one evaluation must not give many pseudonyms.
pub(crate) async fn registered_otherwise(
    conn: &mut Conn,
    requester: &str,
    epoch: u32,
    batch: &[NewPseudonym],
) -> Result<bool, StoreError> {
    for part in bulk::parts(batch) {
        for (column, value) in
            [("blinded_subject", blinded_subject as fn(&NewPseudonym) -> &[u8; 32]), ("evaluated", evaluated)]
        {
            let sql = format!(
                "SELECT {column}, pseudonym FROM pseudonym WHERE requester = $1 AND epoch = $2 AND {column} IN ({})",
                bulk::placeholders(3, part.len())
            );
            let mut query =
                sqlx::query(AssertSqlSafe(sql)).persistent(false).bind(requester).bind(i64::from(epoch));
            for new in part {
                query = query.bind(value(new).as_slice());
            }
            let mut stored = HashMap::new();
            for row in query.fetch_all(&mut *conn).await? {
                stored.insert(row.try_get::<Vec<u8>, _>(0)?, row.try_get::<Vec<u8>, _>(1)?);
            }
            if part.iter().any(|new| {
                stored.get(value(new).as_slice()).is_some_and(|under| under != new.pseudonym.as_slice())
            }) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

fn blinded_subject(new: &NewPseudonym) -> &[u8; 32] {
    &new.blinded_subject
}

fn evaluated(new: &NewPseudonym) -> &[u8; 32] {
    &new.evaluated
}

/// Stores a batch. The same pseudonym with a new pair replaces the pair and is no new subject.
pub(crate) async fn store(
    conn: &mut Conn,
    requester: &str,
    epoch: u32,
    now_ms: u64,
    batch: &[NewPseudonym],
) -> Result<(), StoreError> {
    bulk::insert(
        conn,
        "pseudonym (pseudonym, requester, epoch, blinded_subject, evaluated, proof, register_hash, audit_box, registered_ms)",
        9,
        "ON CONFLICT (requester, epoch, pseudonym) DO UPDATE SET blinded_subject = excluded.blinded_subject, \
         evaluated = excluded.evaluated, proof = excluded.proof, register_hash = excluded.register_hash, \
         audit_box = excluded.audit_box, registered_ms = excluded.registered_ms",
        batch,
        |row, new| {
            row.bind(new.pseudonym.as_slice())
                .bind(requester)
                .bind(i64::from(epoch))
                .bind(new.blinded_subject.as_slice())
                .bind(new.evaluated.as_slice())
                .bind(new.proof.as_slice())
                .bind(new.register_hash.as_slice())
                .bind(new.audit_box.as_slice())
                .bind(signed(now_ms))
        },
    )
    .await?;
    Ok(())
}
