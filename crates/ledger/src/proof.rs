//! Proof files of C2SP tlog-proof: "this record is in that log", in one text that verifies offline.
//!
//! ```text
//! c2sp.org/tlog-proof@v1
//! extra <base64>                  optional, and authenticated by nothing
//! index <N>
//! <base64 of a hash>              the inclusion proof, from the leaf upward
//! ...
//!
//! <the checkpoint, a signed note, with all its signature lines>
//! ```
//!
//! The record is not in the file: whoever verifies has it from elsewhere.
//!
//! Source: <https://c2sp.org/tlog-proof>, section "Format".

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::Hash;
use crate::checkpoint::{CheckpointError, VerifiedCheckpoint, parse_decimal};
use crate::hashes::{self, Broken};
use crate::logged::LoggedRecord;
use crate::merkle::{ProofError, leaf_hash};
use crate::note::{MAX_NOTE_LEN, NoteVerifier};

pub use crate::hashes::MAX_HASHES;

/// First line of every proof file, without its line feed.
pub const HEADER: &str = "c2sp.org/tlog-proof@v1";
/// The most bytes of extra data.
pub const MAX_EXTRA_LEN: usize = 64 * 1024;

/// Longest file: header, extra data in base64, index, hashes, note.
const MAX_LEN: usize = MAX_NOTE_LEN + MAX_EXTRA_LEN * 4 / 3 + MAX_HASHES * 45 + 256;

/// Why bytes are no proof file, or it does not prove what it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlogProofError {
    /// Longer than such a file can be, or more hashes than a proof can have.
    #[error("the proof file is too long")]
    TooLong,
    /// Not UTF-8, or not [`HEADER`] in the first line.
    #[error("not a proof file of {HEADER}")]
    Header,
    /// The extra line is empty or not canonical base64.
    #[error("the extra data is not base64")]
    Extra,
    /// The line `index <N>` is missing, or N is not a decimal number without leading zeros.
    #[error("the index is missing or malformed")]
    Index,
    /// A line before the empty one is not the base64 of 32 bytes.
    #[error("hash {number} is not the base64 of 32 bytes")]
    Hash {
        /// Which hash, from 1.
        number: usize,
    },
    /// No empty line, or nothing after it.
    #[error("the checkpoint is missing")]
    NoCheckpoint,
    /// The checkpoint is malformed or not signed by the log.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The record is not in the log of that checkpoint.
    #[error(transparent)]
    Proof(#[from] ProofError),
}

/// A proof file. Anyone can have written it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlogProof {
    /// Data of the application's own, which the proof does not cover: never trust it. Not empty when present.
    pub extra: Option<Vec<u8>>,
    /// Index of the record in the log, from 0.
    pub index: u64,
    /// Inclusion proof, siblings from the leaf upward.
    pub hashes: Vec<Hash>,
    /// The checkpoint that the proof leads to, a signed note, byte for byte.
    pub checkpoint: Vec<u8>,
}

impl TlogProof {
    /// The file. Extra data that is empty is left out, since the standard has no line for it.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut text = format!("{HEADER}\n");
        if let Some(extra) = self.extra.as_ref().filter(|extra| !extra.is_empty()) {
            text.push_str("extra ");
            BASE64.encode_string(extra, &mut text);
            text.push('\n');
        }
        text.push_str(&format!("index {}\n", self.index));
        hashes::format(text, &self.hashes, &self.checkpoint)
    }

    /// Parses a file, strictly: every file has one spelling. The checkpoint is taken as it is;
    /// [`TlogProof::verify`] looks into it.
    ///
    /// # Errors
    /// [`TlogProofError`], every variant up to [`TlogProofError::NoCheckpoint`].
    pub fn parse(bytes: &[u8]) -> Result<Self, TlogProofError> {
        if bytes.len() > MAX_LEN {
            return Err(TlogProofError::TooLong);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| TlogProofError::Header)?;
        let rest = text.strip_prefix(HEADER).and_then(|rest| rest.strip_prefix('\n'));
        let mut rest = rest.ok_or(TlogProofError::Header)?;
        let mut line = || {
            let (line, after) = rest.split_once('\n')?;
            rest = after;
            Some(line)
        };
        let mut next = line().ok_or(TlogProofError::Index)?;
        let mut extra = None;
        if let Some(encoded) = next.strip_prefix("extra ") {
            extra = Some(decode_extra(encoded).ok_or(TlogProofError::Extra)?);
            next = line().ok_or(TlogProofError::Index)?;
        }
        let index = next.strip_prefix("index ").and_then(parse_decimal).ok_or(TlogProofError::Index)?;
        let (hashes, checkpoint) = hashes::parse(rest.as_bytes()).map_err(|broken| match broken {
            Broken::Hash { number } => TlogProofError::Hash { number },
            Broken::TooMany => TlogProofError::TooLong,
            Broken::NoNote => TlogProofError::NoCheckpoint,
        })?;
        Ok(Self { extra, index, hashes, checkpoint: checkpoint.to_vec() })
    }

    /// Checks that `log` signed the checkpoint and that `record` stands at the index in it. Cosignatures on the
    /// checkpoint are for the caller to count.
    ///
    /// # Errors
    /// [`TlogProofError::Checkpoint`] or [`TlogProofError::Proof`]; a checkpoint of size 0 proves nothing.
    pub fn verify(&self, record: &[u8], log: &NoteVerifier) -> Result<VerifiedCheckpoint, TlogProofError> {
        let checkpoint = VerifiedCheckpoint::open(&self.checkpoint, log)?;
        checkpoint.verify_inclusion(&leaf_hash(record), self.index, &self.hashes)?;
        Ok(checkpoint)
    }
}

impl From<&LoggedRecord> for TlogProof {
    /// The proof of a logged record, without the record.
    fn from(logged: &LoggedRecord) -> Self {
        let LoggedRecord { record: _, index, inclusion, checkpoint } = logged;
        Self { extra: None, index: *index, hashes: inclusion.clone(), checkpoint: checkpoint.clone() }
    }
}

fn decode_extra(encoded: &str) -> Option<Vec<u8>> {
    let extra = BASE64.decode(encoded).ok()?;
    (1..=MAX_EXTRA_LEN).contains(&extra.len()).then_some(extra)
}
