//! What a witness is asked with C2SP tlog-witness: a checkpoint, and the proof that it continues an older one.
//!
//! ```text
//! old <size that the proof begins at>
//! <base64 of a hash>              the consistency proof, at most 63 lines; none from size 0
//! ...
//!
//! <the checkpoint, a signed note, with all its signature lines>
//! ```
//!
//! Source: <https://c2sp.org/tlog-witness>, section "add-checkpoint".

use crate::Hash;
use crate::checkpoint::parse_decimal;
use crate::hashes::{self, Broken};
use crate::note::MAX_NOTE_LEN;

pub use crate::hashes::MAX_HASHES;

/// The longest body: the first line, the proof, the empty line, the note.
pub const MAX_LEN: usize = 32 + MAX_HASHES * 45 + 1 + MAX_NOTE_LEN;

/// Why bytes are no such request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubmissionError {
    /// Longer than [`MAX_LEN`].
    #[error("the request is longer than {MAX_LEN} bytes")]
    TooLong,
    /// The first line is not `old`, a space, and a decimal number without leading zeros.
    #[error("the first line is not `old` and a size")]
    Old,
    /// A line before the empty one is not the base64 of 32 bytes.
    #[error("hash {number} is not the base64 of 32 bytes")]
    Hash {
        /// Which hash, from 1.
        number: usize,
    },
    /// More than [`MAX_HASHES`] hashes.
    #[error("the proof has more than {MAX_HASHES} lines")]
    TooManyHashes,
    /// No empty line, or nothing after it.
    #[error("the checkpoint is missing")]
    NoCheckpoint,
}

/// A request to cosign a checkpoint. Anyone can have written it; the checkpoint is taken as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submission {
    /// Size of the tree that the proof begins at: the newest one that the witness has.
    pub old_size: u64,
    /// Consistency proof from that size to the checkpoint's (RFC 6962, section 2.1.2).
    pub proof: Vec<Hash>,
    /// The checkpoint, a signed note, byte for byte.
    pub checkpoint: Vec<u8>,
}

impl Submission {
    /// The body of the request.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        hashes::format(format!("old {}\n", self.old_size), &self.proof, &self.checkpoint)
    }

    /// Parses a body, strictly: every request has one spelling.
    ///
    /// # Errors
    /// [`SubmissionError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, SubmissionError> {
        if bytes.len() > MAX_LEN {
            return Err(SubmissionError::TooLong);
        }
        let mut rest = bytes;
        let first = hashes::line(&mut rest).and_then(|line| std::str::from_utf8(line).ok());
        let old_size = first
            .and_then(|first| first.strip_prefix("old "))
            .and_then(parse_decimal)
            .ok_or(SubmissionError::Old)?;
        let (proof, checkpoint) = hashes::parse(rest).map_err(|broken| match broken {
            Broken::Hash { number } => SubmissionError::Hash { number },
            Broken::TooMany => SubmissionError::TooManyHashes,
            Broken::NoNote => SubmissionError::NoCheckpoint,
        })?;
        Ok(Self { old_size, proof, checkpoint: checkpoint.to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD as BASE64;

    use super::*;

    const NOTE: &[u8] = b"c/log\n1\nAAAA\n\n\xe2\x80\x94 c/log AAAA\n";

    #[test]
    fn a_request_reads_back_as_itself() {
        for hashes in [0, 1, MAX_HASHES] {
            let proof = vec![[7; 32]; hashes];
            let submission = Submission { old_size: 20_852_014, proof, checkpoint: NOTE.to_vec() };
            assert_eq!(Submission::parse(&submission.to_bytes()), Ok(submission));
        }
    }

    #[test]
    fn a_request_has_one_spelling_and_at_most_63_hashes() {
        let hash = BASE64.encode([7; 32]);
        let with = |head: &str| [head.as_bytes(), NOTE].concat();
        assert!(Submission::parse(&with(&format!("old 0\n{hash}\n\n"))).is_ok());
        let many =
            Submission { old_size: 1, proof: vec![[0; 32]; MAX_HASHES + 1], checkpoint: NOTE.to_vec() };
        assert_eq!(Submission::parse(&many.to_bytes()), Err(SubmissionError::TooManyHashes));
        assert_eq!(Submission::parse(&vec![b'x'; MAX_LEN + 1]), Err(SubmissionError::TooLong));
        for head in [
            "",
            "\n",
            "old\n\n",
            "old \n\n",
            "old 01\n\n",
            "old +1\n\n",
            "old -1\n\n",
            "old  1\n\n",
            "Old 1\n\n",
            "old 1 \n\n",
            "old 1\r\n\n",
            "old 18446744073709551616\n\n",
            " old 1\n\n",
            "1\n\n",
        ] {
            assert_eq!(Submission::parse(&with(head)), Err(SubmissionError::Old), "{head:?}");
        }
        for line in ["AAAA", " ", &hash[..43], &format!("{hash} "), &format!("{}_", &hash[..43]), "\r"] {
            let failed = Err(SubmissionError::Hash { number: 2 });
            assert_eq!(Submission::parse(&with(&format!("old 1\n{hash}\n{line}\n\n"))), failed, "{line:?}");
        }
        for short in ["old 1", "old 1\n", "old 1\n\n"] {
            let due =
                if short.ends_with('\n') { SubmissionError::NoCheckpoint } else { SubmissionError::Old };
            assert_eq!(Submission::parse(short.as_bytes()), Err(due), "{short:?}");
        }
    }
}
