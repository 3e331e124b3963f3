//! Requests for consent. As with consents, the columns by which rows are selected repeat what the signed text says, and
//! every row that is read is compared with it.

use std::collections::HashMap;

use sqlx::{Any, Decode, Row, Type, any::AnyRow};
use tacit_model::{MemberId, Millis, Ulid};
use tacit_policy::{ConsentRequest, ConsentState};
use tacit_store::{Conn, StoreError, bulk};

use super::{carried, signed, ulid, unsigned};

/// Most requests of one answer.
const MOST: i64 = 2048;

const TABLE: &str = "consent_request";

/// What the subject decided, through its authority.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decided {
    /// Given, refused or expired.
    pub(crate) state: ConsentState,
    /// The authority's, over id, state and number 1.
    pub(crate) signature: [u8; 64],
    /// Log index of its record.
    pub(crate) log_index: u64,
}

/// A stored request.
#[derive(Clone)]
pub(crate) struct StoredRequest {
    /// What the text says, and the columns of the row no other.
    pub(crate) terms: ConsentRequest,
    /// Its exact bytes.
    pub(crate) text: Vec<u8>,
    /// The requester's, over the text.
    pub(crate) signature: [u8; 64],
    pub(crate) requested: Millis,
    /// It stands until then.
    pub(crate) until: Millis,
    /// Log index of the record of the request.
    pub(crate) log_index: u64,
    pub(crate) decided: Option<Decided>,
}

impl StoredRequest {
    /// Its state, whatever its time.
    pub(crate) fn state(&self) -> ConsentState {
        self.decided.map_or(ConsentState::Requested, |decided| decided.state)
    }
}

/// Columns in the order in which [`read`] takes them.
const COLUMNS: [&str; 12] = [
    "id",
    "authority",
    "requester",
    "pseudonym",
    "text",
    "signature",
    "requested_ms",
    "until_ms",
    "log_index",
    "state",
    "state_signature",
    "decided_index",
];

macro_rules! columns {
    ($where:literal) => {
        concat!(
            "SELECT id, authority, requester, pseudonym, text, signature, requested_ms, until_ms, log_index, state, ",
            "state_signature, decided_index FROM consent_request WHERE ",
            $where
        )
    };
}

/// Requests by id.
pub(crate) async fn by_ids(
    conn: &mut Conn,
    ids: &[Ulid],
) -> Result<HashMap<Ulid, StoredRequest>, StoreError> {
    let rows = bulk::fetch(conn, columns!("id IN"), ids, |row, id| row.bind(id.to_string())).await?;
    rows.iter().map(|row| read(row).map(|request| (request.terms.id, request))).collect()
}

/// Whose requests are listed.
#[derive(Clone, Copy)]
pub(crate) enum Of<'a> {
    /// Those that this member made.
    Requester(&'a MemberId),
    /// Those that name this one.
    Authority(&'a MemberId),
}

/// Requests, ascending by id: under these pseudonyms and those that they were carried from or to or, when none are
/// named, all; in both cases the newest 2048.
pub(crate) async fn list(
    conn: &mut Conn,
    of: Of<'_>,
    pseudonyms: &[[u8; 32]],
) -> Result<Vec<StoredRequest>, StoreError> {
    let (member, under, all) = match of {
        Of::Requester(member) => (
            member,
            columns!("requester = ? AND pseudonym IN"),
            columns!("requester = $1 ORDER BY id DESC LIMIT $2"),
        ),
        Of::Authority(member) => (
            member,
            columns!("authority = ? AND pseudonym IN"),
            columns!("authority = $1 ORDER BY id DESC LIMIT $2"),
        ),
    };
    let rows = if pseudonyms.is_empty() {
        sqlx::query(all).bind(member.as_str()).bind(MOST).fetch_all(conn).await?
    } else {
        let standing = carried::standing(conn, pseudonyms).await?;
        let name = |row: bulk::Row| row.bind(member.as_str());
        bulk::fetch_within(conn, under, name, &standing.all, |row, it| row.bind(it.as_slice())).await?
    };
    let mut found = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    found.sort_by_key(|request| request.terms.id);
    let most = usize::try_from(MOST).unwrap_or(usize::MAX);
    Ok(found.split_off(found.len().saturating_sub(most)))
}

/// When each of these requests was decided, by the log index of that record: record ids begin with their time.
pub(crate) async fn decided_at(
    conn: &mut Conn,
    requests: &[StoredRequest],
) -> Result<HashMap<u64, Millis>, StoreError> {
    let indexes: Vec<u64> = requests.iter().filter_map(|it| it.decided).map(|it| it.log_index).collect();
    let head = "SELECT idx, id FROM log_entry WHERE idx IN";
    let rows = bulk::fetch(conn, head, &indexes, |row, index| row.bind(signed(*index))).await?;
    let read = |row: &AnyRow| {
        let id = ulid("log_entry", "id", row.try_get(1)?)?;
        Ok((unsigned("log_entry", "idx", row.try_get(0)?)?, Millis(id.timestamp_ms())))
    };
    rows.iter().map(read).collect()
}

/// At most `most` requests ascending by id, after this one.
pub(crate) async fn after(
    conn: &mut Conn,
    after: Option<Ulid>,
    most: usize,
) -> Result<Vec<StoredRequest>, StoreError> {
    let rows = sqlx::query(columns!("id > $1 ORDER BY id LIMIT $2"))
        .bind(after.map(|id| id.to_string()).unwrap_or_default())
        .bind(i64::try_from(most).unwrap_or(i64::MAX))
        .fetch_all(conn)
        .await?;
    rows.iter().map(read).collect()
}

/// How many requests nobody has decided stand under a pseudonym and the others of its subject, and how many its
/// requester made since `since`.
pub(crate) async fn counts(
    conn: &mut Conn,
    new: &ConsentRequest,
    now: Millis,
    since: Millis,
) -> Result<(u64, u64), StoreError> {
    let mut open = 0;
    for pseudonym in &carried::standing(conn, &[new.pseudonym]).await?.all {
        let under: i64 = sqlx::query(
            "SELECT COUNT(*) FROM consent_request WHERE pseudonym = $1 AND state = 'requested' AND until_ms > $2",
        )
        .bind(pseudonym.as_slice())
        .bind(signed(now.0))
        .fetch_one(&mut *conn)
        .await?
        .try_get(0)?;
        open += under;
    }
    let made: i64 =
        sqlx::query("SELECT COUNT(*) FROM consent_request WHERE requester = $1 AND requested_ms >= $2")
            .bind(new.requester.as_str())
            .bind(signed(since.0))
            .fetch_one(conn)
            .await?
            .try_get(0)?;
    Ok((unsigned(TABLE, "count", open)?, unsigned(TABLE, "count", made)?))
}

/// Stores a new request.
pub(crate) async fn store(conn: &mut Conn, request: &StoredRequest) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO consent_request (id, authority, requester, pseudonym, text, signature, requested_ms, until_ms, \
         log_index, state) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'requested')",
    )
    .bind(request.terms.id.to_string())
    .bind(request.terms.authority.as_str())
    .bind(request.terms.requester.as_str())
    .bind(request.terms.pseudonym.as_slice())
    .bind(request.text.as_slice())
    .bind(request.signature.as_slice())
    .bind(signed(request.requested.0))
    .bind(signed(request.until.0))
    .bind(signed(request.log_index))
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes what was decided; once.
pub(crate) async fn decide(conn: &mut Conn, id: Ulid, decided: &Decided) -> Result<(), StoreError> {
    let changed = sqlx::query(
        "UPDATE consent_request SET state = $2, state_signature = $3, decided_index = $4 \
         WHERE id = $1 AND state = 'requested'",
    )
    .bind(id.to_string())
    .bind(decided.state.as_str())
    .bind(decided.signature.as_slice())
    .bind(signed(decided.log_index))
    .execute(conn)
    .await?;
    if changed.rows_affected() != 1 {
        return Err(StoreError::corrupt(TABLE, "state", id, "was decided before"));
    }
    Ok(())
}

