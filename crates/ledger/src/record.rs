//! Records: the leaves of the log, as exact bytes.
//!
//! ```text
//! tacit-log/v1
//! kind <kind>
//! id <ULID>
//! time <RFC 3339, ms, Z>
//! <field> <value>
//! ...
//! ```
//!
//! Fields come in one order, each once, each line ending in LF, and nothing follows. A value has one
//! spelling: two different byte strings are never the same record. So `parse(to_bytes(r)) = r` and
//! `to_bytes(parse(b)) = b`, and any deviation is an error with the name of the field.
//!
//! Every kind is declared once, in `kinds.rs`; struct, parser and writer come from that one table.

mod fields;
mod kinds;

pub use kinds::{
    Access, Audit, BoxOpened, Consent, Demand, Enrollment, Erasure, Export, Manifest, Measure, Notice,
    Record, Refused, Registry,
};

/// First line of every record, without its line feed.
pub const HEADER: &str = "tacit-log/v1";
/// The longest record, in bytes. Sixteen lists with the longest names need less than half.
pub const MAX_RECORD_LEN: usize = 8192;
/// The most lists one record names (docs/PROTOCOL.md: 16 lists an item).
pub const MAX_LISTS: usize = 16;
/// A permit ends at most this long after its record's time, in milliseconds.
pub const MAX_PERMIT_MS: u64 = 60_000;
/// The states of a consent that records may name.
pub const CONSENT_STATES: [&str; 8] =
    ["requested", "given", "refused", "paused", "resumed", "renewed", "withdrawn", "expired"];
/// The steps on the way to an opened audit box.
pub const BOX_STEPS: [&str; 3] = ["requested", "approved", "read"];
/// Why what opens records was erased: retention-over beside the grounds of Regulation (EU) 2016/679, article 17(1)(a)
/// to (e), which those of the Personal Information Protection Law of the PRC, article 47, fall under too.
pub const ERASURE_GROUNDS: [&str; 6] =
    ["retention-over", "no-longer-needed", "consent-withdrawn", "objection", "unlawful", "legal-obligation"];

/// The states of a measure that records may name.
pub const MEASURE_STATES: [&str; 2] = ["registered", "lifted"];

/// A measure ends by itself at most this long after its registration, in milliseconds: 100 years.
pub const MAX_MEASURE_MS: u64 = 100 * 366 * 86_400_000;

/// Why bytes are no record, or values cannot become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Longer than [`MAX_RECORD_LEN`].
    #[error("a record has at most {MAX_RECORD_LEN} bytes")]
    TooLong,
    /// The first line is not [`HEADER`].
    #[error("not a record of {HEADER}")]
    Header,
    /// The kind is none of those known here.
    #[error("the kind of the record is not known")]
    UnknownKind,
    /// The named line is missing, out of order, or its value is not of the form required.
    #[error("field {0} is missing, out of place or malformed")]
    Field(&'static str),
    /// Bytes follow the last field.
    #[error("bytes follow the last field")]
    Trailing,
    /// Each field is well formed, but the named one contradicts another.
    #[error("field {0} contradicts another field")]
    Contradiction(&'static str),
}

/// The record is of another kind than the one asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a record of kind {expected} was needed, this is of kind {found}")]
pub struct WrongKind {
    /// Kind asked for.
    pub expected: &'static str,
    /// Kind of the record.
    pub found: &'static str,
}

/// A list as a permit names it: which version's table the answer will be found in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListAt {
    /// List id, `<holder>/<name>`.
    pub list: String,
    /// List epoch.
    pub epoch: u64,
    /// Latest version of the list's manifest that was in the log when the permit was given.
    pub version: u64,
}

impl Record {
    /// Parses the bytes of a record, strictly.
    ///
    /// # Errors
    /// [`RecordError`]. Never panics, whatever the bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, RecordError> {
        if bytes.len() > MAX_RECORD_LEN {
            return Err(RecordError::TooLong);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| RecordError::Header)?;
        let mut reader = fields::Reader::new(text);
        reader.header()?;
        let kind = reader.value("kind")?;
        let record = Self::parse_kind(kind, &mut reader)?;
        reader.finish()?;
        Ok(record)
    }
}
