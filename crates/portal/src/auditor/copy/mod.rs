//! The log as the portal keeps it for its auditors: read once, verified against every cosigned checkpoint, and held in
//! memory, so that a page reads nothing of the coordinator that a copy can tell.
//!
//! ```text
//! cosigned checkpoint ─▶ records up to it ─▶ tree: is the root the signed one? ─▶ shown
//!                                                └─ no: FAILS, and nothing after it is ever shown
//! ```
//!
//! A record costs about 130 bytes: its place in the tree and what the filters ask for. The rest of it is read when
//! somebody looks at it, and proven against the tree.

mod follow;
#[cfg(test)]
mod pace;
mod rows;
mod tally;

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tacit_ledger::{
    checkpoint::VerifiedCheckpoint, logged::LoggedRecord, merkle::leaf_hash, note::NoteVerifier,
    tree::TreeView,
};
use tacit_model::Millis;

pub(super) use follow::follow;
pub(super) use rows::{Decision, Filter, Row, Rows, Start, fields};
pub(super) use tally::QUARTER_MS;

use super::ends::End;

/// The checkpoint up to which everything was verified, with who stands behind it.
#[derive(Debug, Clone)]
pub(super) struct Head {
    pub(super) checkpoint: VerifiedCheckpoint,
    /// When the quorum stood behind it.
    pub(super) signed: Millis,
    /// Who cosigned it.
    pub(super) witnesses: Vec<String>,
    /// Who could have.
    pub(super) all: Vec<String>,
    pub(super) quorum: usize,
}

impl Head {
    pub(super) fn size(&self) -> u64 {
        self.checkpoint.size()
    }
}

/// What the last look at the log gave.
#[derive(Debug, Clone, Default)]
pub(super) struct Look {
    /// When it ended.
    pub(super) at: Option<Millis>,
    /// Records of the newest checkpoint that the log signed, whoever cosigned it.
    pub(super) newest: u64,
    /// Records to read before the next head is verified.
    pub(super) reading: Option<u64>,
    /// Why nothing came of it: nobody answered, or too few witnesses cosigned.
    pub(super) trouble: Option<String>,
}

/// The copy.
#[derive(Debug)]
pub(super) struct Copied {
    pub(super) head: Option<Head>,
    pub(super) look: Look,
    /// What the log cannot explain; it stays until somebody who looked into it starts the portal anew.
    pub(super) fails: Option<String>,
    rows: Rows,
    tree: TreeView,
}

impl Copied {
    fn new() -> Result<Self, tacit_ledger::tree::TreeError> {
        let tree = TreeView::new(0)?.with_capacity(usize::MAX);
        Ok(Self { head: None, look: Look::default(), fails: None, rows: Rows::default(), tree })
    }

    /// Records that were verified.
    pub(super) fn size(&self) -> u64 {
        self.head.as_ref().map_or(0, Head::size)
    }

    /// Records that were read, verified or not.
    pub(super) fn read(&self) -> u64 {
        self.tree.size()
    }

    /// What is known of the verified records.
    pub(super) fn rows(&self) -> &Rows {
        &self.rows
    }

    /// Everything up to this head is what it says.
    fn verified(&mut self, head: Head) {
        self.rows.verified(head.size());
        self.head = Some(head);
    }

    /// Takes up a record, as far as it can be read.
    fn push(&mut self, bytes: &[u8], time_ms: u64) -> Result<(), tacit_ledger::tree::TreeError> {
        self.tree.append(&[leaf_hash(bytes)])?;
        self.rows.push(bytes, time_ms);
        Ok(())
    }

    /// A record proven under the head.
    pub(super) fn prove(&self, index: u64, record: &[u8]) -> Option<LoggedRecord> {
        let head = self.head.as_ref()?;
        let logged = LoggedRecord {
            record: record.to_vec(),
            index,
            inclusion: self.tree.inclusion(index, head.size()).ok()?,
            checkpoint: head.checkpoint.note().to_vec(),
        };
        logged.verify_under(&head.checkpoint).is_ok().then_some(logged)
    }
}

/// The copy and what it is read with. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct LogCopy {
    copied: Arc<RwLock<Copied>>,
    end: Arc<RwLock<Option<Arc<End>>>>,
}

impl LogCopy {
    pub(super) fn new() -> Result<Self, tacit_ledger::tree::TreeError> {
        let copied = Arc::new(RwLock::new(Copied::new()?));
        Ok(Self { copied, end: Arc::default() })
    }

    /// The copy as it is now. Held over no call.
    pub(super) fn now(&self) -> RwLockReadGuard<'_, Copied> {
        self.copied.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self) -> RwLockWriteGuard<'_, Copied> {
        self.copied.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The auditor's own end, once there is a registry to work with.
    pub(super) fn end(&self) -> Option<Arc<End>> {
        self.end.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_end(&self, end: Arc<End>) {
        *self.end.write().unwrap_or_else(PoisonError::into_inner) = Some(end);
    }

    /// The log's key, as the members have it.
    pub(super) fn key(&self) -> Option<NoteVerifier> {
        self.end().map(|end| end.log_key.clone())
    }
}
