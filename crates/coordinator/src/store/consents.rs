//! Consents and their use.

use std::collections::{BTreeMap, HashMap};

use sqlx::{Row, any::AnyRow};
use tacit_model::{Millis, Ulid};
use tacit_store::{Conn, StoreError, Writes, bulk};

use super::{bytes32, signed, ulid, unsigned};

/// Most consents of one answer.
const MOST: usize = 2048;

/// A stored consent.
#[derive(Clone)]
pub(crate) struct StoredConsent {
    pub(crate) id: Ulid,
    pub(crate) authority: String,
    pub(crate) requester: String,
    pub(crate) pseudonym: [u8; 32],
    pub(crate) text: Vec<u8>,
    pub(crate) signature: Vec<u8>,
    pub(crate) state: String,
    pub(crate) number: u64,
    pub(crate) state_signature: Vec<u8>,
    /// Log index of the record of the present state.
    pub(crate) log_index: u64,
    /// Checks permitted under it so far.
    pub(crate) uses: u64,
}

macro_rules! columns {
    ($where:literal) => {
        concat!(
            "SELECT id, authority, requester, pseudonym, text, signature, state, number, state_signature, ",
            "log_index, (SELECT CAST(COALESCE(SUM(uses), 0) AS BIGINT) FROM consent_use WHERE consent = consent.id) ",
            "FROM consent WHERE ",
            $where
        )
    };
}

/// Consents by id.
pub(crate) async fn by_ids(
    conn: &mut Conn,
    ids: &[Ulid],
) -> Result<HashMap<Ulid, StoredConsent>, StoreError> {
    let rows = bulk::fetch(conn, columns!("id IN"), ids, |row, id| row.bind(id.to_string())).await?;
    rows.iter().map(|row| read(row).map(|consent| (consent.id, consent))).collect()
}

/// Consents under a requester's pseudonyms, ascending by id.
pub(crate) async fn by_pseudonyms(
    conn: &mut Conn,
    requester: &str,
    pseudonyms: &[[u8; 32]],
) -> Result<Vec<StoredConsent>, StoreError> {
    under(conn, columns!("requester = ? AND pseudonym IN"), requester, pseudonyms).await
}

/// What an authority stored, ascending by id: under these pseudonyms or, when none are named, all; in both cases
/// the newest 2048.
pub(crate) async fn by_authority(
    conn: &mut Conn,
    authority: &str,
    pseudonyms: &[[u8; 32]],
) -> Result<Vec<StoredConsent>, StoreError> {
    if !pseudonyms.is_empty() {
        return under(conn, columns!("authority = ? AND pseudonym IN"), authority, pseudonyms).await;
    }
    let mut rows = sqlx::query(columns!("authority = $1 ORDER BY id DESC LIMIT $2"))
        .bind(authority)
        .bind(i64::try_from(MOST).unwrap_or(i64::MAX))
        .fetch_all(conn)
        .await?;
    rows.reverse();
    rows.iter().map(read).collect()
}

async fn under(
    conn: &mut Conn,
    head: &'static str,
    member: &str,
    pseudonyms: &[[u8; 32]],
) -> Result<Vec<StoredConsent>, StoreError> {
    let rows = bulk::fetch_within(
        conn,
        head,
        |row| row.bind(member),
        pseudonyms,
        |row, pseudonym| row.bind(pseudonym.as_slice()),
    )
    .await?;
    let mut found = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    found.sort_by_key(|consent| consent.id);
    Ok(newest(found))
}

/// The last ones: an old consent may be dead, and the one that counts is among the newest.
fn newest(mut ascending: Vec<StoredConsent>) -> Vec<StoredConsent> {
    ascending.split_off(ascending.len().saturating_sub(MOST))
}

/// Stores a new consent.
pub(crate) async fn store(conn: &mut Conn, consent: &StoredConsent) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO consent (id, authority, requester, pseudonym, text, signature, state, number, \
         state_signature, log_index) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(consent.id.to_string())
    .bind(consent.authority.as_str())
    .bind(consent.requester.as_str())
    .bind(consent.pseudonym.as_slice())
    .bind(consent.text.as_slice())
    .bind(consent.signature.as_slice())
    .bind(consent.state.as_str())
    .bind(signed(consent.number))
    .bind(consent.state_signature.as_slice())
    .bind(signed(consent.log_index))
    .execute(conn)
    .await?;
    Ok(())
}

