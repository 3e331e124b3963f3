//! The names of rules that decided, stored once per set and not in every opening.

use std::collections::HashMap;

use ring::digest::{SHA256, digest};
use tacit_policy::RuleName;

/// The sets that this process has stored, and those that the commit under way adds.
#[derive(Default)]
pub(super) struct RuleSets {
    known: HashMap<String, [u8; 32]>,
    added: Vec<([u8; 32], String)>,
}

impl RuleSets {
    /// What an opening names this set by.
    pub(super) fn hash(&mut self, rules: &[RuleName]) -> [u8; 32] {
        let names = rules.join(" ");
        if let Some(hash) = self.known.get(&names) {
            return *hash;
        }
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, names.as_bytes()).as_ref());
        self.added.push((hash, names.clone()));
        self.known.insert(names, hash);
        hash
    }

    /// The sets to store with the commit under way.
    pub(super) fn take_added(&mut self) -> Vec<([u8; 32], String)> {
        std::mem::take(&mut self.added)
    }
}