/// A value of the column at `place`, or corrupt data.
fn value<'r, T: Decode<'r, Any> + Type<Any>>(
    row: &'r AnyRow,
    place: usize,
    id: impl ToString,
) -> Result<T, StoreError> {
    row.try_get(place)
        .map_err(|_| StoreError::corrupt(TABLE, COLUMNS[place], id, "is not of the column's type"))
}

fn number(row: &AnyRow, place: usize, id: Ulid) -> Result<u64, StoreError> {
    unsigned(TABLE, COLUMNS[place], value(row, place, id)?)
}

fn signature(bytes: &[u8], place: usize, id: Ulid) -> Result<[u8; 64], StoreError> {
    bytes.try_into().map_err(|_| StoreError::corrupt(TABLE, COLUMNS[place], id, "is not 64 bytes"))
}

fn read(row: &AnyRow) -> Result<StoredRequest, StoreError> {
    let id = ulid(TABLE, "id", value(row, 0, "of an id that is no text")?)?;
    let text: &[u8] = value(row, 4, id)?;
    let terms =
        ConsentRequest::parse(text).map_err(|_| StoreError::corrupt(TABLE, "text", id, "does not parse"))?;
    let requested = Millis(number(row, 6, id)?);
    let until = Millis(number(row, 7, id)?);
    let differs = [
        (0, terms.id != id),
        (1, terms.authority.as_str() != value::<&str>(row, 1, id)?),
        (2, terms.requester.as_str() != value::<&str>(row, 2, id)?),
        (3, terms.pseudonym.as_slice() != value::<&[u8]>(row, 3, id)?),
        (7, until != terms.stands_until(requested)),
    ];
    if let Some((place, _)) = differs.iter().find(|(_, differs)| *differs) {
        return Err(StoreError::corrupt(TABLE, COLUMNS[*place], id, "is not what the signed text says"));
    }
    let state: ConsentState = value::<&str>(row, 9, id)?
        .parse()
        .map_err(|_| StoreError::corrupt(TABLE, "state", id, "is not a state"))?;
    let decided = match (value::<Option<&[u8]>>(row, 10, id)?, value::<Option<i64>>(row, 11, id)?) {
        (None, None) if state == ConsentState::Requested => None,
        (Some(by), Some(index)) if state != ConsentState::Requested => Some(Decided {
            state,
            signature: signature(by, 10, id)?,
            log_index: unsigned(TABLE, "decided_index", index)?,
        }),
        _ => return Err(StoreError::corrupt(TABLE, "state", id, "does not fit what was decided")),
    };
    Ok(StoredRequest {
        terms,
        text: text.to_vec(),
        signature: signature(value(row, 5, id)?, 5, id)?,
        requested,
        until,
        log_index: number(row, 8, id)?,
        decided,
    })
}
