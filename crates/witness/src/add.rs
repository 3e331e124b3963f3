//! Cosigning what anybody brings: C2SP tlog-witness, without its HTTP.
//!
//! ```text
//! body --parse, origin, signature--> checkpoint        no state is looked at before
//!   under the lock of all that makes the view grow:
//!   the row in the database --is its size the old one? is the proof right?--> compare-and-set --> cosign
//! ```
//!
//! The row is the one that the stream and permits move on, and that replicas share: whatever is cosigned, by whichever
//! way and replica, stands in one line of rows, each proven to continue the one before.
//!
//! Source: <https://c2sp.org/tlog-witness>, section "add-checkpoint".

use tacit_ledger::{
    checkpoint::{CheckpointError, VerifiedCheckpoint},
    note::{Note, NoteError},
    submission::Submission,
};
use tacit_model::Reason;
use tacit_store::{
    StoreError,
    witness::{self, Advanced, Stored},
};

use crate::{Shared, quorum, view::Known};

/// Pause that who posts is asked to make while the member is stopped for good, in seconds.
const FROZEN_S: u64 = 3600;

/// Why a checkpoint is not cosigned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotAdded {
    /// Not of the form, or the old size is larger than the checkpoint's.
    Malformed,
    /// Not a checkpoint of the log that this member knows.
    UnknownOrigin,
    /// The log's key did not sign it.
    NotSigned,
    /// The old size is not the newest one here, or another root was verified at the checkpoint's size.
    Conflict {
        /// The newest size here.
        newest: u64,
    },
    /// The proof is not one of consistency.
    Unproven,
    /// Nothing is cosigned now.
    Stopped {
        /// Why.
        reason: Reason,
        /// When to ask again, in seconds.
        again_s: u64,
    },
}

impl NotAdded {
    fn unavailable() -> Self {
        Self::Stopped { reason: Reason::Unavailable, again_s: 1 }
    }

    fn failed(error: &StoreError) -> Self {
        tracing::error!(%error, "the verified checkpoint could not be read or saved");
        Self::unavailable()
    }
}

impl Shared {
    /// Verifies a request to cosign, makes its checkpoint durable, and gives the cosignature line.
    pub(crate) async fn add(&self, body: &[u8]) -> Result<String, NotAdded> {
        let submission = Submission::parse(body).map_err(|_| NotAdded::Malformed)?;
        let checkpoint = self.open_submitted(&submission.checkpoint)?;
        if submission.old_size > checkpoint.size() {
            return Err(NotAdded::Malformed);
        }
        let mut growing = self.grow().await;
        self.may_cosign()?;
        // Then the row is the newest of the view, unless another replica moved it on.
        self.persist(&mut growing).await.map_err(|reason| self.not_saved(reason))?;
        let mut known = self.stored.lock().await;
        let row = self.row().await?;
        let stored = row.as_ref().map(|row| (row.size(), *row.root()));
        self.compare(known.as_ref(), row.as_ref(), &checkpoint).await?;
        let newest = row.as_ref().map_or(0, VerifiedCheckpoint::size);
        if submission.old_size != newest {
            return Err(NotAdded::Conflict { newest });
        }
        check_proof(row.as_ref(), &checkpoint, &submission)?;
        if checkpoint.size() > newest {
            let mut conn = self.db.write().await.map_err(|error| NotAdded::failed(&error))?;
            let advanced = witness::advance(&mut conn, stored.as_ref(), &checkpoint).await;
            drop(conn);
            match advanced.map_err(|error| NotAdded::failed(&error))? {
                Advanced::Done => {}
                Advanced::Other(note) => return Err(self.overtaken(&note)),
                Advanced::Frozen => return Err(self.froze_elsewhere().await),
            }
        } else if *known != stored {
            // Another replica wrote the row: it was read, and must also be there to stay.
            self.db.settle().await.map_err(|error| NotAdded::failed(&error))?;
        }
        // Where another replica was ahead, the view is compared with the row when the view grows next.
        if *known == stored && checkpoint.size() > newest {
            self.saved(&mut known, &checkpoint);
            self.take(&mut growing, [&checkpoint]);
        }
        self.sign(&checkpoint).ok_or_else(NotAdded::unavailable)
    }

