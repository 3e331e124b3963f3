//! A record with the proof that it is in the log: what a permit is made of.
//!
//! [`LoggedRecord`] is bytes from outside. [`VerifiedRecord`] is a fact: it can only be made here, by
//! verifying the log's signature, the inclusion proof and the form of the record, so a function that takes
//! one cannot be reached without a record in the log.

use std::collections::HashMap;

use crate::Hash;
use crate::checkpoint::{CheckpointError, VerifiedCheckpoint};
use crate::merkle::{ProofError, leaf_hash};
use crate::note::NoteVerifier;
use crate::record::{Record, RecordError, WrongKind};

/// A record, where it stands in the log, and the proof. Anyone can have written these bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedRecord {
    /// The exact bytes of the record.
    pub record: Vec<u8>,
    /// Its place in the log, from 0.
    pub index: u64,
    /// Inclusion proof, siblings from the leaf upward.
    pub inclusion: Vec<Hash>,
    /// The signed checkpoint that the proof leads to, a C2SP note.
    pub checkpoint: Vec<u8>,
}

/// Why a logged record is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoggedError {
    /// The checkpoint is malformed or not signed by the log.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The record is not in the log of that checkpoint.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// The record is in the log but malformed: the log is at fault.
    #[error(transparent)]
    Record(#[from] RecordError),
}

impl LoggedRecord {
    /// Verifies signature, inclusion and form. One Ed25519 verification and about log2(size) hashes.
    ///
    /// # Errors
    /// [`LoggedError`], for the first check that fails, in that order.
    pub fn verify(&self, log: &NoteVerifier) -> Result<VerifiedRecord, LoggedError> {
        let checkpoint = VerifiedCheckpoint::open(&self.checkpoint, log)?;
        self.verify_under(&checkpoint)
    }

    /// Verifies inclusion and form against a checkpoint that was verified before; the record's own
    /// checkpoint is not looked at.
    ///
    /// # Errors
    /// [`LoggedError::Proof`] or [`LoggedError::Record`].
    pub fn verify_under(&self, checkpoint: &VerifiedCheckpoint) -> Result<VerifiedRecord, LoggedError> {
        let leaf_hash = leaf_hash(&self.record);
        checkpoint.verify_inclusion(&leaf_hash, self.index, &self.inclusion)?;
        let record = Record::parse(&self.record)?;
        Ok(VerifiedRecord { record, leaf_hash, index: self.index, checkpoint: checkpoint.clone() })
    }
}

/// Verifies many records, each result in its place. A checkpoint that several share is verified once.
pub fn verify_all<'a>(
    records: impl IntoIterator<Item = &'a LoggedRecord>,
    log: &NoteVerifier,
) -> Vec<Result<VerifiedRecord, LoggedError>> {
    let mut opened: HashMap<&[u8], Result<VerifiedCheckpoint, CheckpointError>> = HashMap::new();
    let verify = |logged: &'a LoggedRecord| {
        let checkpoint = opened
            .entry(&logged.checkpoint)
            .or_insert_with(|| VerifiedCheckpoint::open(&logged.checkpoint, log));
        logged.verify_under(checkpoint.as_ref().map_err(|error| *error)?)
    };
    records.into_iter().map(verify).collect()
}

/// A record that is in the log. `K` is the kind, once it is known: see [`VerifiedRecord::narrow`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedRecord<K = Record> {
    record: K,
    leaf_hash: Hash,
    index: u64,
    checkpoint: VerifiedCheckpoint,
}

impl<K> VerifiedRecord<K> {
    /// What the record says.
    #[must_use]
    pub fn record(&self) -> &K {
        &self.record
    }

    /// Its leaf hash.
    #[must_use]
    pub fn leaf_hash(&self) -> &Hash {
        &self.leaf_hash
    }

    /// Its place in the log, from 0.
    #[must_use]
    pub fn index(&self) -> u64 {
        self.index
    }

    /// The checkpoint under which it was proven.
    #[must_use]
    pub fn checkpoint(&self) -> &VerifiedCheckpoint {
        &self.checkpoint
    }

    /// The record alone, no longer with its proof.
    #[must_use]
    pub fn into_record(self) -> K {
        self.record
    }
}

impl VerifiedRecord {
    /// The same fact about a record of the kind `K`, such as [`crate::record::Access`].
    ///
    /// # Errors
    /// [`WrongKind`].
    pub fn narrow<K>(self) -> Result<VerifiedRecord<K>, WrongKind>
    where
        K: TryFrom<Record, Error = WrongKind>,
    {
        let Self { record, leaf_hash, index, checkpoint } = self;
        Ok(VerifiedRecord { record: record.try_into()?, leaf_hash, index, checkpoint })
    }
}
