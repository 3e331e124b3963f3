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

    /// The key of its address in the configuration.
    pub(crate) const fn key(self) -> &'static str {
        match self {
            Self::Subject => "subject.http",
            Self::Auditor => "auditor.http",
            Self::Officer => "officer.http",
        }
    }

    /// The ways of its navigation, `nav-<name>` in words, with their addresses.
    pub(crate) const fn ways(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Subject => &[
                ("home", "/"),
                ("lists", "/lists"),
                ("asked", "/asked"),
                ("consents", "/consents"),
                ("matters", "/matters"),
                ("acting", "/acting"),
            ],
            Self::Auditor => &[
                ("overview", "/"),
                ("log", "/log"),
                ("changes", "/consents"),
                ("agreements", "/agreements"),
                ("signals", "/signals"),
                ("openings", "/openings"),
                ("evidence", "/cases"),
                ("findings", "/findings"),
                ("chain", "/chain"),
            ],
            Self::Officer => &[
                ("home", "/"),
                ("check", "/check"),
                ("batch", "/batch"),
                ("checks", "/checks"),
                ("wanted", "/consents"),
                ("measures", "/measures"),
                ("cases", "/cases"),
                ("node", "/node"),
            ],
        }
    }
}

impl fmt::Display for DeskName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
