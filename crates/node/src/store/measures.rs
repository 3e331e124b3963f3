//! Measures of this requester: `requester_measure`.

use futures::FutureExt as _;
use sqlx::{Row as _, any::AnyRow};
use tacit_client::{
    MeasureCounts, MeasureRow, MeasureState, MeasureStore, RowKey,
    store::{StoreTrouble, Stored},
};
use tacit_model::{Millis, Ulid};
use tacit_policy::letter::Letter;
use tacit_store::{Conn, Db, StoreError};

use super::{begin, bytes32, signed, unsigned};
use crate::redress::{Redress, RedressError};

/// The storage of measures in the node's database.
#[derive(Debug, Clone)]
pub struct MeasureTables {
    db: Db,
    letters: Redress,
}

impl MeasureTables {
    /// Over the node's database; letters about measures wait there with those of `letters`, over the same database.
    #[must_use]
    pub fn new(db: Db, letters: Redress) -> Self {
        Self { db, letters }
    }
}

fn trouble(error: impl std::error::Error + Send + Sync + 'static) -> StoreTrouble {
    StoreTrouble(Box::new(error))
}

const COLUMNS: &str =
    "SELECT key, version, made, id, state, next_ms, lift_by_ms, sealed FROM requester_measure";

/// Reads rows on a connection of its own.
macro_rules! rows {
    ($this:ident, $rest:literal $(, $bound:expr)*) => {
        async move {
            let sql = format!("{COLUMNS} {}", $rest);
            let mut conn = $this.db.read().await?;
            let rows = sqlx::query(sqlx::AssertSqlSafe(sql))$(.bind($bound))*.fetch_all(&mut *conn).await?;
            rows.iter().map(measure).collect::<Result<Vec<_>, StoreError>>()
        }
        .map(|outcome| outcome.map_err(trouble))
    };
}

impl MeasureStore for MeasureTables {
    fn insert(&self, row: MeasureRow) -> Stored<'_, MeasureRow> {
        async move {
            let outcome = async {
                let mut conn = self.db.write().await?;
                let mut tx = begin(&mut conn).await?;
                put_new(&mut tx, &row).await?;
                let standing = find(&mut tx, &row.key).await?;
                tx.commit().await?;
                standing.ok_or_else(|| StoreError::corrupt("requester_measure", "key", "", "is missing"))
            };
            outcome.await.map_err(trouble)
        }
        .boxed()
    }

    fn update(&self, row: MeasureRow, letter: Option<Letter>) -> Stored<'_, bool> {
        async move {
            let outcome = async {
                let mut conn = self.db.write().await?;
                let mut tx = begin(&mut conn).await?;
                let replaced = replace(&mut tx, &row).await?;
                if let Some(letter) = letter.filter(|_| replaced) {
                    self.letters.hand_over(&mut tx, None, &letter).await?;
                }
                tx.commit().await?;
                Ok::<_, RedressError>(replaced)
            };
            outcome.await.map_err(trouble)
        }
        .boxed()
    }

    fn by_key(&self, key: RowKey) -> Stored<'_, Option<MeasureRow>> {
        rows!(self, "WHERE key = $1", key.to_vec()).map(|rows| Ok(rows?.pop())).boxed()
    }

    fn by_id(&self, id: Ulid) -> Stored<'_, Option<MeasureRow>> {
        rows!(self, "WHERE id = $1", ulid_bytes(id)).map(|rows| Ok(rows?.pop())).boxed()
    }

    fn next(&self, now: Millis, limit: u32) -> Stored<'_, Vec<MeasureRow>> {
        rows!(self, "WHERE next_ms <= $1 ORDER BY next_ms LIMIT $2", signed(now.0), i64::from(limit)).boxed()
    }

    fn list(&self, all: bool, after: Ulid, limit: u32) -> Stored<'_, Vec<MeasureRow>> {
        let (after, limit, all) = (ulid_bytes(after), i64::from(limit), i64::from(all));
        rows!(
            self,
            "WHERE made > $1 AND ($2 = 1 OR state NOT IN ('refused', 'lifted', 'ended')) ORDER BY made LIMIT $3",
            after,
            all,
            limit
        )
        .boxed()
    }

    fn counts(&self, now: Millis) -> Stored<'_, MeasureCounts> {
        async move {
            let outcome = async {
                let mut conn = self.db.read().await?;
                counts(&mut conn, now).await
            };
            outcome.await.map_err(trouble)
        }
        .boxed()
    }
}

