//! A quorum of witnesses, and the checkpoints that it stands behind.
//!
//! ```text
//! note of the log + cosignature lines --WitnessSet::open--> CosignedCheckpoint { checkpoint, time_s }
//! ```
//!
//! The quorum is more than half of the set, so two quorums share a witness, and an honest witness never cosigns
//! two branches: whoever sees cosigned checkpoints only, sees one log.

use std::collections::BTreeMap;

use crate::checkpoint::{CheckpointError, VerifiedCheckpoint};
use crate::cosignature::CosignatureVerifier;
use crate::note::{Note, NoteVerifier};

/// The oldest that the quorum's cosignatures may be when something is decided by them, in seconds.
pub const FRESH_S: u64 = 600;

/// How far a witness' clock may be ahead of the reader's, in seconds.
pub const AHEAD_S: u64 = 60;

/// Why a note is not a cosigned checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuorumError {
    /// The log did not sign it, or it is no checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// Too few witnesses cosigned it.
    #[error("{found} of the witnesses cosigned the checkpoint, {needed} are needed")]
    TooFew {
        /// Valid cosignatures of different witnesses.
        found: usize,
        /// How many make a quorum.
        needed: usize,
    },
    /// The quorum's cosignatures are older than [`FRESH_S`].
    #[error("the quorum's cosignatures are {age_s} s old, at most {FRESH_S} s are allowed")]
    Stale {
        /// Age of the oldest one that the quorum needs.
        age_s: u64,
    },
}

/// Why a set of witnesses is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WitnessSetError {
    /// Nobody is in it.
    #[error("no witness is in the set")]
    Empty,
    /// One name or one key twice would count twice.
    #[error("two witnesses share a name or a key")]
    Repeated,
}

/// When witnesses cosigned, in seconds since 1970-01-01T00:00:00Z, each with its key name.
pub type Times<'a> = Vec<(u64, &'a str)>;

/// The witnesses whose majority counts: the holders and the custodian of one registry version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WitnessSet {
    /// By key name.
    witnesses: BTreeMap<String, CosignatureVerifier>,
}

impl WitnessSet {
    /// A set of at least one witness, of different names and keys.
    ///
    /// # Errors
    /// [`WitnessSetError`].
    pub fn new(witnesses: impl IntoIterator<Item = CosignatureVerifier>) -> Result<Self, WitnessSetError> {
        let mut set = BTreeMap::<String, CosignatureVerifier>::new();
        for witness in witnesses {
            let repeated = set.values().any(|other| other.key() == witness.key());
            if repeated || set.insert(witness.name().to_owned(), witness).is_some() {
                return Err(WitnessSetError::Repeated);
            }
        }
        if set.is_empty() {
            return Err(WitnessSetError::Empty);
        }
        Ok(Self { witnesses: set })
    }

    /// How many cosignatures make a quorum: more than half.
    #[must_use]
    pub fn quorum(&self) -> usize {
        self.witnesses.len() / 2 + 1
    }

    /// The witness with this key name, as in `<member>/witness`.
    #[must_use]
    pub fn witness(&self, name: &str) -> Option<&CosignatureVerifier> {
        self.witnesses.get(name)
    }