/// Moves a consent to its next state.
pub(crate) async fn change(conn: &mut Conn, next: &StoredConsent) -> Result<(), StoreError> {
    let changed = sqlx::query(
        "UPDATE consent SET state = $2, number = $3, state_signature = $4, log_index = $5 \
         WHERE id = $1 AND number < $3",
    )
    .bind(next.id.to_string())
    .bind(next.state.as_str())
    .bind(signed(next.number))
    .bind(next.state_signature.as_slice())
    .bind(signed(next.log_index))
    .execute(conn)
    .await?;
    if changed.rows_affected() != 1 {
        return Err(StoreError::corrupt("consent", "number", next.id, "did not rise"));
    }
    Ok(())
}

/// Uses of consents, each since its own moment; those that were not used are absent.
pub(crate) async fn uses_since(
    conn: &mut Conn,
    since: impl Iterator<Item = (Ulid, Millis)>,
) -> Result<HashMap<Ulid, u64>, StoreError> {
    // Windows are few: one statement for all consents with the same one.
    let mut windows = BTreeMap::<u64, Vec<Ulid>>::new();
    since.for_each(|(id, from)| windows.entry(from.0).or_default().push(id));
    let mut found = HashMap::new();
    for (from, ids) in windows {
        let head = "SELECT consent, uses FROM consent_use WHERE at_ms >= ? AND consent IN";
        let rows = bulk::fetch_within(
            conn,
            head,
            |row| row.bind(signed(from)),
            &ids,
            |row, id| row.bind(id.to_string()),
        );
        for row in rows.await? {
            let uses = unsigned("consent_use", "uses", row.try_get(1)?)?;
            *found.entry(ulid("consent_use", "consent", row.try_get(0)?)?).or_insert(0) += uses;
        }
    }
    Ok(found)
}

/// Counts uses.
pub(crate) fn add_uses(writes: &mut Writes, at_ms: u64, added: &[(Ulid, u64)]) {
    let into = "consent_use (consent, at_ms, uses)";
    let again = "ON CONFLICT (consent, at_ms) DO UPDATE SET uses = consent_use.uses + excluded.uses";
    writes.insert(into, 3, again, added, |row, (id, uses)| {
        row.bind(id.to_string()).bind(signed(at_ms)).bind(signed(*uses))
    });
}

fn read(row: &AnyRow) -> Result<StoredConsent, StoreError> {
    let id = ulid("consent", "id", row.try_get(0)?)?;
    Ok(StoredConsent {
        id,
        authority: row.try_get(1)?,
        requester: row.try_get(2)?,
        pseudonym: bytes32("consent", "pseudonym", id, row.try_get(3)?)?,
        text: row.try_get(4)?,
        signature: row.try_get(5)?,
        state: row.try_get(6)?,
        number: unsigned("consent", "number", row.try_get(7)?)?,
        state_signature: row.try_get(8)?,
        log_index: unsigned("consent", "log_index", row.try_get(9)?)?,
        uses: unsigned("consent_use", "uses", row.try_get(10)?)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_is_cut_keeps_the_newest_consents() {
        let consent = |number: u64| StoredConsent {
            id: Ulid::from_parts(number, 0),
            authority: String::new(),
            requester: String::new(),
            pseudonym: [0; 32],
            text: Vec::new(),
            signature: Vec::new(),
            state: "given".to_owned(),
            number: 1,
            state_signature: Vec::new(),
            log_index: 0,
            uses: 0,
        };
        let most = MOST as u64;
        let kept = newest((0..most + 3).map(consent).collect());
        assert_eq!(kept.len(), MOST);
        assert_eq!(kept[0].id, Ulid::from_parts(3, 0));
        assert_eq!(newest(vec![consent(1)]).len(), 1);
    }
}
