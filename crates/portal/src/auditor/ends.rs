//! The auditor's own end: what it reads the log with, what only the coordinator can count, and the keys with which two
//! auditors open a box together.

use std::{fmt, future::Future, path::PathBuf, pin::Pin, sync::Arc};

use tacit_client::{Auditor, AuditorSecretKey, Findings, LogReader};
use tacit_ledger::{ed25519::SigningKey, note::NoteVerifier};
use tacit_model::Reason;

use crate::{api::Trouble, visit::Fault};

/// An auditor's identity at the coordinator, under the newest registry.
#[derive(Debug)]
pub struct End {
    /// Follows, counts, puts exports on record; it holds the registry.
    pub auditor: Auditor,
    /// Reads the log.
    pub log: LogReader,
    /// The pinned key of the log.
    pub log_key: NoteVerifier,
    /// Where the newest verified checkpoint is kept, which the next start begins with.
    pub checkpoint: PathBuf,
    /// Its own key of the audit boxes, when it has one.
    pub opens: Option<AuditorSecretKey>,
    /// What it asks for openings and approves them with, when it does so at a desk.
    pub signs: Option<SigningKey>,
}

impl End {
    /// What it opens boxes and answers with.
    pub(super) fn opens(&self) -> Result<&AuditorSecretKey, Fault> {
        self.opens.as_ref().ok_or_else(no_key)
    }

    /// What it signs openings with.
    pub(super) fn signs(&self) -> Result<&SigningKey, Fault> {
        self.signs.as_ref().ok_or_else(no_key)
    }

    /// What was found by this auditor, here or on the command line.
    pub(super) fn findings(&self) -> Findings {
        Findings::beside(&self.checkpoint)
    }
}

/// This desk was not set up for what is asked of it.
fn no_key() -> Fault {
    Fault::Trouble(Trouble::new(Reason::ConfigInvalid.as_str(), String::new()))
}

/// What making an end gives, or why there is none now.
pub type Ending = Pin<Box<dyn Future<Output = Result<End, String>> + Send>>;

/// Makes ends: at the start, and anew when the log has a newer registry.
#[derive(Clone)]
pub struct Ends(Arc<dyn Fn() -> Ending + Send + Sync>);

impl fmt::Debug for Ends {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ends(..)")
    }
}

impl Ends {
    /// From whoever reads the auditor's configuration.
    pub fn new(make: impl Fn() -> Ending + Send + Sync + 'static) -> Self {
        Self(Arc::new(make))
    }

    pub(super) async fn make(&self) -> Result<End, String> {
        (self.0)().await
    }
}
