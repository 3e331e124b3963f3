//! Letters: who handed which one in, for whom. The sealed bytes are in the openings of their records.

use sqlx::{Row, any::AnyRow};
use tacit_model::{MemberId, Millis};
use tacit_store::{Conn, StoreError};

use super::{bytes32, signed, subjects::Number, unsigned};

const TABLE: &str = "letter";

/// A letter as its record says it, and about whom.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct StoredLetter {
    /// Log index of its record.
    pub(crate) log_index: u64,
    /// Hash of the sealed bytes.
    pub(crate) letter: [u8; 32],
    pub(crate) sender: MemberId,
    /// Whose pseudonym it is about.
    pub(crate) member: MemberId,
    /// Time of its record.
    pub(crate) posted: Millis,
    /// About whom; none once that was erased.
    pub(crate) about: Option<About>,
}

/// Whose chain has the record, and under which pseudonym it opens.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct About {
    pub(crate) subject: Number,
    /// T.
    pub(crate) pseudonym: [u8; 32],
}

macro_rules! columns {
    ($where:literal) => {
        concat!(
            "SELECT log_index, letter, sender, member, posted_ms, subject, pseudonym FROM letter WHERE ",
            $where
        )
    };
}

/// The letter of this hash.
pub(crate) async fn by_hash(conn: &mut Conn, letter: &[u8; 32]) -> Result<Option<StoredLetter>, StoreError> {
    let query = sqlx::query(columns!("letter = $1")).bind(letter.as_slice());
    query.fetch_optional(conn).await?.as_ref().map(read).transpose()
}

/// The letter with this record.
pub(crate) async fn by_index(conn: &mut Conn, log_index: u64) -> Result<Option<StoredLetter>, StoreError> {
    let query = sqlx::query(columns!("log_index = $1")).bind(signed(log_index));
    query.fetch_optional(conn).await?.as_ref().map(read).transpose()
}

/// Letters that others wrote to a member, ascending from a log index on; what was erased is left out.
pub(crate) async fn for_member(
    conn: &mut Conn,
    member: &MemberId,
    from: u64,
    most: u32,
) -> Result<Vec<StoredLetter>, StoreError> {
    let text = columns!(
        "member = $1 AND log_index >= $2 AND sender <> member AND subject IS NOT NULL ORDER BY log_index LIMIT $3"
    );
    let query = sqlx::query(text).bind(member.as_str()).bind(signed(from)).bind(i64::from(most));
    query.fetch_all(conn).await?.iter().map(read).collect()
}

/// At most `most` letters ascending from a log index on.
pub(crate) async fn from_index(
    conn: &mut Conn,
    from: u64,
    most: usize,
) -> Result<Vec<StoredLetter>, StoreError> {
    let query = sqlx::query(columns!("log_index >= $1 ORDER BY log_index LIMIT $2"))
        .bind(signed(from))
        .bind(i64::try_from(most).unwrap_or(i64::MAX));
    query.fetch_all(conn).await?.iter().map(read).collect()
}

/// How many letters a member handed in since `since`, and how many of them about this subject.
pub(crate) async fn counts(
    conn: &mut Conn,
    sender: &MemberId,
    subject: Number,
    since: Millis,
) -> Result<(u64, u64), StoreError> {
    let all = sqlx::query("SELECT COUNT(*) FROM letter WHERE sender = $1 AND posted_ms >= $2")
        .bind(sender.as_str())
        .bind(signed(since.0))
        .fetch_one(&mut *conn)
        .await?;
    let about =
        sqlx::query("SELECT COUNT(*) FROM letter WHERE subject = $1 AND posted_ms >= $2 AND sender = $3")
            .bind(subject.0)
            .bind(signed(since.0))
            .bind(sender.as_str())
            .fetch_one(conn)
            .await?;
    Ok((unsigned(TABLE, "count", all.try_get(0)?)?, unsigned(TABLE, "count", about.try_get(0)?)?))
}

/// Stores a new letter.
pub(crate) async fn store(conn: &mut Conn, new: &StoredLetter) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO letter (log_index, letter, sender, member, posted_ms, subject, pseudonym) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(signed(new.log_index))
    .bind(new.letter.as_slice())
    .bind(new.sender.as_str())
    .bind(new.member.as_str())
    .bind(signed(new.posted.0))
    .bind(new.about.map(|about| about.subject.0))
    .bind(new.about.as_ref().map(|about| about.pseudonym.as_slice()))
    .execute(conn)
    .await?;
    Ok(())
}

/// Forgets about whom the letters of a subject were. Part of an erasure.
pub(crate) async fn forget(conn: &mut Conn, subject: Number) -> Result<(), StoreError> {
    sqlx::query("UPDATE letter SET subject = NULL, pseudonym = NULL WHERE subject = $1")
        .bind(subject.0)
        .execute(conn)
        .await?;
    Ok(())
}

fn read(row: &AnyRow) -> Result<StoredLetter, StoreError> {
    let log_index = unsigned(TABLE, "log_index", row.try_get(0)?)?;
    let member = |column: &'static str, text: &str| {
        text.parse().map_err(|_| StoreError::corrupt(TABLE, column, log_index, "is no member"))
    };
    let about = match (row.try_get::<Option<i64>, _>(5)?, row.try_get::<Option<&[u8]>, _>(6)?) {
        (Some(subject), Some(pseudonym)) => Some(About {
            subject: Number(subject),
            pseudonym: bytes32(TABLE, "pseudonym", log_index, pseudonym)?,
        }),
        (None, None) => None,
        _ => return Err(StoreError::corrupt(TABLE, "subject", log_index, "does not fit the pseudonym")),
    };
    Ok(StoredLetter {
        log_index,
        letter: bytes32(TABLE, "letter", log_index, row.try_get(1)?)?,
        sender: member("sender", row.try_get(2)?)?,
        member: member("member", row.try_get(3)?)?,
        posted: Millis(unsigned(TABLE, "posted_ms", row.try_get(4)?)?),
        about,
    })
}
