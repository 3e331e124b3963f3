//! How far the log is verified, as every page says it.

use super::copy::{Copied, Head};
use crate::frame::Frame;

/// What is known of the log as a whole.
pub(super) struct Standing {
    pub(super) fails: Option<String>,
    pub(super) trouble: Option<String>,
    /// Records that were verified.
    pub(super) size: u64,
    /// In words: how many, signed when, by how many of how many.
    pub(super) verified: Option<String>,
    /// Records that wait for witnesses.
    pub(super) waiting: u64,
    /// What was read of what is to be read, while nothing new is verified.
    pub(super) reading: Option<(u64, u64)>,
    pub(super) looked: Option<String>,
}

impl Standing {
    pub(super) fn of(copied: &Copied, frame: &Frame) -> Self {
        let size = copied.size();
        Self {
            fails: copied.fails.clone(),
            trouble: copied.look.trouble.clone(),
            size,
            verified: copied.head.as_ref().map(|head| verified(head, frame)),
            waiting: copied.look.newest.saturating_sub(size),
            reading: copied
                .look
                .reading
                .filter(|_| copied.fails.is_none())
                .map(|of| (copied.read().min(of), of)),
            looked: copied.look.at.map(|at| frame.exact(&at.to_rfc3339())),
        }
    }

    pub(super) fn is_verified(&self) -> bool {
        self.fails.is_none() && self.verified.is_some()
    }
}

fn verified(head: &Head, frame: &Frame) -> String {
    frame.language.with(
        "standing-verified",
        &[
            ("size", head.size().to_string().into()),
            ("time", frame.exact(&head.signed.to_rfc3339()).into()),
            ("cosigned", head.witnesses.len().into()),
            ("all", head.all.len().into()),
        ],
    )
}
