//! Runs a file of test vectors: `protocol-v1-*.json`, or the RFC 9497 appendix A collection.
//!
//! Every value is computed from the inputs and compared byte for byte, every proof is verified, and what must
//! be refused is tried. A file may have any of the known sections; what a section needs from another one (a
//! bind proof needs an enrollment) must be in the same file.

mod asking;
mod enrolling;
mod evaluating;
mod listing;
mod logging;
mod rfc9497;
mod rotating;
mod values;

use serde_json::Value;
use thiserror::Error;

use crate::BlindError;
use values::Node;

/// Why one check of a vector file failed.
#[derive(Debug, Error)]
pub enum Mismatch {
    /// The file lacks a value.
    #[error("{path} is missing")]
    Missing {
        /// Where in the file.
        path: String,
    },
    /// A value of the file does not have its form.
    #[error("{path} does not have its form")]
    Form {
        /// Where in the file.
        path: String,
    },
    /// What was computed is not what the file says.
    #[error("{path} differs from what was computed")]
    Differs {
        /// Where in the file.
        path: String,
    },
    /// What must be refused was accepted.
    #[error("accepted although it must be refused")]
    Accepted,
    /// What must be accepted was refused by this crate.
    #[error("refused: {0}")]
    Refused(#[from] BlindError),
    /// What must be accepted was refused by the table or the ledger.
    #[error("refused: {0}")]
    Other(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Mismatch {
    fn other(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Other(Box::new(error))
    }
}

/// One check and how it went.
#[derive(Debug)]
pub struct Outcome {
    /// Section and value, e.g. `enroll.pseudonym`.
    pub name: String,
    /// How it went.
    pub result: Result<(), Mismatch>,
}

/// The file cannot be run at all.
#[derive(Debug, Error)]
pub enum ConformanceError {
    /// Not JSON.
    #[error("not a JSON file: {0}")]
    Json(#[from] serde_json::Error),
    /// Neither a vector file of this protocol nor the RFC's.
    #[error("neither vectors of tacit/v1 nor of RFC 9497")]
    Unknown,
}

/// The checks of one run, in order.
#[derive(Default)]
struct Run {
    outcomes: Vec<Outcome>,
}

impl Run {
    fn check(&mut self, name: impl Into<String>, check: impl FnOnce() -> Result<(), Mismatch>) {
        self.outcomes.push(Outcome { name: name.into(), result: check() });
    }

    /// Something that must be refused, whatever the error.
    fn refuse<T, E>(
        &mut self,
        name: impl Into<String>,
        check: impl FnOnce() -> Result<Result<T, E>, Mismatch>,
    ) {
        self.check(name, || match check()? {
            Ok(_) => Err(Mismatch::Accepted),
            Err(_) => Ok(()),
        });
    }

    /// A section whose inputs cannot even be read is one failed check.
    fn section(&mut self, name: &str, section: impl FnOnce(&mut Self) -> Result<(), Mismatch>) {
        if let Err(error) = section(self) {
            self.outcomes.push(Outcome { name: name.to_owned(), result: Err(error) });
        }
    }
}

/// Runs every check that the file has values for.
///
/// # Errors
/// [`ConformanceError`] if the text is no vector file. A failed check is an [`Outcome`], not an error.
pub fn run(text: &str) -> Result<Vec<Outcome>, ConformanceError> {
    let value: Value = serde_json::from_str(text)?;
    let mut run = Run::default();
    if value.is_array() {
        rfc9497::run(&mut run, &Node::root(&value));
    } else if value.get("protocol").and_then(Value::as_str) == Some(crate::PROTOCOL) {
        let file = Node::root(&value);
        let has = |name: &str| value.get(name).is_some();
        for (name, section) in SECTIONS {
            if has(name) {
                run.section(name, |run| section(run, &file));
            }
        }
    } else {
        return Err(ConformanceError::Unknown);
    }
    if run.outcomes.is_empty() { Err(ConformanceError::Unknown) } else { Ok(run.outcomes) }
}

type Section = fn(&mut Run, &Node<'_>) -> Result<(), Mismatch>;

const SECTIONS: [(&str, Section); 13] = [
    ("subject", enrolling::subject),
    ("enroll", enrolling::enroll),
    ("rotate", rotating::rotate),
    ("bind", asking::bind),
    ("consent", asking::consent),
    ("evaluate", evaluating::evaluate),
    ("seal", listing::seal),
    ("table", listing::table),
    ("manifest", listing::manifest),
    ("records", logging::records),
    ("openings", logging::openings),
    ("checkpoint", logging::checkpoint),
    ("encodings", enrolling::encodings),
];
