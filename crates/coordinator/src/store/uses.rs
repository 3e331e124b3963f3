//! What may be used once, or only so often: nonces, blinded queries, quotas.

use std::collections::HashMap;

use ring::digest::{SHA256, digest};
use sqlx::Row;
use tacit_model::{MemberId, Ulid};
use tacit_store::{Conn, StoreError, Writes};

use super::{signed, subjects::Number, ulid, unsigned};

/// Most rows that one pruning removes, so that no commit takes long.
const PRUNED_AT_ONCE: i64 = 20_000;

/// A nonce of a requester, or a blinded query, by 16 bytes of a hash: two that differ can only be taken for the
/// same by who tried 2^64 of them, and then its own check is refused.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Once([u8; 16]);

impl Once {
    pub(crate) fn nonce(requester: &MemberId, nonce: &[u8; 16]) -> Self {
        // The nonce has a fixed length, so the two cannot run into each other.
        let hash = digest(&SHA256, &[nonce.as_slice(), requester.as_bytes()].concat());
        let mut once = [0; 16];
        once.iter_mut().zip(hash.as_ref()).for_each(|(to, from)| *to = *from);
        Self(once)
    }

    /// Of `b3("tacit v1 blinded query", M)`.
    pub(crate) fn query(hash: &[u8; 32]) -> Self {
        let mut once = [0; 16];
        once.copy_from_slice(&hash[..16]);
        Self(once)
    }
}

/// What one commit used.
pub(crate) struct UsedBy {
    /// Size of the log before it.
    pub(crate) log_size: u64,
    /// Until when it is remembered.
    pub(crate) until_ms: u64,
    pub(crate) values: Vec<Once>,
}

/// What commits used that found the log larger than `after` (all commits when there is none), as far as it is
/// still remembered.
pub(crate) async fn used_after(
    conn: &mut Conn,
    after: Option<u64>,
    now_ms: u64,
) -> Result<Vec<UsedBy>, StoreError> {
    let rows = sqlx::query(
        "SELECT log_size, until_ms, digests FROM used_once WHERE log_size > $1 AND until_ms >= $2 ORDER BY log_size",
    )
    .bind(after.map_or(-1, signed))
    .bind(signed(now_ms))
    .fetch_all(conn)
    .await?;
    rows.iter()
        .map(|row| {
            let digests: &[u8] = row.try_get(2)?;
            Ok(UsedBy {
                log_size: unsigned("used_once", "log_size", row.try_get(0)?)?,
                until_ms: unsigned("used_once", "until_ms", row.try_get(1)?)?,
                values: digests.as_chunks::<16>().0.iter().copied().map(Once).collect(),
            })
        })
        .collect()
}

/// Keeps what a commit used.
pub(crate) fn store_used(writes: &mut Writes, used: &UsedBy) {
    let digests: Vec<u8> = used.values.iter().flat_map(|Once(digest)| *digest).collect();
    writes.add("INSERT INTO used_once (log_size, until_ms, digests) VALUES (?, ?, ?)", |row| {
        row.bind(signed(used.log_size)).bind(signed(used.until_ms)).bind(digests)
    });
}

/// Permitted checks of one day, by pseudonym and agreement.
pub(crate) type SubjectUses = HashMap<(Number, Ulid), u64>;

/// Adds to the counts of `day`.
pub(crate) fn add_subject_uses(writes: &mut Writes, day: u64, added: &[((Number, Ulid), u64)]) {
    let into = "subject_use (day, subject, agreement, uses)";
    let again = "ON CONFLICT (day, subject, agreement) DO UPDATE SET uses = subject_use.uses + excluded.uses";
    writes.insert(into, 4, again, added, |row, ((subject, agreement), uses)| {
        row.bind(signed(day)).bind(subject.0).bind(agreement.to_string()).bind(signed(*uses))
    });
}

/// Permitted checks under an agreement: of a day, and of the newest minute in which there were any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct AgreementUses {
    pub(crate) day: u64,
    /// Which minute, since 1970-01-01, and how many.
    minute: (u64, u64),
}

impl AgreementUses {
    /// Those of a minute, which is the newest or one without any.
    pub(crate) fn in_minute(&self, minute: u64) -> u64 {
        if self.minute.0 == minute { self.minute.1 } else { 0 }
    }

    /// Counts more of them.
    pub(crate) fn add(&mut self, minute: u64, more: u64) {
        self.day += more;
        self.minute = (minute, self.in_minute(minute) + more);
    }
}

/// Permitted checks of `day` under each agreement.
pub(crate) async fn agreement_uses(
    conn: &mut Conn,
    day: u64,
) -> Result<HashMap<Ulid, AgreementUses>, StoreError> {
    let rows = sqlx::query("SELECT agreement, uses, minute, minute_uses FROM agreement_use WHERE day = $1")
        .bind(signed(day))
        .fetch_all(conn)
        .await?;
    rows.iter()
        .map(|row| {
            let agreement = ulid("agreement_use", "agreement", row.try_get(0)?)?;
            let number = |column, value: i64| unsigned("agreement_use", column, value);
            let minute = (number("minute", row.try_get(2)?)?, number("minute_uses", row.try_get(3)?)?);
            Ok((agreement, AgreementUses { day: number("uses", row.try_get(1)?)?, minute }))
        })
        .collect()
}