async fn put_new(conn: &mut Conn, row: &MeasureRow) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO requester_measure (key, version, made, id, state, next_ms, lift_by_ms, sealed) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (key) DO NOTHING",
    )
    .bind(row.key.as_slice())
    .bind(signed(row.version))
    .bind(ulid_bytes(row.made))
    .bind(row.id.map(ulid_bytes))
    .bind(row.state.as_str())
    .bind(row.next.map(|next| signed(next.0)))
    .bind(row.lift_by.map(|by| signed(by.0)))
    .bind(row.sealed.as_slice())
    .execute(conn)
    .await?;
    Ok(())
}

async fn replace(conn: &mut Conn, row: &MeasureRow) -> Result<bool, StoreError> {
    let replaced = sqlx::query(
        "UPDATE requester_measure SET version = $1, id = $2, state = $3, next_ms = $4, lift_by_ms = $5, sealed = $6 \
         WHERE key = $7 AND version = $8",
    )
    .bind(signed(row.version))
    .bind(row.id.map(ulid_bytes))
    .bind(row.state.as_str())
    .bind(row.next.map(|next| signed(next.0)))
    .bind(row.lift_by.map(|by| signed(by.0)))
    .bind(row.sealed.as_slice())
    .bind(row.key.as_slice())
    .bind(signed(row.version.saturating_sub(1)))
    .execute(conn)
    .await?;
    Ok(replaced.rows_affected() == 1)
}

async fn find(conn: &mut Conn, key: &RowKey) -> Result<Option<MeasureRow>, StoreError> {
    let sql = format!("{COLUMNS} WHERE key = $1");
    let row = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(key.as_slice()).fetch_optional(conn).await?;
    row.as_ref().map(measure).transpose()
}

async fn counts(conn: &mut Conn, now: Millis) -> Result<MeasureCounts, StoreError> {
    let rows = sqlx::query(
        "SELECT state, COUNT(*), COUNT(CASE WHEN lift_by_ms IS NULL THEN NULL ELSE 1 END), \
         COUNT(CASE WHEN lift_by_ms < $1 THEN 1 ELSE NULL END) FROM requester_measure \
         WHERE state NOT IN ('refused', 'lifted', 'ended') GROUP BY state",
    )
    .bind(signed(now.0))
    .fetch_all(conn)
    .await?;
    let mut counts = MeasureCounts::default();
    for row in &rows {
        let number = |column: usize| unsigned::<u64>("requester_measure", "state", row.try_get(column)?);
        match state(row.try_get(0)?)? {
            MeasureState::Standing => counts.standing += number(1)?,
            MeasureState::Unconfirmed => counts.unconfirmed += number(1)?,
            _ => {}
        }
        counts.due += number(2)?;
        counts.overdue += number(3)?;
    }
    Ok(counts)
}

fn measure(row: &AnyRow) -> Result<MeasureRow, StoreError> {
    let time = |column: usize, name| -> Result<Option<Millis>, StoreError> {
        let value = row.try_get::<Option<i64>, _>(column)?;
        Ok(value.map(|value| unsigned("requester_measure", name, value)).transpose()?.map(Millis))
    };
    let id = row.try_get::<Option<Vec<u8>>, _>(3)?;
    Ok(MeasureRow {
        key: bytes32("requester_measure", "key", "", &row.try_get::<Vec<u8>, _>(0)?)?,
        version: unsigned("requester_measure", "version", row.try_get(1)?)?,
        made: ulid("made", &row.try_get::<Vec<u8>, _>(2)?)?,
        id: id.map(|id| ulid("id", &id)).transpose()?,
        state: state(row.try_get(4)?)?,
        next: time(5, "next_ms")?,
        lift_by: time(6, "lift_by_ms")?,
        sealed: row.try_get(7)?,
    })
}

fn state(word: &str) -> Result<MeasureState, StoreError> {
    let found = MeasureState::ALL.into_iter().find(|state| state.as_str() == word);
    found.ok_or_else(|| StoreError::corrupt("requester_measure", "state", word, "is no state"))
}

fn ulid(column: &'static str, bytes: &[u8]) -> Result<Ulid, StoreError> {
    let bytes = bytes.try_into();
    bytes
        .map(|bytes| Ulid(u128::from_be_bytes(bytes)))
        .map_err(|_| StoreError::corrupt("requester_measure", column, "", "is not 16 bytes"))
}

