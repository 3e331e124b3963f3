//! What an import did.

use std::collections::BTreeMap;

use tacit_model::{Normalization, Reason};

use super::row::RowProblem;
use super::rules::Standing;

/// A row that was not imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rejection {
    /// Line of the file, from 1; the header is line 1.
    pub line: u64,
    /// Why.
    pub problem: RowProblem,
}

/// What happens during an import.
#[derive(Debug)]
pub enum ImportEvent<'a> {
    /// A row was not imported. In the order of lines.
    Rejected(&'a Rejection),
    /// So many rows were read, and what was accepted of them is durable.
    Progress {
        /// Rows read so far.
        read: u64,
        /// Of these, rejected ones.
        rejected: u64,
    },
}

/// What an import did. `read = imported + changed + unchanged + rejected`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImportReport {
    /// Rows of the file, without header and blank lines.
    pub read: u64,
    /// Subjects that are new on the list, or back on it after a removal.
    pub imported: u64,
    /// Records whose values were corrected.
    pub changed: u64,
    /// Records that said the same before.
    pub unchanged: u64,
    /// Rows that were not imported.
    pub rejected: u64,
    /// Blank lines, which are no rows.
    pub blank: u64,
    /// The first rejected rows; how many are kept says [`ImportOptions`](super::ImportOptions).
    pub rejections: Vec<Rejection>,
    /// Rejected rows by reason code.
    pub reasons: BTreeMap<Reason, u64>,
    /// Codes that were brought into normal form, by kind of change. One code may count under several.
    pub normalized: BTreeMap<Normalization, u64>,
    /// Accepted rows that are not answered as listed today, by the word of their [`Standing`].
    pub held_back: BTreeMap<&'static str, u64>,
}

impl ImportReport {
    pub(super) fn reject(&mut self, rejection: Rejection, keep: usize) {
        self.rejected += 1;
        *self.reasons.entry(rejection.problem.reason()).or_default() += 1;
        if self.rejections.len() < keep {
            self.rejections.push(rejection);
        }
    }

    pub(super) fn normalized(&mut self, changes: &[Normalization]) {
        for change in changes {
            *self.normalized.entry(*change).or_default() += 1;
        }
    }

    pub(super) fn standing(&mut self, standing: Standing) {
        if !matches!(standing, Standing::Listed { .. }) {
            *self.held_back.entry(standing.as_str()).or_default() += 1;
        }
    }
}
