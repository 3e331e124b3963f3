//! Chains of pseudonyms, and what opens the records' commitments.

use std::collections::HashMap;

use sqlx::{AssertSqlSafe, Row};
use tacit_store::{Conn, StoreError, bulk};

use super::{bytes32, signed, unsigned};

/// The head of a pseudonym's hidden chain.
#[derive(Clone, Copy)]
pub(crate) struct Chain {
    /// Sequence number of the next record.
    pub(crate) sequence: u64,
    /// Leaf hash of the last record, zeros at first.
    pub(crate) leaf: [u8; 32],
    /// Key of the pseudonym's openings; absent once erased.
    pub(crate) opening_key: Option<[u8; 32]>,
}

/// A sealed opening beside the log.
pub(crate) struct SealedOpening {
    pub(crate) log_index: u64,
    pub(crate) pseudonym: [u8; 32],
    pub(crate) sealed: Vec<u8>,
}

/// Chains of these pseudonyms; a pseudonym without records has none yet.
pub(crate) async fn chains(
    conn: &mut Conn,
    pseudonyms: &[[u8; 32]],
) -> Result<HashMap<[u8; 32], Chain>, StoreError> {
    let mut found = HashMap::with_capacity(pseudonyms.len());
    for part in bulk::parts(pseudonyms) {
        let sql = format!(
            "SELECT pseudonym, sequence, leaf, opening_key FROM chain WHERE pseudonym IN ({})",
            bulk::placeholders(1, part.len())
        );
        let mut query = sqlx::query(AssertSqlSafe(sql)).persistent(part.len() == 1);
        for pseudonym in part {
            query = query.bind(pseudonym.as_slice());
        }
        for row in query.fetch_all(&mut *conn).await? {
            let sequence = unsigned("chain", "sequence", row.try_get(1)?)?;
            let leaf = bytes32("chain", "leaf", sequence, row.try_get(2)?)?;
            let opening_key = match row.try_get::<Option<Vec<u8>>, _>(3)? {
                Some(key) => Some(bytes32("chain", "opening_key", sequence, &key)?),
                None => None,
            };
            found.insert(
                bytes32("chain", "pseudonym", sequence, row.try_get(0)?)?,
                Chain { sequence, leaf, opening_key },
            );
        }
    }
    Ok(found)
}

/// Moves chains on.
pub(crate) async fn store_chains(conn: &mut Conn, chains: &[([u8; 32], Chain)]) -> Result<(), StoreError> {
    bulk::insert(
        conn,
        "chain (pseudonym, sequence, leaf, opening_key)",
        4,
        "ON CONFLICT (pseudonym) DO UPDATE SET sequence = excluded.sequence, leaf = excluded.leaf, opening_key = excluded.opening_key",
        chains,
        |row, (pseudonym, chain)| {
            row.bind(pseudonym.as_slice())
                .bind(signed(chain.sequence))
                .bind(chain.leaf.as_slice())
                .bind(chain.opening_key.map(|key| key.to_vec()))
        },
    )
    .await?;
    Ok(())
}

/// Stores sealed openings.
pub(crate) async fn store(conn: &mut Conn, openings: &[SealedOpening]) -> Result<(), StoreError> {
    bulk::insert(conn, "opening (log_index, pseudonym, sealed)", 3, "", openings, |row, opening| {
        row.bind(signed(opening.log_index)).bind(opening.pseudonym.as_slice()).bind(opening.sealed.as_slice())
    })
    .await?;
    Ok(())
}