    /// The checkpoint of a request, if it is of the log that is followed here; without what others put on the note.
    fn open_submitted(&self, note: &[u8]) -> Result<VerifiedCheckpoint, NotAdded> {
        let log = self.opener.log();
        let parsed = Note::parse(note).map_err(|_| NotAdded::Malformed)?;
        if parsed.text().lines().next() != Some(log.name()) {
            return Err(NotAdded::UnknownOrigin);
        }
        match VerifiedCheckpoint::open(note, log) {
            Ok(checkpoint) => Ok(checkpoint.bare(log)),
            Err(CheckpointError::Note(NoteError::UnknownSigners | NoteError::SignatureInvalid)) => {
                Err(NotAdded::NotSigned)
            }
            Err(_) => Err(NotAdded::Malformed),
        }
    }

    fn not_saved(&self, reason: Reason) -> NotAdded {
        match self.may_cosign() {
            Err(stopped) => stopped,
            Ok(()) => NotAdded::Stopped { reason, again_s: 1 },
        }
    }

    fn may_cosign(&self) -> Result<(), NotAdded> {
        self.not_frozen().map_err(|reason| NotAdded::Stopped { reason, again_s: FROZEN_S })?;
        match *self.restored.borrow() {
            Some(restored) => {
                let again_s = quorum::still_waits_s(restored, self.clock.now());
                Err(NotAdded::Stopped { reason: Reason::LogBehind, again_s })
            }
            None => Ok(()),
        }
    }

    /// The checkpoint that stands in the database, which another replica may have moved on; unless one froze.
    async fn row(&self) -> Result<Option<VerifiedCheckpoint>, NotAdded> {
        let read = async {
            let mut conn = self.db.read().await?;
            let is_frozen = witness::load_freeze(&mut conn).await?.is_some();
            let open = |note: Vec<u8>| {
                VerifiedCheckpoint::open(&note, self.opener.log()).map_err(|_| {
                    StoreError::corrupt("witness_state", "note", 1, "does not verify under the log's key")
                })
            };
            let row = witness::load(&mut conn).await?.map(open).transpose()?;
            Ok((row, is_frozen))
        };
        match read.await {
            Ok((row, false)) => Ok(row),
            Ok((_, true)) => Err(self.froze_elsewhere().await),
            Err(error) => Err(NotAdded::failed(&error)),
        }
    }

    /// Two roots of one size are evidence, whoever brings the second. A database that stands behind the view was put
    /// back under a running process, and what it says counts for nothing.
    async fn compare(
        &self,
        known: Option<&Stored>,
        row: Option<&VerifiedCheckpoint>,
        checkpoint: &VerifiedCheckpoint,
    ) -> Result<(), NotAdded> {
        let newest = row.map_or(0, VerifiedCheckpoint::size);
        if known.is_some_and(|(size, _)| *size > newest) {
            tracing::error!(row = newest, "the database stands behind what was verified here");
            return Err(NotAdded::unavailable());
        }
        if let Some(row) =
            row.filter(|row| row.size() == checkpoint.size() && row.root() != checkpoint.root())
        {
            self.freeze(row, checkpoint, None).await;
            return Err(NotAdded::Conflict { newest });
        }
        for seen in row.into_iter().chain([checkpoint]) {
            let known = self.view().knows(seen);
            if let Known::Contradicted(known) = known {
                self.freeze(&known, seen, None).await;
                return Err(NotAdded::Conflict { newest });
            }
        }
        Ok(())
    }

    /// Another replica stored a checkpoint between the reading and the writing.
    fn overtaken(&self, note: &[u8]) -> NotAdded {
        match VerifiedCheckpoint::open(note, self.opener.log()) {
            Ok(other) => NotAdded::Conflict { newest: other.size() },
            Err(_) => NotAdded::unavailable(),
        }
    }

    /// Another replica froze.
    async fn froze_elsewhere(&self) -> NotAdded {
        match self.learn_of_freeze().await {
            Ok(()) => NotAdded::Stopped { reason: Reason::LogFrozen, again_s: FROZEN_S },
            Err(error) => NotAdded::failed(&error),
        }
    }
}

/// Whether the proof leads from the row to the checkpoint. From nothing, and to itself, it must be empty; the very first
/// checkpoint is taken on the log's signature.
fn check_proof(
    row: Option<&VerifiedCheckpoint>,
    checkpoint: &VerifiedCheckpoint,
    submission: &Submission,
) -> Result<(), NotAdded> {
    let proven = match row.filter(|row| row.size() > 0) {
        Some(row) => checkpoint.verify_extends(row, &submission.proof).is_ok(),
        None => submission.proof.is_empty(),
    };
    if proven {
        return Ok(());
    }
    metrics::counter!("tacit_witness_contradictions_total").increment(1);
    tracing::warn!(
        old = submission.old_size,
        new = checkpoint.size(),
        "a checkpoint was brought with a proof that does not hold"
    );
    Err(NotAdded::Unproven)
}
