//! Which desks there are.

use std::fmt;

/// A desk of the portal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeskName {
    /// Of the people and companies whom records are about.
    Subject,
    /// Of auditors.
    Auditor,
    /// Of an agency's officers.
    Officer,
}

impl DeskName {
    /// Its word in configuration, cookies and the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Subject => "subject",
            Self::Auditor => "auditor",
            Self::Officer => "officer",
        }
    }
}

impl fmt::Display for DeskName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
