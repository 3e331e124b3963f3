//! Nonces and blinded queries that were used within the freshness window.
//!
//! Memory holds the window; the database holds one row per commit, by which it is read back after a start or a
//! failure, and by which each commit catches up with commits of other processes. Every append holds the lock of
//! the log's head, so nothing can come between catching up and using.

use std::collections::{HashSet, VecDeque};

use tacit_model::Millis;
use tacit_store::{Conn, StoreError, Writes};

use crate::store::uses::{self, Once, UsedBy};

/// The window. After a failed commit it is dropped and read again.
#[derive(Default)]
pub(super) struct Used {
    values: HashSet<Once>,
    /// By commit, so that what is over is found; oldest first.
    commits: VecDeque<(u64, Vec<Once>)>,
    /// Log size of the newest commit that is known.
    newest: Option<u64>,
    /// What the commit under way uses.
    added: Vec<Once>,
    /// Whether no commit of another process can be missing.
    seen_all: bool,
}

impl Used {
    /// Another process appended since.
    pub(super) fn is_behind(&mut self) {
        self.seen_all = false;
    }

    /// Learns of commits that it did not make, if there may be some, and forgets what is over.
    pub(super) async fn catch_up(&mut self, conn: &mut Conn, now: Millis) -> Result<(), StoreError> {
        if !self.seen_all {
            for used in uses::used_after(conn, self.newest, now.0).await? {
                self.values.extend(&used.values);
                self.newest = Some(used.log_size);
                self.commits.push_back((used.until_ms, used.values));
            }
            self.seen_all = true;
        }
        while let Some((_, values)) = self.commits.pop_front_if(|(until, _)| *until < now.0) {
            for value in values {
                self.values.remove(&value);
            }
        }
        Ok(())
    }

    pub(super) fn contains(&self, value: &Once) -> bool {
        self.values.contains(value)
    }

    /// Takes up values that are not in it.
    pub(super) fn extend(&mut self, values: impl Iterator<Item = Once>) {
        for value in values {
            self.values.insert(value);
            self.added.push(value);
        }
    }

    /// Keeps what the commit under way used.
    pub(super) fn store(&mut self, last: &mut Writes, log_size: u64, until: Millis) {
        if self.added.is_empty() {
            return;
        }
        let used = UsedBy { log_size, until_ms: until.0, values: std::mem::take(&mut self.added) };
        uses::store_used(last, &used);
        self.newest = Some(log_size);
        self.commits.push_back((used.until_ms, used.values));
    }
}
