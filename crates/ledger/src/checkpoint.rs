//! Checkpoints: the signed size and root of a log.
//!
//! ```text
//! <coordinator>/log
//! <size, decimal>
//! <root, base64>
//! ```
//!
//! Source: <https://c2sp.org/tlog-checkpoint>. Extension lines, which the standard allows and does not
//! recommend, are refused: nobody could audit them.

mod opener;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::merkle::{ProofError, empty_root, verify_consistency, verify_inclusion};
use crate::note::{Note, NoteError, NoteSigner, NoteVerifier, check_text, format_line};
use crate::{Hash, MAX_SIZE};

pub use opener::CheckpointOpener;

/// Why a checkpoint is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// The note is malformed, or not signed by the log.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The text is not exactly three lines.
    #[error("a checkpoint has three lines")]
    Lines,
    /// The origin is empty, or not the name of the key that signed.
    #[error("the origin is not the name of the log's key")]
    Origin,
    /// The size is not a decimal number without leading zeros, at most [`MAX_SIZE`].
    #[error("the size is not a decimal number up to {MAX_SIZE}")]
    Size,
    /// The root is not the base64 of 32 bytes, or not the empty root in a tree of size 0.
    #[error("the root is not the base64 of a possible root")]
    Root,
}

/// The head of a log: bytes from outside, until it is a [`VerifiedCheckpoint`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log: equal to the name of the key that signs, `<coordinator>/log`.
    pub origin: String,
    /// Number of records.
    pub size: u64,
    /// Root of the tree over them.
    pub root: Hash,
}

impl Checkpoint {
    /// The text that is signed: three lines.
    #[must_use]
    pub fn to_text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, BASE64.encode(self.root))
    }

    /// Parses such a text. Says nothing about who wrote it.
    ///
    /// # Errors
    /// [`CheckpointError`] for every other text.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        check_text(text)?;
        let mut lines = text.split_terminator('\n');
        let (Some(origin), Some(size), Some(root), None) =
            (lines.next(), lines.next(), lines.next(), lines.next())
        else {
            return Err(CheckpointError::Lines);
        };
        if origin.is_empty() {
            return Err(CheckpointError::Origin);
        }
        let size: u64 = parse_decimal(size).filter(|size| *size <= MAX_SIZE).ok_or(CheckpointError::Size)?;
        let root = decode_hash(root).ok_or(CheckpointError::Root)?;
        if size == 0 && root != empty_root() {
            return Err(CheckpointError::Root);
        }
        Ok(Self { origin: origin.to_owned(), size, root })
    }

    /// Signs the checkpoint: the note that the log publishes.
    ///
    /// # Errors
    /// [`CheckpointError::Origin`] unless the signer has the name of the log.
    pub fn sign(&self, log: &NoteSigner) -> Result<VerifiedCheckpoint, CheckpointError> {
        if self.origin != log.verifier().name() {
            return Err(CheckpointError::Origin);
        }
        let note = log.sign(&self.to_text())?;
        Ok(VerifiedCheckpoint(Arc::new(Inner { checkpoint: self.clone(), note: note.into_bytes() })))
    }
}

/// A checkpoint that the log signed, with the note that proves it. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedCheckpoint(Arc<Inner>);

#[derive(Debug, PartialEq, Eq)]
struct Inner {
    checkpoint: Checkpoint,
    note: Vec<u8>,
}

impl VerifiedCheckpoint {
    /// Parses a note and checks that `log` signed it and is the origin it names. One signature
    /// verification; signatures of others on the same note are ignored.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn open(note: &[u8], log: &NoteVerifier) -> Result<Self, CheckpointError> {
        let checkpoint = Checkpoint::parse(log.open(note)?)?;
        if checkpoint.origin != log.name() {
            return Err(CheckpointError::Origin);
        }
        Ok(Self(Arc::new(Inner { checkpoint, note: note.to_vec() })))
    }

    /// What was signed.
    #[must_use]
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.0.checkpoint
    }

    /// Number of records.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.0.checkpoint.size
    }

    /// Root of the tree.
    #[must_use]
    pub fn root(&self) -> &Hash {
        &self.0.checkpoint.root
    }

    /// The signed note, byte for byte as it came.
    #[must_use]
    pub fn note(&self) -> &[u8] {
        &self.0.note
    }

    /// The same without the signature lines of others, which anybody can add: what is to be kept. `log` is the key
    /// that verified it.
    #[must_use]
    pub fn bare(&self, log: &NoteVerifier) -> Self {
        let bare =
            Note::parse(self.note()).ok().filter(|note| note.signatures().len() > 1).and_then(|note| {
                let line = note.signature_of(log.name(), log.key_id()).ok()??;
                Some(format!("{}\n{}", note.text(), format_line(line.name, line.key_id, &line.signature)))
            });
        match bare {
            Some(note) => {
                Self(Arc::new(Inner { checkpoint: self.checkpoint().clone(), note: note.into_bytes() }))
            }
            None => self.clone(),
        }
    }

    /// Checks that the leaf with hash `leaf` is record `index` of this log.
    ///
    /// # Errors
    /// [`ProofError`].
    pub fn verify_inclusion(&self, leaf: &Hash, index: u64, proof: &[Hash]) -> Result<(), ProofError> {
        verify_inclusion(leaf, index, proof, self.size(), self.root())
    }

    /// Checks that this log begins with the whole of the log at `older`. Both must be of one origin, which
    /// they are when one key verified them.
    ///
    /// # Errors
    /// [`ProofError`]; [`ProofError::Fork`] means that the two notes themselves are evidence against the
    /// log. An older checkpoint of size 0 proves nothing and is refused.
    pub fn verify_extends(&self, older: &Self, proof: &[Hash]) -> Result<(), ProofError> {
        verify_consistency(older.size(), older.root(), self.size(), self.root(), proof)
    }
}

/// A decimal number as we write it: no sign, no leading zero.
pub(crate) fn parse_decimal<T: std::str::FromStr>(text: &str) -> Option<T> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits || (text.len() > 1 && text.starts_with('0')) {
        return None;
    }
    text.parse().ok()
}

/// 32 bytes in canonical, padded base64 (44 characters).
pub(crate) fn decode_hash(text: &str) -> Option<Hash> {
    // The decoder wants room for a full last group of three.
    let mut bytes = [0; 33];
    if text.len() != 44 {
        return None;
    }
    let length = BASE64.decode_slice(text, &mut bytes).ok()?;
    bytes[..length].try_into().ok()
}