/// Adds to the counts of `day` and of `minute`, a minute of that day and none before the newest that was counted.
pub(crate) fn add_agreement_uses(writes: &mut Writes, day: u64, minute: u64, added: &[(Ulid, u64)]) {
    let into = "agreement_use (day, agreement, uses, minute, minute_uses)";
    let again = "ON CONFLICT (day, agreement) DO UPDATE SET uses = agreement_use.uses + excluded.uses, \
                 minute_uses = excluded.minute_uses + \
                 CASE WHEN agreement_use.minute = excluded.minute THEN agreement_use.minute_uses ELSE 0 END, \
                 minute = excluded.minute";
    writes.insert(into, 5, again, added, |row, (agreement, uses)| {
        let row = row.bind(signed(day)).bind(agreement.to_string()).bind(signed(*uses));
        row.bind(signed(minute)).bind(signed(*uses))
    });
}

/// Removes some of what the freshness window and the quotas of today no longer need; true when there is more.
pub(crate) async fn prune(conn: &mut Conn, now_ms: u64, today: u64) -> Result<bool, StoreError> {
    let once = "DELETE FROM used_once WHERE log_size IN \
                (SELECT log_size FROM used_once WHERE until_ms < $1 ORDER BY log_size LIMIT $2)";
    let subjects = "DELETE FROM subject_use WHERE (day, subject, agreement) IN \
                    (SELECT day, subject, agreement FROM subject_use WHERE day < $1 LIMIT $2)";
    let mut more = false;
    for (sql, before) in [(once, now_ms), (subjects, today)] {
        let removed = sqlx::query(sql).bind(signed(before)).bind(PRUNED_AT_ONCE).execute(&mut *conn).await?;
        more |= removed.rows_affected() == PRUNED_AT_ONCE.unsigned_abs();
    }
    sqlx::query("DELETE FROM agreement_use WHERE day < $1").bind(signed(today)).execute(&mut *conn).await?;
    Ok(more)
}

#[cfg(test)]
mod tests {
    use tacit_store::{Db, Reads};

    use super::*;
    use crate::store::{
        MIGRATIONS,
        openings::{self, Chain},
        subjects,
    };

    fn once(n: u8) -> Once {
        Once::query(&[n; 32])
    }

    #[tokio::test]
    async fn pruning_removes_what_is_over_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let url = tacit_store::conformance::url(folder.path(), "uses");
        let db = Db::open(&url, &MIGRATIONS).await.unwrap();
        let mut conn = db.write().await.unwrap();
        let mut writes = Writes::new(db.dialect());
        for (log_size, until_ms) in [(4, 99), (5, 100), (9, 101)] {
            let values = vec![once(u8::try_from(log_size).unwrap()), once(0)];
            store_used(&mut writes, &UsedBy { log_size, until_ms, values });
        }
        let subject = *subjects::number(&mut conn, &[[1; 32]]).await.unwrap().get(&[1; 32]).unwrap();
        let agreement = Ulid::from_parts(1, 1);
        for (day, minute) in [(6, 6 * 1440 + 1439), (7, 7 * 1440), (7, 7 * 1440), (7, 7 * 1440 + 2)] {
            add_subject_uses(&mut writes, day, &[((subject, agreement), 2)]);
            add_agreement_uses(&mut writes, day, minute, &[(agreement, 3)]);
        }
        add_agreement_uses(&mut writes, 7, 7 * 1440 + 2, &[(agreement, 1)]);
        openings::store_chains(&mut writes, &[(subject, Chain::empty([7; 32]).after(0, [8; 32]))]);
        writes.flush(&mut conn).await.unwrap();
        assert!(!prune(&mut conn, 100, 7).await.unwrap(), "there is no more to remove");
        let left = used_after(&mut conn, None, 0).await.unwrap();
        assert_eq!(left.iter().map(|used| used.log_size).collect::<Vec<_>>(), [5, 9]);
        assert!(left[1].values == [once(9), once(0)]);
        assert_eq!(used_after(&mut conn, Some(5), 0).await.unwrap().len(), 1);
        assert_eq!(used_after(&mut conn, None, 102).await.unwrap().len(), 0);
        let mut of_day = async |day| {
            let mut reads = Reads::new(db.dialect());
            let read = openings::read_chains_and_uses(&mut reads, &[subject], day);
            let rows = reads.fetch(&mut conn).await.unwrap().take(read);
            let (chains, uses) = openings::chains_and_uses(&rows).unwrap();
            assert_eq!(chains[&subject].sequence, 1);
            uses
        };
        assert!(of_day(6).await.is_empty());
        assert_eq!(of_day(7).await[&(subject, agreement)], 6);
        assert!(agreement_uses(&mut conn, 6).await.unwrap().is_empty());
        let uses = agreement_uses(&mut conn, 7).await.unwrap()[&agreement];
        let minutes = [0, 1, 2, 3].map(|minute| uses.in_minute(7 * 1440 + minute));
        assert_eq!((uses.day, minutes), (10, [0, 0, 4, 0]));
        // Memory counts as the table does.
        let mut remembered = AgreementUses::default();
        for (minute, more) in [(0, 3), (0, 3), (2, 3), (2, 1)] {
            remembered.add(7 * 1440 + minute, more);
        }
        assert_eq!(remembered, uses);
    }

    #[test]
    fn a_nonce_is_its_requesters_own() {
        let once = |requester: &str| Once::nonce(&requester.parse().unwrap(), &[1; 16]);
        assert!(once("tax") == once("tax"));
        assert!(once("tax") != once("court"));
        assert!(once("tax") != Once::nonce(&"tax".parse().unwrap(), &[2; 16]));
    }
}