    /// All witnesses, by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &CosignatureVerifier> {
        self.witnesses.values()
    }

    /// When each witness that cosigned a note says that it did, in seconds since 1970-01-01T00:00:00Z, with its key
    /// name. What does not verify is left out; nothing is counted.
    ///
    /// # Errors
    /// [`QuorumError::Checkpoint`] when the log did not sign it.
    pub fn times(
        &self,
        note: &[u8],
        log: &NoteVerifier,
    ) -> Result<(VerifiedCheckpoint, Times<'_>), QuorumError> {
        let checkpoint = VerifiedCheckpoint::open(note, log)?;
        let parsed = Note::parse(note).map_err(CheckpointError::from)?;
        let told = |witness: &'_ CosignatureVerifier| Some(witness.verify(&parsed).ok()?.time_s());
        let times = self.witnesses.iter().filter_map(|(name, it)| Some((told(it)?, name.as_str())));
        let times = times.collect();
        Ok((checkpoint, times))
    }

    /// Parses a note that the log signed and a quorum cosigned. A cosignature from more than [`AHEAD_S`] after
    /// `now_s` (seconds since 1970-01-01T00:00:00Z) does not count, nor one that does not verify; lines of others
    /// are ignored.
    ///
    /// # Errors
    /// [`QuorumError::Checkpoint`], [`QuorumError::TooFew`]. How old the cosignatures may be is for
    /// [`CosignedCheckpoint::check_fresh`].
    pub fn open(
        &self,
        note: &[u8],
        log: &NoteVerifier,
        now_s: u64,
    ) -> Result<CosignedCheckpoint, QuorumError> {
        let (checkpoint, mut cosigned) = self.times(note, log)?;
        cosigned.retain(|(time_s, _)| *time_s <= now_s.saturating_add(AHEAD_S));
        // The newest first: the quorum is as old as the last one that it needs.
        cosigned.sort_unstable_by(|a, b| b.cmp(a));
        let needed = self.quorum();
        let (time_s, _) =
            *cosigned.get(needed - 1).ok_or(QuorumError::TooFew { found: cosigned.len(), needed })?;
        let witnesses = cosigned.into_iter().map(|(_, name)| name.to_owned()).collect();
        Ok(CosignedCheckpoint { checkpoint, time_s, witnesses })
    }
}

/// A checkpoint that a quorum of witnesses cosigned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CosignedCheckpoint {
    checkpoint: VerifiedCheckpoint,
    time_s: u64,
    witnesses: Vec<String>,
}

impl CosignedCheckpoint {
    /// The checkpoint; its note has the cosignatures on it.
    #[must_use]
    pub fn checkpoint(&self) -> &VerifiedCheckpoint {
        &self.checkpoint
    }

