//! Where in the verified log the records stand that something beside the log is about.

use std::collections::{HashMap, HashSet};

use tacit_model::{Ulid, parse_ulid};

use super::App;
use crate::visit::Visit;

/// Places of records by their ids.
pub(super) struct Entries(HashMap<Ulid, u64>);

impl Entries {
    /// Of the records with these ids, as far as they are verified here.
    pub(super) fn of<'a>(app: &App, ids: impl Iterator<Item = &'a str>) -> Self {
        let ids: HashSet<Ulid> = ids.filter_map(parse_ulid).collect();
        let copied = app.of.copy.now();
        Self(copied.rows().places(&ids, copied.size()))
    }

    pub(super) fn place(&self, id: &str) -> Option<u64> {
        self.0.get(&parse_ulid(id)?).copied()
    }

    /// All of them, ascending, each once.
    pub(super) fn places(&self) -> Vec<u64> {
        let mut places: Vec<u64> = self.0.values().copied().collect();
        places.sort_unstable();
        places.dedup();
        places
    }

    /// The entry of a record: its index and the address of its page.
    pub(super) fn entry(&self, id: &str, visit: &Visit) -> Option<(u64, String)> {
        self.place(id).map(|index| (index, visit.path(&format!("/log/{index}"))))
    }
}
