//! Opening the checkpoints of one log, each signature verified once.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use super::{CheckpointError, VerifiedCheckpoint};
use crate::note::NoteVerifier;

/// Checkpoints remembered: those of the commits that are under way somewhere.
const REMEMBERED: usize = 32;

/// Opens checkpoints of one log. Many records are proven under one checkpoint, and it comes along with each of
/// them: a note with the very bytes of one that was verified lately is not verified again.
#[derive(Debug)]
pub struct CheckpointOpener {
    log: NoteVerifier,
    /// The newest last.
    recent: Mutex<VecDeque<VerifiedCheckpoint>>,
}

impl CheckpointOpener {
    /// For the log with this key.
    #[must_use]
    pub fn new(log: NoteVerifier) -> Self {
        Self { log, recent: Mutex::default() }
    }

    /// The log's key.
    #[must_use]
    pub fn log(&self) -> &NoteVerifier {
        &self.log
    }

    /// As [`VerifiedCheckpoint::open`].
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn open(&self, note: &[u8]) -> Result<VerifiedCheckpoint, CheckpointError> {
        if let Some(known) = self.recent().iter().rev().find(|known| known.note() == note) {
            return Ok(known.clone());
        }
        let checkpoint = VerifiedCheckpoint::open(note, &self.log)?;
        let mut recent = self.recent();
        if recent.len() == REMEMBERED {
            recent.pop_front();
        }
        recent.push_back(checkpoint.clone());
        Ok(checkpoint)
    }

    // Nothing can panic while the lock is held.
    fn recent(&self) -> std::sync::MutexGuard<'_, VecDeque<VerifiedCheckpoint>> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
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

    fn checkpoint(size: u64, signer: &NoteSigner) -> VerifiedCheckpoint {
        Checkpoint { origin: "c/log".to_owned(), size, root: [7; 32] }.sign(signer).unwrap()
    }

    #[test]
    fn what_was_opened_before_is_opened_again_and_nothing_else() {
        let ours = signer(1);
        let opener = CheckpointOpener::new(ours.verifier().clone());
        for size in 1..=2 * REMEMBERED as u64 {
            let signed = checkpoint(size, &ours);
            assert_eq!(opener.open(signed.note()).unwrap(), signed);
            assert_eq!(opener.open(signed.note()).unwrap(), signed);
            let mut altered = signed.note().to_vec();
            let last = altered.len() - 3;
            altered[last] ^= 1;
            assert!(opener.open(&altered).is_err());
        }
        assert!(opener.open(checkpoint(1, &signer(2)).note()).is_err(), "another log's key");
        assert_eq!(opener.recent().len(), REMEMBERED);
    }
}
