//! A code that its scheme has verified.

use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use zeroize::Zeroize;

/// Which scheme a code belongs to; free to clone.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) enum SchemeName {
    CnUscc,
    CnRid,
    Lei,
    /// Defined by the registry; the whole name with its `X-`.
    Registry(Arc<str>),
}

impl SchemeName {
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::CnUscc => "CN-USCC",
            Self::CnRid => "CN-RID",
            Self::Lei => "LEI",
            Self::Registry(name) => name,
        }
    }
}

/// A subject's code in the normal form of its scheme, its check characters verified. Made only by
/// `Schemes`. The code is wiped when dropped, and neither Debug nor any error shows it.
#[derive(Clone)]
pub struct SubjectCode {
    scheme: SchemeName,
    code: Box<str>,
}

impl SubjectCode {
    /// The caller has verified `code`; kept inside this module tree so that nobody else can.
    pub(super) fn verified(scheme: SchemeName, code: &str) -> Self {
        Self { scheme, code: code.into() }
    }

    /// The scheme: `CN-USCC`, `CN-RID`, `LEI` or `X-<name>`.
    #[must_use]
    pub fn scheme(&self) -> &str {
        self.scheme.as_str()
    }

    /// The normalized code itself. The name is meant to be noticed in review: the code must go
    /// into no log line, no error and no message to another party.
    #[must_use]
    pub fn expose_code(&self) -> &str {
        &self.code
    }
}

impl PartialEq for SubjectCode {
    fn eq(&self, other: &Self) -> bool {
        self.code == other.code && self.scheme == other.scheme
    }
}

impl Eq for SubjectCode {}

impl Hash for SubjectCode {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.code.hash(state);
        self.scheme.hash(state);
    }
}

impl fmt::Debug for SubjectCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SubjectCode({} [redacted])", self.scheme())
    }
}

impl Drop for SubjectCode {
    fn drop(&mut self) {
        self.code.zeroize();
    }
}
