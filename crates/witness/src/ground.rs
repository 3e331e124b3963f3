//! What an answer rests on: a checkpoint in the view. It need not be durable before the use of the permit is, and so goes
//! into the same commit.
//!
//! ```text
//! Group::apply   carry(reads)     take the row in hand, if nobody has it; read it with what else is read
//!                write(rows, tx)  still the known one? replaced with the commit, and durable once that returned
//! the answer     settled()        at once if it was carried; otherwise persisted by itself
//! ```

use std::sync::{Arc, atomic::Ordering};

use tacit_ledger::checkpoint::VerifiedCheckpoint;
use tacit_model::{Millis, Reason};
use tacit_store::{
    GroupTx, ReadId, Reads, Rows, StoreError,
    witness::{self, Stored},
};
use tokio::sync::OwnedMutexGuard;

use crate::Shared;

/// A checkpoint that agreed with the member's view.
#[derive(Clone)]
pub struct Ground {
    shared: Arc<Shared>,
    size: u64,
}

impl std::fmt::Debug for Ground {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ground").field("size", &self.size).finish()
    }
}

impl Ground {
    pub(crate) fn new(shared: Arc<Shared>, size: u64) -> Self {
        Self { shared, size }
    }

    /// Size of the checkpoint, in records.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The time here: by the clock, and never behind what the witnesses have reached for sure. A permit that is over by it
    /// is over.
    #[must_use]
    pub fn time(&self) -> Millis {
        self.shared.time()
    }

    /// The one of the largest checkpoint: what is durable for it is so for all.
    pub fn furthest<'g>(grounds: impl Iterator<Item = &'g Self>) -> Option<&'g Self> {
        grounds.max_by_key(|ground| ground.size)
    }

    /// Returns when the checkpoint, or one that continues it, is durable. Nothing that rests on it may be given out
    /// before.
    ///
    /// # Errors
    /// [`Reason::LogFrozen`] when another replica of this member has stored what contradicts it,
    /// [`Reason::LogBehind`] when nobody can be asked about what another replica has stored, [`Reason::Unavailable`]
    /// when it could not be saved.
    pub async fn settled(&self) -> Result<(), Reason> {
        self.shared.not_frozen()?;
        if self.is_durable() {
            return Ok(());
        }
        let mut growing = self.shared.grow().await;
        self.shared.persist(&mut growing).await
    }

    /// Takes the checkpoint along with a commit, whose first reads these are, if it is not durable yet and nobody else
    /// is just about to make it so. Never waits: who calls holds the database's writer.
    pub fn carry(&self, reads: &mut Reads) -> Option<Carried> {
        if self.is_durable() {
            return None;
        }
        let stored = Arc::clone(&self.shared.stored).try_lock_owned().ok()?;
        let newest = self.shared.newest().filter(|_| stored.is_some())?;
        Some(Carried { shared: Arc::clone(&self.shared), stored, newest, read: witness::read_row(reads) })
    }

    fn is_durable(&self) -> bool {
        self.shared.durable.load(Ordering::Acquire) >= self.size
    }
}

/// A checkpoint on its way into the database. Dropped, it is as if it had not been taken along.
pub struct Carried {
    shared: Arc<Shared>,
    stored: OwnedMutexGuard<Option<Stored>>,
    newest: VerifiedCheckpoint,
    read: ReadId,
}

impl std::fmt::Debug for Carried {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Carried").field("size", &self.newest.size()).finish()
    }
}

impl Carried {
    /// Writes it with the transaction, and tells whether; not if another replica of this member has stored something
    /// else meanwhile, which must be compared first, or froze.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn write(mut self, rows: &mut Rows, tx: &mut GroupTx<'_>) -> Result<bool, StoreError> {
        let Some(known) = *self.stored else { return Ok(false) };
        if !witness::stands(&rows.take(self.read), &known)? {
            return Ok(false);
        }
        witness::replace(tx.last(), &self.newest)?;
        tx.once_committed(move || self.shared.saved(&mut self.stored, &self.newest));
        Ok(true)
    }
}