    /// When the quorum stood behind it: the time of the oldest cosignature that it needs, in seconds since
    /// 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn time_s(&self) -> u64 {
        self.time_s
    }

    /// Key names of all that cosigned it, the latest first.
    #[must_use]
    pub fn witnesses(&self) -> &[String] {
        &self.witnesses
    }

    /// Checks that something may still be decided by it at `now_s`.
    ///
    /// # Errors
    /// [`QuorumError::Stale`].
    pub fn check_fresh(&self, now_s: u64) -> Result<(), QuorumError> {
        let age_s = now_s.saturating_sub(self.time_s);
        if age_s > FRESH_S { Err(QuorumError::Stale { age_s }) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::Checkpoint;
    use crate::cosignature::CosignatureSigner;
    use crate::ed25519::SigningKey;
    use crate::note::{NoteSigner, attach_line};

    const NOW: u64 = 1_800_000_000;

    fn witness(name: &str, seed: u8) -> CosignatureSigner {
        CosignatureSigner::new(name, SigningKey::from_seed(&[seed; 32])).unwrap()
    }

    struct Scene {
        log: NoteSigner,
        signers: Vec<CosignatureSigner>,
        set: WitnessSet,
    }

    fn scene(count: u8) -> Scene {
        let signers: Vec<_> = (0..count).map(|n| witness(&format!("m{n}/witness"), 10 + n)).collect();
        let set = WitnessSet::new(signers.iter().map(|signer| signer.verifier().clone())).unwrap();
        Scene { log: NoteSigner::new("c/log", SigningKey::from_seed(&[1; 32])).unwrap(), signers, set }
    }

    impl Scene {
        /// A checkpoint cosigned by the first witnesses at these times.
        fn note(&self, times: &[u64]) -> Vec<u8> {
            let checkpoint = Checkpoint { origin: "c/log".to_owned(), size: 7, root: [9; 32] };
            let signed = checkpoint.sign(&self.log).unwrap();
            let mut note = String::from_utf8(signed.note().to_vec()).unwrap();
            for (signer, time) in self.signers.iter().zip(times) {
                note = attach_line(&note, &signer.cosign(&signed, *time).unwrap()).unwrap();
            }
            note.into_bytes()
        }

        fn open(&self, note: &[u8]) -> Result<CosignedCheckpoint, QuorumError> {
            self.set.open(note, self.log.verifier(), NOW)
        }
    }

    #[test]
    fn a_quorum_is_more_than_half() {
        for (witnesses, quorum) in [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3)] {
            let scene = scene(witnesses);
            assert_eq!(scene.set.quorum(), quorum);
            let enough = scene.open(&scene.note(&vec![NOW; quorum])).unwrap();
            assert_eq!((enough.witnesses().len(), enough.checkpoint().size()), (quorum, 7));
            let few = scene.open(&scene.note(&vec![NOW; quorum - 1]));
            assert_eq!(few, Err(QuorumError::TooFew { found: quorum - 1, needed: quorum }));
        }
    }

    #[test]
    fn the_quorum_is_as_old_as_the_oldest_cosignature_that_it_needs() {
        let scene = scene(5);
        let cosigned = scene.open(&scene.note(&[NOW - 900, NOW - 10, NOW - 700, NOW - 601, NOW])).unwrap();
        assert_eq!(cosigned.time_s(), NOW - 601);
        assert_eq!(cosigned.check_fresh(NOW), Err(QuorumError::Stale { age_s: 601 }));
        assert_eq!(cosigned.check_fresh(NOW - 1), Ok(()));
        let cosigned = scene.open(&scene.note(&[NOW - 900, NOW - 10, NOW - 700, NOW - 600, NOW])).unwrap();
        assert_eq!(cosigned.check_fresh(NOW), Ok(()));
    }

    #[test]
    fn cosignatures_from_the_future_do_not_count() {
        let scene = scene(3);
        assert!(scene.open(&scene.note(&[NOW, NOW + AHEAD_S])).is_ok());
        let found = scene.open(&scene.note(&[NOW, NOW + AHEAD_S + 1]));
        assert_eq!(found, Err(QuorumError::TooFew { found: 1, needed: 2 }));
    }

    #[test]
    fn strangers_and_broken_cosignatures_do_not_count() {
        let scene = scene(3);
        let stranger = witness("x/witness", 99);
        let pretender = witness("m1/witness", 98);
        let note = String::from_utf8(scene.note(&[NOW])).unwrap();
        let signed = VerifiedCheckpoint::open(note.as_bytes(), scene.log.verifier()).unwrap();
        let mut other = Checkpoint { size: 8, ..signed.checkpoint().clone() };
        other.root = [8; 32];
        let of_another = scene.signers[1].cosign(&other.sign(&scene.log).unwrap(), NOW).unwrap();
        for line in
            [stranger.cosign(&signed, NOW).unwrap(), pretender.cosign(&signed, NOW).unwrap(), of_another]
        {
            let note = attach_line(&note, &line).unwrap();
            assert_eq!(scene.open(note.as_bytes()), Err(QuorumError::TooFew { found: 1, needed: 2 }));
        }
    }

    #[test]
    fn without_the_log_s_signature_cosignatures_are_nothing() {
        let scene = scene(1);
        let another = NoteSigner::new("c/log", SigningKey::from_seed(&[2; 32])).unwrap();
        let found = scene.set.open(&scene.note(&[NOW]), another.verifier(), NOW);
        assert!(matches!(found, Err(QuorumError::Checkpoint(_))));
    }

    #[test]
    fn nobody_counts_twice() {
        let [a, b] = [witness("a/witness", 1), witness("b/witness", 1)];
        let set = |list: [&CosignatureSigner; 2]| WitnessSet::new(list.map(|one| one.verifier().clone()));
        assert_eq!(set([&a, &b]), Err(WitnessSetError::Repeated));
        assert_eq!(set([&a, &a]), Err(WitnessSetError::Repeated));
        assert_eq!(set([&a, &witness("a/witness", 2)]), Err(WitnessSetError::Repeated));
        assert_eq!(WitnessSet::new([]), Err(WitnessSetError::Empty));
    }
}
