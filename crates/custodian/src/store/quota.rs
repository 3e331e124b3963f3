//! Evaluated subjects, and how many of them were new today.

use std::collections::HashSet;

use sqlx::Row;
use tacit_store::{Conn, StoreError, bulk};

use super::{signed, unsigned};

/// A batch that asks to be evaluated.
#[derive(Debug)]
pub(crate) struct Admit {
    /// `<role>/<member>` of who asks.
    pub(crate) asker: String,
    /// Whose key is to evaluate.
    pub(crate) requester: String,
    /// Pseudonym epoch of that key.
    pub(crate) epoch: u32,
    /// The requester's other epochs: who is known from one of them is not new.
    pub(crate) other_epochs: Vec<u32>,
    /// Hashes of the blinded subjects, all different.
    pub(crate) subjects: Vec<[u8; 32]>,
    /// New subjects that the asker may have on this day.
    pub(crate) cap: u64,
    /// UTC day, in days since 1970-01-01.
    pub(crate) day: u64,
    /// Member whose count of subjects is reported: who asks, for whichever requester.
    pub(crate) counted: String,
}

/// What was decided about a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    /// All of it may be evaluated.
    Admitted {
        /// How many of its subjects were new.
        new: u64,
    },
    /// It has more new subjects than remain today; nothing was counted.
    OverQuota {
        /// How many would have passed.
        remaining: u64,
    },
}

/// Decides a batch and counts it. Exact, because one writer does this inside its transaction.
pub(super) async fn admit(conn: &mut Conn, batch: &Admit) -> Result<Admission, StoreError> {
    let mut unknown: HashSet<[u8; 32]> = batch.subjects.iter().copied().collect();
    remove_known(conn, batch, batch.epoch, &mut unknown).await?;
    if unknown.is_empty() {
        return Ok(Admission::Admitted { new: 0 });
    }
    for &epoch in &batch.other_epochs {
        remove_known(conn, batch, epoch, &mut unknown).await?;
    }
    let new = unknown.len() as u64;
    let used = used_today(conn, &batch.asker, batch.day).await?;
    let remaining = batch.cap.saturating_sub(used);
    if new > remaining {
        return Ok(Admission::OverQuota { remaining });
    }
    bulk::insert(
        conn,
        "evaluated_subject (asker, requester, epoch, subject, day)",
        5,
        "ON CONFLICT (asker, requester, epoch, subject) DO NOTHING",
        &batch.subjects,
        |row, subject| {
            row.bind(batch.asker.as_str())
                .bind(batch.requester.as_str())
                .bind(i64::from(batch.epoch))
                .bind(subject.as_slice())
                .bind(signed(batch.day))
        },
    )
    .await?;
    if new == 0 {
        return Ok(Admission::Admitted { new });
    }
    sqlx::query(
        "INSERT INTO new_subjects (asker, day, requester, subjects) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (asker, day, requester) DO UPDATE SET subjects = new_subjects.subjects + excluded.subjects",
    )
    .bind(batch.asker.as_str())
    .bind(signed(batch.day))
    .bind(batch.requester.as_str())
    .bind(signed(new))
    .execute(&mut *conn)
    .await?;
    super::enrollment::add(conn, &batch.counted, batch.epoch, new).await?;
    Ok(Admission::Admitted { new })
}

/// New subjects that an asker had on a day, for whichever requester.
pub(crate) async fn used_today(conn: &mut Conn, asker: &str, day: u64) -> Result<u64, StoreError> {
    let used: i64 = sqlx::query(
        "SELECT CAST(COALESCE(SUM(subjects), 0) AS BIGINT) FROM new_subjects WHERE asker = $1 AND day = $2",
    )
    .bind(asker)
    .bind(signed(day))
    .fetch_one(conn)
    .await?
    .try_get(0)?;
    unsigned("new_subjects", "subjects", used)
}

/// Takes out those that the asker had evaluated in this epoch.
async fn remove_known(
    conn: &mut Conn,
    batch: &Admit,
    epoch: u32,
    unknown: &mut HashSet<[u8; 32]>,
) -> Result<(), StoreError> {
    let subjects: Vec<[u8; 32]> = unknown.iter().copied().collect();
    let head = "SELECT subject FROM evaluated_subject \
                WHERE asker = ? AND requester = ? AND epoch = ? AND subject IN";
    let rows = bulk::fetch_within(
        conn,
        head,
        |row| row.bind(batch.asker.as_str()).bind(batch.requester.as_str()).bind(i64::from(epoch)),
        &subjects,
        |row, subject| row.bind(subject.as_slice()),
    );
    for row in rows.await? {
        let subject: &[u8] = row.try_get(0)?;
        let known = <[u8; 32]>::try_from(subject).is_ok_and(|subject| unknown.remove(&subject));
        if !known {
            return Err(StoreError::corrupt("evaluated_subject", "subject", batch.day, "is not 32 bytes"));
        }
    }
    Ok(())
}
