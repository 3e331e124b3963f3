//! Why a member stopped, kept in its database: for the operator, who alone may have it go on.

use tacit_ledger::{Hash, checkpoint::VerifiedCheckpoint, evidence::ForkEvidence, note::NoteVerifier};
use tacit_model::Millis;
use tacit_store::{
    Db, StoreError,
    witness::{self, Freeze},
};

/// Two checkpoints of the log that cannot both be true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// A checkpoint that the log signed, as signed note.
    pub first: String,
    /// Another one.
    pub second: String,
    /// The false consistency proof between the two that the coordinator itself served; `None` when the two are of one
    /// size and have different roots, which needs no proof.
    pub proof: Option<Vec<Hash>>,
    /// When it was found.
    pub found: Millis,
}

impl Evidence {
    pub(crate) fn new(
        first: &VerifiedCheckpoint,
        second: &VerifiedCheckpoint,
        proof: Option<&[Hash]>,
        found: Millis,
    ) -> Self {
        let ForkEvidence { first, second } = ForkEvidence::new(first, second);
        Self { first, second, proof: proof.map(<[Hash]>::to_vec), found }
    }

    /// The file that convinces anyone who has the log's public key; `None` where only this member knows that the
    /// coordinator served the proof.
    #[must_use]
    pub fn fork(&self) -> Option<ForkEvidence> {
        let fork = || ForkEvidence { first: self.first.clone(), second: self.second.clone() };
        self.proof.is_none().then(fork)
    }

    pub(crate) fn to_row(&self) -> Freeze {
        Freeze {
            first: self.first.clone().into_bytes(),
            second: self.second.clone().into_bytes(),
            proof: self.proof.as_ref().map(|proof| proof.concat()),
            frozen_ms: self.found.0,
        }
    }

    pub(crate) fn from_row(row: Freeze) -> Result<Self, StoreError> {
        let text = |column, bytes| {
            String::from_utf8(bytes)
                .map_err(|_| StoreError::corrupt("witness_freeze", column, 1, "is not text"))
        };
        let proof = row.proof.map(|joined| {
            let (hashes, rest) = joined.as_chunks::<32>();
            let whole = rest.is_empty().then(|| hashes.to_vec());
            whole.ok_or_else(|| StoreError::corrupt("witness_freeze", "proof", 1, "is not hashes"))
        });
        Ok(Self {
            first: text("first", row.first)?,
            second: text("second", row.second)?,
            proof: proof.transpose()?,
            found: Millis(row.frozen_ms),
        })
    }
}

/// The evidence on which the member with this database froze, if it did.
///
/// # Errors
/// [`StoreError`].
pub async fn load(db: &Db) -> Result<Option<Evidence>, StoreError> {
    let row = witness::load_freeze(&mut *db.read().await?).await?;
    row.map(Evidence::from_row).transpose()
}

/// Removes the evidence, so that the member goes on at its next start; whether there was any. When the log has another
/// key since, what was verified under the old one is forgotten, and the new log is taken on its first signature.
///
/// # Errors
/// [`StoreError`].
pub async fn clear(db: &Db, log_key: &NoteVerifier) -> Result<bool, StoreError> {
    let mut conn = db.write().await?;
    let saved = witness::load(&mut conn).await?;
    let is_old = saved.is_some_and(|note| VerifiedCheckpoint::open(&note, log_key).is_err());
    witness::clear_freeze(&mut conn, is_old).await
}

/// Notes that the database was restored from a backup at `now`: the member then catches up with the others before it
/// answers or cosigns again, and for at least two minutes.
///
/// # Errors
/// [`StoreError`].
pub async fn mark_restored(db: &Db, now: Millis) -> Result<(), StoreError> {
    witness::mark_restored(&mut *db.write().await?, Some(now.0)).await
}
