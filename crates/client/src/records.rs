//! The coordinator's log as this member sees it: one pinned key, and records proven under its checkpoints.

use std::sync::{Arc, Mutex, PoisonError};

use tacit_ledger::checkpoint::{CheckpointOpener, VerifiedCheckpoint};
use tacit_ledger::logged::{LoggedRecord, VerifiedRecord};
use tacit_ledger::note::NoteVerifier;
use tacit_ledger::{Hash, MAX_SIZE};
use tacit_wire::{chunks32, common};

use crate::error::{ClientError, Party};

/// Most hashes of an inclusion proof.
pub(crate) const MAX_PATH: usize = 64;

/// The pinned key of the log, with the newest checkpoint seen under it. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct LogKey {
    opener: Arc<CheckpointOpener>,
    newest: Arc<Mutex<(u64, Hash)>>,
}

impl LogKey {
    pub(crate) fn new(key: NoteVerifier) -> Self {
        Self {
            opener: Arc::new(CheckpointOpener::new(key)),
            newest: Arc::new(Mutex::new((MAX_SIZE, Hash::default()))),
        }
    }

    /// The public key.
    pub(crate) fn verifier(&self) -> &NoteVerifier {
        self.opener.log()
    }

    /// Opens a checkpoint. Two roots of one size are two logs.
    pub(crate) fn open(&self, note: &[u8]) -> Result<VerifiedCheckpoint, ClientError> {
        let checkpoint = self.opener.open(note)?;
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        if checkpoint.size() == newest.0 && *checkpoint.root() != newest.1 {
            tracing::error!(size = newest.0, "ALARM: the log signed two roots of one size");
            return Err(ClientError::Inconsistent("two roots of one size are signed"));
        }
        if newest.0 == MAX_SIZE || checkpoint.size() > newest.0 {
            *newest = (checkpoint.size(), *checkpoint.root());
        }
        Ok(checkpoint)
    }

    /// Proves a record under a checkpoint that was opened.
    pub(crate) fn verify_under(
        &self,
        record: &common::LoggedRecord,
        checkpoint: &VerifiedCheckpoint,
    ) -> Result<VerifiedRecord, ClientError> {
        Ok(to_logged(record)?.verify_under(checkpoint)?)
    }

    /// Proves a record under the checkpoint that came with it.
    pub(crate) fn verify(
        &self,
        record: Option<&common::LoggedRecord>,
        checkpoint: &[u8],
    ) -> Result<VerifiedRecord, ClientError> {
        let record = record.ok_or_else(|| ClientError::missing(Party::Coordinator, "record"))?;
        self.verify_under(record, &self.open(checkpoint)?)
    }
}

/// From the wire, without a checkpoint of its own.
fn to_logged(record: &common::LoggedRecord) -> Result<LoggedRecord, ClientError> {
    let inclusion =
        chunks32("path", &record.path, MAX_PATH).map_err(ClientError::malformed(Party::Coordinator))?;
    Ok(LoggedRecord {
        record: record.record.to_vec(),
        index: record.index,
        inclusion,
        checkpoint: Vec::new(),
    })
}
