//! What one member has verified of the log: a set of checkpoints that agree with each other.

use std::collections::BTreeMap;

use tacit_ledger::checkpoint::VerifiedCheckpoint;
use tacit_model::Millis;

/// How long a checkpoint is remembered, in milliseconds: twice a permit's life. One that is remembered for
/// longer, because nothing came after it, cannot have a permit that is not over.
const REMEMBERED_MS: u64 = 120_000;

/// The most checkpoints remembered; older ones are proven again when asked for.
const MOST: usize = 65_536;

/// A growing view of one log.
#[derive(Debug, Default)]
pub(crate) struct View {
    newest: Option<VerifiedCheckpoint>,
    /// By size: the checkpoint, and when it was verified. Whole notes, because each may become evidence.
    recent: BTreeMap<u64, (VerifiedCheckpoint, Millis)>,
    newest_accepted: Millis,
}

/// Whether the view has a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Known {
    /// This very checkpoint was verified.
    Yes,
    /// This one, of another root, was verified at its size.
    Contradicted(VerifiedCheckpoint),
    /// Not seen, or forgotten.
    No,
}

impl View {
    pub(crate) fn newest(&self) -> Option<&VerifiedCheckpoint> {
        self.newest.as_ref()
    }

    /// The newest `time` of a permit accepted here.
    pub(crate) fn newest_accepted(&self) -> Millis {
        self.newest_accepted
    }

    /// Notes the `time` of an accepted permit.
    pub(crate) fn accepted(&mut self, time: Millis) {
        self.newest_accepted = self.newest_accepted.max(time);
    }

    pub(crate) fn knows(&self, checkpoint: &VerifiedCheckpoint) -> Known {
        match self.recent.get(&checkpoint.size()) {
            Some((known, _)) if known.root() == checkpoint.root() => Known::Yes,
            Some((known, _)) => Known::Contradicted(known.clone()),
            None => Known::No,
        }
    }

    /// Remembers a checkpoint that was proven to agree with this view.
    fn remember(&mut self, checkpoint: &VerifiedCheckpoint, now: Millis) {
        self.recent.insert(checkpoint.size(), (checkpoint.clone(), now));
        // Times rise with sizes but for clock changes, so the oldest stand first.
        while let Some(oldest) = self.recent.first_entry() {
            let is_newest = self.newest.as_ref().is_some_and(|newest| newest.size() == *oldest.key());
            let since = oldest.get().1;
            if is_newest || (self.recent.len() <= MOST && now.0.saturating_sub(since.0) <= REMEMBERED_MS) {
                break;
            }
            self.recent.pop_first();
        }
    }

    /// Remembers a checkpoint, and makes it the newest if it is.
    pub(crate) fn adopt(&mut self, checkpoint: VerifiedCheckpoint, now: Millis) {
        self.remember(&checkpoint, now);
        if self.newest.as_ref().is_none_or(|newest| newest.size() < checkpoint.size()) {
            self.newest = Some(checkpoint);
        }
    }
}