/// A ULID as it is stored: sixteen bytes that sort like it.
fn ulid_bytes(id: Ulid) -> Vec<u8> {
    id.0.to_be_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tacit_model::ManualClock;
    use tacit_policy::letter::{Body, ListingConsent, Whom};

    use super::*;

    fn row(n: u8, state: MeasureState, next: Option<u64>) -> MeasureRow {
        MeasureRow {
            key: [n; 32],
            version: 1,
            made: Ulid(u128::from(n)),
            id: None,
            state,
            next: next.map(Millis),
            lift_by: None,
            sealed: vec![n; 40],
        }
    }

    fn letter(id: u128) -> Letter {
        let about = Whom { scheme: "CN-USCC".to_owned(), code: "91350100M000100Y43".to_owned() };
        let list = "court/defaulters".parse().unwrap();
        let body = Body::ListingConsent(ListingConsent { list, given: true });
        Letter::new(Ulid(id), None, Millis(1), about, body)
    }

    #[tokio::test]
    async fn one_measure_stands_under_a_key_and_one_of_two_changes_is_made() {
        let dir = tempfile::tempdir().unwrap();
        let url = tacit_store::conformance::url(dir.path(), "node");
        let db = crate::store::open(&url).await.unwrap();
        let (registry, clock) = (Arc::new(crate::gateway::testing::registry()), ManualClock::new(Millis(1)));
        let letters = Redress::new(db.clone(), &[1; 32], registry, "court".parse().unwrap(), Arc::new(clock));
        let tables = MeasureTables::new(db, letters.clone());
        let first = row(1, MeasureState::Sent, Some(100));
        assert_eq!(tables.insert(first.clone()).await.unwrap(), first);
        let other = MeasureRow { made: Ulid(9), sealed: vec![9], ..first.clone() };
        assert_eq!(tables.insert(other).await.unwrap(), first);

        let standing =
            MeasureRow { version: 2, id: Some(Ulid(7)), state: MeasureState::Standing, ..first.clone() };
        assert!(tables.update(standing.clone(), Some(letter(5))).await.unwrap());
        let late = MeasureRow { version: 2, state: MeasureState::Refused, ..first };
        assert!(!tables.update(late, Some(letter(6))).await.unwrap());
        // The letter of the change that was made waits, and no other.
        assert_eq!(letters.waiting(&[Ulid(5), Ulid(6)]).await.unwrap(), 1);
        assert_eq!(letters.waiting(&[Ulid(5)]).await.unwrap(), 1);
        assert_eq!(tables.by_key([1; 32]).await.unwrap(), Some(standing.clone()));
        assert_eq!(tables.by_id(Ulid(7)).await.unwrap(), Some(standing.clone()));
        assert_eq!(
            (tables.by_key([2; 32]).await.unwrap(), tables.by_id(Ulid(1)).await.unwrap()),
            (None, None)
        );

        let due = MeasureRow { lift_by: Some(Millis(500)), ..row(2, MeasureState::Due, None) };
        for row in [due, row(3, MeasureState::Unconfirmed, Some(50)), row(4, MeasureState::Lifted, None)] {
            tables.insert(row).await.unwrap();
        }
        let made = |rows: Vec<MeasureRow>| rows.iter().map(|row| row.made.0).collect::<Vec<_>>();
        assert_eq!(made(tables.next(Millis(99), 10).await.unwrap()), [3]);
        assert_eq!(made(tables.next(Millis(100), 10).await.unwrap()), [3, 1]);
        assert_eq!(made(tables.next(Millis(100), 1).await.unwrap()), [3]);
        assert_eq!(made(tables.list(false, Ulid(0), 10).await.unwrap()), [1, 2, 3]);
        assert_eq!(made(tables.list(true, Ulid(1), 2).await.unwrap()), [2, 3]);
        assert_eq!(made(tables.list(true, Ulid(3), 9).await.unwrap()), [4]);
        let counts = MeasureCounts { standing: 1, unconfirmed: 1, due: 1, overdue: 0 };
        assert_eq!(tables.counts(Millis(500)).await.unwrap(), counts);
        assert_eq!(tables.counts(Millis(501)).await.unwrap(), MeasureCounts { overdue: 1, ..counts });
    }
}
