//! The authority's users, and what is stored about one of them. Nobody outside is asked.

use std::sync::Arc;

use rand_core::CryptoRng;
use tacit_client::{Kind, RowKey};
use tacit_model::{Millis, SubjectCode};
use tacit_store::{Db, StoreError};

use crate::{
    consents::OwnChange,
    index::Index,
    reading::ReadingError,
    redress::Outgoing,
    sealed::{Chain, Entry, Rows, User},
    store::{chains, consents, letters, users},
};

/// A user. Clones of the table share everything.
#[derive(Clone)]
pub(crate) struct Users {
    pub(crate) db: Db,
    pub(crate) rows: Arc<Rows>,
    pub(crate) index: Index,
}

/// A chain with its records, oldest first.
pub(crate) type Kept = (Chain, Vec<Entry>);

impl Users {
    /// Finds a user, or makes one: since when, and whether it is new. Evaluated and read later, with all the others.
    pub(crate) async fn enroll(
        &self,
        code: &SubjectCode,
        now: Millis,
        rng: &mut impl CryptoRng,
    ) -> Result<(RowKey, Millis, bool), ReadingError> {
        let key = self.rows.user(code);
        if let Some(since) = users::since(&mut *self.db.read().await?, &key).await? {
            return Ok((key, since, false));
        }
        let user = User { scheme: code.scheme().to_owned(), code: code.expose_code().to_owned() };
        let row = users::UserRow { key, sealed: self.rows.seal(Kind::User, &key, &user, rng)? };
        let new = users::add(&mut *self.db.write().await?, &row, now).await?;
        Ok((key, now, new))
    }

    /// Everything stored about a user.
    pub(crate) async fn kept(&self, user: &RowKey) -> Result<Vec<Kept>, ReadingError> {
        let mut conn = self.db.read().await?;
        let mut kept = Vec::new();
        for row in chains::of_user(&mut conn, user).await? {
            let chain: Chain = self.rows.open(Kind::Chain, &row.key, &row.sealed)?;
            let mut entries = Vec::new();
            for entry in chains::entries(&mut conn, &row.key).await? {
                entries.push(self.rows.open::<Entry>(Kind::Entry, &entry.key, &entry.sealed)?);
            }
            entries.sort_by_key(|entry| entry.sequence);
            kept.push((chain, entries));
        }
        Ok(kept)
    }

    /// The letters that were written for a user, oldest first.
    pub(crate) async fn written(&self, user: &RowKey) -> Result<Vec<Outgoing>, ReadingError> {
        let rows = letters::of_user(&mut *self.db.read().await?, user).await?;
        Ok(rows.iter().map(|row| self.rows.open_letter(row)).collect::<Result<_, _>>()?)
    }

    /// What this authority did to the consents of a user, in any order.
    pub(crate) async fn own_changes(&self, user: &RowKey) -> Result<Vec<OwnChange>, ReadingError> {
        let rows = consents::of_user(&mut *self.db.read().await?, user).await?;
        Ok(rows.iter().map(|row| self.rows.open_change(row)).collect::<Result<_, _>>()?)
    }

    /// Keeps a change of a user's consent, before it is sent and once it is in the log.
    pub(crate) async fn keep_change(
        &self,
        user: &RowKey,
        change: &OwnChange,
        rng: &mut impl CryptoRng,
    ) -> Result<(), ReadingError> {
        let row = self.rows.seal_change(user, change, rng)?;
        Ok(consents::put(&mut *self.db.write().await?, &row, Millis(change.sent_ms)).await?)
    }

    /// Forgets a change that was refused.
    pub(crate) async fn take_back_change(&self, user: &RowKey, change: &OwnChange) -> Result<(), StoreError> {
        let key = self.rows.consent_change(user, change.id, change.number);
        consents::take_back(&mut *self.db.write().await?, &key).await
    }

    /// A checkpoint by its hash.
    pub(crate) async fn checkpoint(&self, hash: &[u8; 32]) -> Result<Option<Vec<u8>>, StoreError> {
        chains::checkpoint(&mut *self.db.read().await?, hash).await
    }
}
