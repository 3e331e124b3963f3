//! What pages count, counted once: when records are verified.

use std::collections::BTreeMap;

use tacit_model::Millis;

/// Days and hours of every time zone begin at such a time.
pub(in crate::auditor) const QUARTER_MS: u64 = 15 * 60_000;

/// Counts of verified records, by numbers of names.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// How many were counted.
    pub(super) size: usize,
    /// By kind, member and outcome.
    counts: BTreeMap<[u32; 3], u64>,
    /// Checks permitted and refused, by quarter of an hour.
    quarters: BTreeMap<u64, [u64; 2]>,
}

impl Tally {
    pub(super) fn count(&mut self, kind: u32, member: u32, outcome: u32) {
        *self.counts.entry([kind, member, outcome]).or_default() += 1;
    }

    /// A check at this time.
    pub(super) fn check(&mut self, time: Millis, refused: bool) {
        self.quarters.entry(time.0 / QUARTER_MS).or_default()[usize::from(refused)] += 1;
    }

    pub(super) fn counts(&self) -> impl Iterator<Item = ([u32; 3], u64)> {
        self.counts.iter().map(|(of, count)| (*of, *count))
    }

    /// Quarters that begin at this time or later, with how many checks were permitted and refused.
    pub(super) fn quarters(&self, since: Millis) -> impl Iterator<Item = (Millis, [u64; 2])> {
        let first = since.0.div_ceil(QUARTER_MS);
        self.quarters.range(first..).map(|(quarter, counts)| (Millis(quarter * QUARTER_MS), *counts))
    }
}
