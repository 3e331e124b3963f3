//! Consents and their use.
//!
//! The columns by which rows are selected repeat what the signed text in the row says. Every row that is read is parsed
//! and compared, and what it says is taken from the text.

use std::collections::{BTreeMap, HashMap};

use sqlx::{Any, Decode, Row, Type, any::AnyRow};
use tacit_model::{MemberId, Millis, Ulid};
use tacit_policy::{Consent, ConsentState};
use tacit_store::{Conn, StoreError, Writes, bulk};
use tokio_stream::StreamExt;

use super::{
    carried::{self, Standing},
    signed, ulid, unsigned,
};

/// Most consents of one answer.
const MOST: usize = 2048;

/// A stored consent.
#[derive(Clone)]
pub(crate) struct StoredConsent {
    /// What the text says, and the columns of the row no other.
    pub(crate) terms: Consent,
    /// Its exact bytes.
    pub(crate) text: Vec<u8>,
    /// The authority's, over the text.
    pub(crate) signature: [u8; 64],
    pub(crate) state: ConsentState,
    pub(crate) number: u64,
    /// The authority's, over id, state and number.
    pub(crate) state_signature: [u8; 64],
    /// Log index of the record of the present state.
    pub(crate) log_index: u64,
    /// Checks permitted under it so far.
    pub(crate) uses: u64,
    /// The newest pseudonym that its subject was carried to, where that is told.
    pub(crate) carried_to: Option<[u8; 32]>,
}

impl StoredConsent {
    /// Notes where its subject was carried to.
    pub(crate) fn tell(&mut self, standing: &Standing) {
        let newest = standing.newest.get(&self.terms.pseudonym).copied();
        self.carried_to = newest.filter(|newest| *newest != self.terms.pseudonym);
    }
}

/// Columns in the order in which [`read`] takes them; the uses follow.
const COLUMNS: [&str; 10] = [
    "id",
    "authority",
    "requester",
    "pseudonym",
    "text",
    "signature",
    "state",
    "number",
    "state_signature",
    "log_index",
];

macro_rules! columns {
    ($where:literal) => {
        columns!(
            "(SELECT CAST(COALESCE(SUM(uses), 0) AS BIGINT) FROM consent_use WHERE consent = consent.id)",
            $where
        )
    };
    ($uses:literal, $where:literal) => {
        concat!(
            "SELECT id, authority, requester, pseudonym, text, signature, state, number, state_signature, ",
            "log_index, ",
            $uses,
            " FROM consent WHERE ",
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
    rows.iter().map(|row| read(row).map(|consent| (consent.terms.id, consent))).collect()
}

/// Consents under a requester's pseudonyms and those that they were carried from or to, ascending by id.
pub(crate) async fn by_pseudonyms(
    conn: &mut Conn,
    requester: &str,
    pseudonyms: &[[u8; 32]],
) -> Result<Vec<StoredConsent>, StoreError> {
    under(conn, columns!("requester = ? AND pseudonym IN"), requester, pseudonyms).await
}

/// What an authority stored, ascending by id: under these pseudonyms and those that they were carried from or to or,
/// when none are named, all; in both cases the newest 2048.
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
    let standing = carried::standing(conn, pseudonyms).await?;
    let rows = bulk::fetch_within(
        conn,
        head,
        |row| row.bind(member),
        &standing.all,
        |row, pseudonym| row.bind(pseudonym.as_slice()),
    )
    .await?;
    let mut found = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    for consent in &mut found {
        consent.tell(&standing);
    }
    found.sort_by_key(|consent| consent.terms.id);
    Ok(newest(found))
}

/// The last ones: an old consent may be dead, and the one that counts is among the newest.
fn newest<T>(mut ascending: Vec<T>) -> Vec<T> {
    ascending.split_off(ascending.len().saturating_sub(MOST))
}

/// Whether another authority has a consent under this pseudonym, or under another of its subject.
pub(crate) async fn has_others(
    conn: &mut Conn,
    pseudonym: &[u8; 32],
    authority: &MemberId,
) -> Result<bool, StoreError> {
    let standing = carried::standing(conn, &[*pseudonym]).await?;
    for pseudonym in &standing.all {
        let row = sqlx::query("SELECT COUNT(*) FROM consent WHERE pseudonym = $1 AND authority <> $2")
            .bind(pseudonym.as_slice())
            .bind(authority.as_str())
            .fetch_one(&mut *conn)
            .await?;
        if row.try_get::<i64, _>(0)? > 0 {
            return Ok(true);
        }
    }
    Ok(false)
}

/// At most `most` consents ascending by id, after this one; `uses` is left at 0.
pub(crate) async fn after(
    conn: &mut Conn,
    after: Option<Ulid>,
    most: usize,
) -> Result<Vec<StoredConsent>, StoreError> {
    let mut rows = sqlx::query(columns!("CAST(0 AS BIGINT)", "id > $1 ORDER BY id LIMIT $2"))
        .bind(after.map(|id| id.to_string()).unwrap_or_default())
        .bind(i64::try_from(most).unwrap_or(i64::MAX))
        .fetch(conn);
    let mut found: Vec<StoredConsent> = Vec::with_capacity(most);
    while let Some(row) = rows.next().await {
        let row = row.map_err(|error| match error {
            // Text that is none, or a type that no column has. Which row it is can be told by the one before only.
            sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. } | sqlx::Error::AnyDriverError(_) => {
                let before = found.last().map(|consent| consent.terms.id).or(after);
                let before = before.map_or_else(|| "the first".to_owned(), |id| format!("after {id}"));
                StoreError::corrupt("consent", "*", before, "cannot be read")
            }
            error => error.into(),
        })?;
        found.push(read(&row)?);
    }
    Ok(found)
}

