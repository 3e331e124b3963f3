//! Evidence that a log was forked: two checkpoints that one key signed and that cannot both be of one log.
//!
//! It convinces anyone who knows the log's public key, without a network and without trust in whoever shows it.
//! Two forms:
//!
//! - two different roots of one size: the two signed notes alone are the proof;
//! - a consistency proof that the log itself served between two of its checkpoints and that does not verify. Only
//!   who asked knows that the log served it, so this form is a reason to stop, and no proof for others. From a
//!   log's full tiles anyone can then see which of the two checkpoints they belong to.

use crate::checkpoint::{CheckpointError, VerifiedCheckpoint};
use crate::note::NoteVerifier;

/// First line of a file of evidence.
const HEADER: &str = "tacit-fork/v1\n";

/// Line between the two notes. No line of a checkpoint or of its signatures is this one.
const BETWEEN: &str = "--\n";

/// Two checkpoints of one log, as signed notes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForkEvidence {
    /// One signed note.
    pub first: String,
    /// The other.
    pub second: String,
}

/// What evidence shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fork {
    /// Size of both trees, in records.
    pub size: u64,
    /// The first's root.
    pub first: crate::Hash,
    /// The second's root.
    pub second: crate::Hash,
}

/// Why evidence is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvidenceError {
    /// It is no file of evidence.
    #[error("not a file of evidence: it must be `tacit-fork/v1`, a signed note, `--`, and a signed note")]
    Format,
    /// One of the notes is not signed by the log.
    #[error("a note is not a checkpoint of this log: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// They are of different sizes: one may continue the other.
    #[error("the checkpoints are of {0} and {1} records: one log can have both")]
    DifferentSizes(u64, u64),
    /// They say the same.
    #[error("both checkpoints have the same root: one log can have both")]
    SameRoot,
}

impl ForkEvidence {
    /// Puts two checkpoints beside each other.
    #[must_use]
    pub fn new(first: &VerifiedCheckpoint, second: &VerifiedCheckpoint) -> Self {
        let text = |checkpoint: &VerifiedCheckpoint| String::from_utf8_lossy(checkpoint.note()).into_owned();
        Self { first: text(first), second: text(second) }
    }

    /// The file's text: `tacit-fork/v1`, the first note, a line `--`, the second note.
    #[must_use]
    pub fn to_text(&self) -> String {
        format!("{HEADER}{}{BETWEEN}{}", self.first, self.second)
    }

    /// Parses the file's text.
    ///
    /// # Errors
    /// [`EvidenceError::Format`].
    pub fn parse(text: &str) -> Result<Self, EvidenceError> {
        let notes = text.strip_prefix(HEADER).ok_or(EvidenceError::Format)?;
        // With the line feed before it, so that only a whole line counts.
        let (first, second) = notes.split_once(&format!("\n{BETWEEN}")).ok_or(EvidenceError::Format)?;
        Ok(Self { first: format!("{first}\n"), second: second.to_owned() })
    }

    /// Checks that the log's key signed two different roots of one size.
    ///
    /// # Errors
    /// [`EvidenceError`].
    pub fn verify(&self, log: &NoteVerifier) -> Result<Fork, EvidenceError> {
        let first = VerifiedCheckpoint::open(self.first.as_bytes(), log)?;
        let second = VerifiedCheckpoint::open(self.second.as_bytes(), log)?;
        if first.size() != second.size() {
            return Err(EvidenceError::DifferentSizes(first.size(), second.size()));
        }
        if first.root() == second.root() {
            return Err(EvidenceError::SameRoot);
        }
        Ok(Fork { size: first.size(), first: *first.root(), second: *second.root() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::Checkpoint;
    use crate::ed25519::SigningKey;
    use crate::note::NoteSigner;

    fn signer(seed: u8) -> NoteSigner {
        NoteSigner::new("c/log", SigningKey::from_seed(&[seed; 32])).unwrap()
    }

    fn signed(size: u64, root: u8, signer: &NoteSigner) -> VerifiedCheckpoint {
        Checkpoint { origin: "c/log".to_owned(), size, root: [root; 32] }.sign(signer).unwrap()
    }

    #[test]
    fn two_roots_of_one_size_convict_the_log_and_nothing_else_does() {
        let log = signer(1);
        let key = log.verifier();
        let evidence = |a: &VerifiedCheckpoint, b: &VerifiedCheckpoint| ForkEvidence::new(a, b).verify(key);
        let one = signed(5, 1, &log);
        let fork = evidence(&one, &signed(5, 2, &log)).unwrap();
        assert_eq!((fork.size, fork.first, fork.second), (5, [1; 32], [2; 32]));
        assert_eq!(evidence(&one, &one), Err(EvidenceError::SameRoot));
        assert_eq!(evidence(&one, &signed(6, 2, &log)), Err(EvidenceError::DifferentSizes(5, 6)));
        assert!(matches!(evidence(&one, &signed(5, 2, &signer(2))), Err(EvidenceError::Checkpoint(_))));
    }

    #[test]
    fn a_file_of_evidence_is_read_as_it_was_written() {
        let log = signer(1);
        let evidence = ForkEvidence::new(&signed(5, 1, &log), &signed(5, 2, &log));
        let read = ForkEvidence::parse(&evidence.to_text()).unwrap();
        assert_eq!(read, evidence);
        assert!(read.verify(log.verifier()).is_ok());
        for broken in ["", "tacit-fork/v1\n", "tacit-fork/v1\na\n", "tacit-fork/v2\na\n--\nb\n"] {
            assert_eq!(ForkEvidence::parse(broken), Err(EvidenceError::Format), "{broken:?}");
        }
    }
}
