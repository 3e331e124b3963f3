//! Chains of pseudonyms, and what opens the records' commitments.

use std::collections::HashMap;

use sqlx::{Row, any::AnyRow};
use tacit_store::{Conn, ReadId, Reads, StoreError, Writes, bulk};

use super::{bytes32, signed, subjects::Number, ulid, unsigned, uses::SubjectUses};

/// The head of a pseudonym's hidden chain.
#[derive(Clone, Copy)]
pub(crate) struct Chain {
    /// Sequence number of the next record.
    pub(crate) sequence: u64,
    /// Leaf hash of the last record, zeros at first.
    pub(crate) leaf: [u8; 32],
    /// Log index of the last record; none at first.
    pub(crate) last_index: Option<u64>,
    /// Key of the pseudonym's openings since its newest erasure.
    pub(crate) opening_key: [u8; 32],
}

impl Chain {
    /// The chain of a pseudonym without records.
    pub(crate) fn empty(opening_key: [u8; 32]) -> Self {
        Self { sequence: 0, leaf: [0; 32], last_index: None, opening_key }
    }

    /// The chain after one more record.
    pub(crate) fn after(self, index: u64, leaf: [u8; 32]) -> Self {
        Self { sequence: self.sequence + 1, leaf, last_index: Some(index), ..self }
    }
}

/// A sealed opening beside the log.
pub(crate) struct SealedOpening {
    pub(crate) log_index: u64,
    pub(crate) subject: Number,
    pub(crate) sealed: Vec<u8>,
}

/// Chains of these pseudonyms; a pseudonym without records has none yet.
pub(crate) async fn chains(
    conn: &mut Conn,
    subjects: &[Number],
) -> Result<HashMap<Number, Chain>, StoreError> {
    let head = "SELECT subject, sequence, leaf, last_index, opening_key FROM chain WHERE subject IN";
    let rows = bulk::fetch(conn, head, subjects, |row, subject| row.bind(subject.0)).await?;
    rows.iter().map(chain).collect()
}

/// Adds the read of these pseudonyms' chains with their permitted checks of `day`; [`chains_and_uses`] takes its rows.
pub(crate) fn read_chains_and_uses(reads: &mut Reads, subjects: &[Number], day: u64) -> ReadId {
    let head = "SELECT c.subject, c.sequence, c.leaf, c.last_index, c.opening_key, u.agreement, u.uses FROM chain c \
                LEFT JOIN subject_use u ON u.day = ? AND u.subject = c.subject WHERE c.subject IN";
    reads.keyed(head, |row| row.bind(signed(day)), subjects, |row, subject| row.bind(subject.0))
}

/// Chains, and permitted checks of a day: who has no records has neither.
pub(crate) fn chains_and_uses(rows: &[AnyRow]) -> Result<(HashMap<Number, Chain>, SubjectUses), StoreError> {
    let (mut chains, mut uses) = (HashMap::with_capacity(rows.len()), HashMap::new());
    for row in rows {
        let (subject, chain) = chain(row)?;
        chains.insert(subject, chain);
        if let Some(agreement) = row.try_get::<Option<&str>, _>(5)? {
            let agreement = ulid("subject_use", "agreement", agreement)?;
            uses.insert((subject, agreement), unsigned("subject_use", "uses", row.try_get(6)?)?);
        }
    }
    Ok((chains, uses))
}

fn chain(row: &AnyRow) -> Result<(Number, Chain), StoreError> {
    let subject: i64 = row.try_get(0)?;
    let chain = Chain {
        sequence: unsigned("chain", "sequence", row.try_get(1)?)?,
        leaf: bytes32("chain", "leaf", subject, row.try_get(2)?)?,
        last_index: Some(unsigned("chain", "last_index", row.try_get(3)?)?),
        opening_key: bytes32("chain", "opening_key", subject, row.try_get(4)?)?,
    };
    Ok((Number(subject), chain))
}

/// Moves chains on. Keys do not change: only an erasure replaces one.
pub(crate) fn store_chains(writes: &mut Writes, chains: &[(Number, Chain)]) {
    let into = "chain (subject, sequence, leaf, last_index, opening_key)";
    let again = "ON CONFLICT (subject) DO UPDATE SET sequence = excluded.sequence, leaf = excluded.leaf, \
                 last_index = excluded.last_index";
    writes.insert(into, 5, again, chains, |row, (subject, chain)| {
        row.bind(subject.0)
            .bind(signed(chain.sequence))
            .bind(chain.leaf.as_slice())
            .bind(signed(chain.last_index.unwrap_or_default()))
            .bind(chain.opening_key.as_slice())
    });
}

/// Stores sealed openings.
pub(crate) fn store(writes: &mut Writes, openings: &[SealedOpening]) {
    writes.insert("opening (log_index, subject, sealed)", 3, "", openings, |row, opening| {
        row.bind(signed(opening.log_index)).bind(opening.subject.0).bind(opening.sealed.as_slice())
    });
}

/// Stores the names of rules under their hashes.
pub(crate) fn store_rules(writes: &mut Writes, sets: &[([u8; 32], String)]) {
    writes.insert("rule_set (hash, rules)", 2, "ON CONFLICT DO NOTHING", sets, |row, (hash, rules)| {
        row.bind(hash.as_slice()).bind(rules.as_str())
    });
}
