//! What may be used once, or only so often: nonces, blinded queries, quotas.

use std::collections::{HashMap, HashSet};

use sqlx::Row;
use tacit_model::{MemberId, Ulid};
use tacit_store::{Conn, StoreError, bulk};

use super::{bytes32, signed, ulid, unsigned};

/// Most rows that one pruning removes, so that no commit takes long.
const PRUNED_AT_ONCE: i64 = 20_000;

/// A nonce of a requester, or the hash of a blinded query.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Once(Vec<u8>);

impl Once {
    pub(crate) fn nonce(requester: &MemberId, nonce: &[u8; 16]) -> Self {
        Self([b"n", requester.as_bytes(), nonce].concat())
    }

    pub(crate) fn query(hash: &[u8; 32]) -> Self {
        Self([b"q".as_slice(), hash].concat())
    }
}

/// Marks values as used until `until_ms`, in the commit that found the log at `log_size`. Returns those that
/// an earlier commit of the window had used.
pub(crate) async fn use_once(
    conn: &mut Conn,
    values: &[Once],
    until_ms: u64,
    log_size: u64,
) -> Result<HashSet<Once>, StoreError> {
    let into = "used_once (value, until_ms, log_size)";
    let written = bulk::insert(conn, into, 3, "ON CONFLICT DO NOTHING", values, |row, Once(value)| {
        row.bind(value.as_slice()).bind(signed(until_ms)).bind(signed(log_size))
    })
    .await?;
    // Nearly always everything is new, and nothing has to be read.
    if written == values.len() as u64 {
        return Ok(HashSet::new());
    }
    let head = "SELECT value, log_size FROM used_once WHERE value IN";
    let mut earlier = HashSet::new();
    for row in bulk::fetch(conn, head, values, |row, Once(value)| row.bind(value.as_slice())).await? {
        if row.try_get::<i64, _>(1)? != signed(log_size) {
            earlier.insert(Once(row.try_get(0)?));
        }
    }
    Ok(earlier)
}

/// Permitted checks of one day, by pseudonym and agreement.
pub(crate) type SubjectUses = HashMap<([u8; 32], Ulid), u64>;

/// Counts of `day` for these pseudonyms.
pub(crate) async fn subject_uses(
    conn: &mut Conn,
    pseudonyms: &[[u8; 32]],
    day: u64,
) -> Result<SubjectUses, StoreError> {
    let head = "SELECT pseudonym, agreement, uses FROM subject_use WHERE day = ? AND pseudonym IN";
    let first = |row: bulk::Row<'_>| row.bind(signed(day));
    let key = |row: bulk::Row<'_>, pseudonym: &[u8; 32]| row.bind(pseudonym.to_vec());
    let rows = bulk::fetch_within(conn, head, first, pseudonyms, key).await?;
    rows.iter()
        .map(|row| {
            let pseudonym = bytes32("subject_use", "pseudonym", "", row.try_get(0)?)?;
            let agreement = ulid("subject_use", "agreement", row.try_get(1)?)?;
            Ok(((pseudonym, agreement), unsigned("subject_use", "uses", row.try_get(2)?)?))
        })
        .collect()
}

/// Adds to the counts of `day`.
pub(crate) async fn add_subject_uses(
    conn: &mut Conn,
    day: u64,
    added: &[(([u8; 32], Ulid), u64)],
) -> Result<(), StoreError> {
    let into = "subject_use (day, pseudonym, agreement, uses)";
    let again =
        "ON CONFLICT (day, pseudonym, agreement) DO UPDATE SET uses = subject_use.uses + excluded.uses";
    bulk::insert(conn, into, 4, again, added, |row, ((pseudonym, agreement), uses)| {
        row.bind(signed(day)).bind(pseudonym.as_slice()).bind(agreement.to_string()).bind(signed(*uses))
    })
    .await?;
    Ok(())
}

/// Permitted checks of `day` under each agreement.
pub(crate) async fn agreement_uses(conn: &mut Conn, day: u64) -> Result<HashMap<Ulid, u64>, StoreError> {
    let rows = sqlx::query("SELECT agreement, uses FROM agreement_use WHERE day = $1")
        .bind(signed(day))
        .fetch_all(conn)
        .await?;
    rows.iter()
        .map(|row| {
            let agreement = ulid("agreement_use", "agreement", row.try_get(0)?)?;
            Ok((agreement, unsigned("agreement_use", "uses", row.try_get(1)?)?))
        })
        .collect()
}

/// Adds to the counts of `day`.
pub(crate) async fn add_agreement_uses(
    conn: &mut Conn,
    day: u64,
    added: &[(Ulid, u64)],
) -> Result<(), StoreError> {
    let into = "agreement_use (day, agreement, uses)";
    let again = "ON CONFLICT (day, agreement) DO UPDATE SET uses = agreement_use.uses + excluded.uses";
    bulk::insert(conn, into, 3, again, added, |row, (agreement, uses)| {
        row.bind(signed(day)).bind(agreement.to_string()).bind(signed(*uses))
    })
    .await?;
    Ok(())
}

/// Removes some of what the freshness window and the quotas of today no longer need; true when there is more.
pub(crate) async fn prune(conn: &mut Conn, now_ms: u64, today: u64) -> Result<bool, StoreError> {
    let once = "DELETE FROM used_once WHERE value IN \
                (SELECT value FROM used_once WHERE until_ms < $1 ORDER BY until_ms LIMIT $2)";
    let subjects = "DELETE FROM subject_use WHERE (day, pseudonym, agreement) IN \
                    (SELECT day, pseudonym, agreement FROM subject_use WHERE day < $1 LIMIT $2)";
    let mut more = false;
    for (sql, before) in [(once, now_ms), (subjects, today)] {
        let removed = sqlx::query(sql).bind(signed(before)).bind(PRUNED_AT_ONCE).execute(&mut *conn).await?;
        more |= removed.rows_affected() == PRUNED_AT_ONCE.unsigned_abs();
    }
    sqlx::query("DELETE FROM agreement_use WHERE day < $1").bind(signed(today)).execute(&mut *conn).await?;
    Ok(more)
}