/// Consents whose present state was recorded at an index from `from` to below `to`, ascending by it, at most 2048;
/// `uses` is left at 0.
pub(crate) async fn changed(conn: &mut Conn, from: u64, to: u64) -> Result<Vec<StoredConsent>, StoreError> {
    let select =
        columns!("CAST(0 AS BIGINT)", "log_index >= $1 AND log_index < $2 ORDER BY log_index LIMIT $3");
    let rows = sqlx::query(select)
        .bind(signed(from))
        .bind(signed(to))
        .bind(i64::try_from(MOST).unwrap_or(i64::MAX))
        .fetch_all(&mut *conn)
        .await?;
    let mut found = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let pseudonyms: Vec<[u8; 32]> = found.iter().map(|consent| consent.terms.pseudonym).collect();
    if !found.is_empty() {
        let standing = carried::standing(conn, &pseudonyms).await?;
        found.iter_mut().for_each(|consent| consent.tell(&standing));
    }
    Ok(found)
}

/// Stores a new consent.
pub(crate) async fn store(conn: &mut Conn, consent: &StoredConsent) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO consent (id, authority, requester, pseudonym, text, signature, state, number, \
         state_signature, log_index) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(consent.terms.id.to_string())
    .bind(consent.terms.authority.as_str())
    .bind(consent.terms.requester.as_str())
    .bind(consent.terms.pseudonym.as_slice())
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

/// Moves a consent to its next state, and to the text that a renewal brought.
pub(crate) async fn change(conn: &mut Conn, next: &StoredConsent) -> Result<(), StoreError> {
    let changed = sqlx::query(
        "UPDATE consent SET state = $2, number = $3, state_signature = $4, log_index = $5, text = $6, signature = $7 \
         WHERE id = $1 AND number < $3",
    )
    .bind(next.terms.id.to_string())
    .bind(next.state.as_str())
    .bind(signed(next.number))
    .bind(next.state_signature.as_slice())
    .bind(signed(next.log_index))
    .bind(next.text.as_slice())
    .bind(next.signature.as_slice())
    .execute(conn)
    .await?;
    if changed.rows_affected() != 1 {
        return Err(StoreError::corrupt("consent", "number", next.terms.id, "did not rise"));
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

/// A value of the column at `place`, or corrupt data.
fn value<'r, T: Decode<'r, Any> + Type<Any>>(
    row: &'r AnyRow,
    place: usize,
    id: impl ToString,
) -> Result<T, StoreError> {
    row.try_get(place)
        .map_err(|_| StoreError::corrupt("consent", COLUMNS[place], id, "is not of the column's type"))
}

fn signature(row: &AnyRow, place: usize, id: Ulid) -> Result<[u8; 64], StoreError> {
    let bytes: &[u8] = value(row, place, id)?;
    bytes.try_into().map_err(|_| StoreError::corrupt("consent", COLUMNS[place], id, "is not 64 bytes"))
}

fn read(row: &AnyRow) -> Result<StoredConsent, StoreError> {
    let id = ulid("consent", "id", value(row, 0, "of an id that is no text")?)?;
    let text: &[u8] = value(row, 4, id)?;
    let terms =
        Consent::parse(text).map_err(|_| StoreError::corrupt("consent", "text", id, "does not parse"))?;
    let differs = [
        terms.id != id,
        terms.authority.as_str() != value::<&str>(row, 1, id)?,
        terms.requester.as_str() != value::<&str>(row, 2, id)?,
        terms.pseudonym.as_slice() != value::<&[u8]>(row, 3, id)?,
    ];
    if let Some(place) = differs.iter().position(|differs| *differs) {
        return Err(StoreError::corrupt("consent", COLUMNS[place], id, "is not what the signed text says"));
    }
    let state = value::<&str>(row, 6, id)?.parse();
    Ok(StoredConsent {
        terms,
        text: text.to_vec(),
        signature: signature(row, 5, id)?,
        state: state.map_err(|_| StoreError::corrupt("consent", "state", id, "is not a state"))?,
        number: unsigned("consent", "number", value(row, 7, id)?)?,
        state_signature: signature(row, 8, id)?,
        log_index: unsigned("consent", "log_index", value(row, 9, id)?)?,
        uses: unsigned("consent_use", "uses", row.try_get(10)?)?,
        carried_to: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_is_cut_keeps_the_newest_consents() {
        let kept = newest((0..MOST + 3).collect());
        assert_eq!((kept.len(), kept[0]), (MOST, 3));
        assert_eq!(newest(vec![1]).len(), 1);
    }
}
