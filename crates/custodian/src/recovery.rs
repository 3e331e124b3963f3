//! The seeds of the pseudonym keys in backups: sealed to a recovery key, each bound to federation, member and epoch.
//!
//! ```text
//! seed files ─seal_seeds(public half)─▶ SealedSeed, one per epoch ─▶ manifest of the backup
//! SealedSeed ─open_seeds(secret half)─▶ RecoveredSeeds ─write─▶ the seed files that are missing
//! ```
//!
//! Whoever has a backup alone can compute no pseudonym. A seed file that is there is never written over.

use std::path::{Path, PathBuf};

use rand_core::CryptoRng;
use tacit_blind::{
    BlindError,
    recovery::{NotOpened, RecoveryPublicKey, RecoverySecretKey},
};
use tacit_identity::{Federation, FileError, read_private, write_private};
use tacit_model::MemberId;
use zeroize::Zeroizing;

use crate::config::SeedFile;

/// Why seeds were not sealed or recovered. Never shows one.
#[derive(Debug, thiserror::Error)]
pub enum RecoveryError {
    /// A seed file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A seed file does not hold 32 bytes in hexadecimal.
    #[error("{} does not hold exactly 64 hexadecimal digits", .0.display())]
    Form(PathBuf),
    /// The recovery key cannot be used.
    #[error("the recovery key: {0}")]
    Key(#[from] BlindError),
    /// A sealed seed does not open.
    #[error("the sealed seed of epoch {epoch}: {source}")]
    NotOpened {
        /// Pseudonym epoch.
        epoch: u32,
        /// Why.
        source: NotOpened,
    },
    /// A file that the configuration names is missing, and the backup has no seed for it.
    #[error("{} is missing, and the backup has no seed of epoch {epoch}", file.display())]
    NoSeed {
        /// Pseudonym epoch.
        epoch: u32,
        /// Where it should stand.
        file: PathBuf,
    },
    /// A file that is there holds another seed than the backup.
    #[error("{} holds another seed of epoch {epoch} than the backup", file.display())]
    OtherSeed {
        /// Pseudonym epoch.
        epoch: u32,
        /// The file.
        file: PathBuf,
    },
}

/// A seed that only the recovery key opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedSeed {
    /// Pseudonym epoch.
    pub epoch: u32,
    /// The sealed bytes.
    pub sealed: Vec<u8>,
}

/// Seeds that were opened, compared with the files that are there, and not written yet.
pub struct RecoveredSeeds {
    missing: Vec<(PathBuf, Zeroizing<[u8; 32]>)>,
}

impl std::fmt::Debug for RecoveredSeeds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.missing.iter().map(|(path, _)| path)).finish()
    }
}

/// Reads the seed files and seals each to the recovery key of `member`. Blocking.
///
/// # Errors
/// [`RecoveryError::File`], [`RecoveryError::Form`], [`RecoveryError::Key`].
pub fn seal_seeds(
    files: &[SeedFile],
    federation: &Federation,
    member: &MemberId,
    key: &RecoveryPublicKey,
    rng: &mut impl CryptoRng,
) -> Result<Vec<SealedSeed>, RecoveryError> {
    let mut sealed = Vec::with_capacity(files.len());
    for SeedFile { epoch, file } in files {
        let seed = read(file)?;
        let binding = binding(federation, member, *epoch);
        sealed.push(SealedSeed { epoch: *epoch, sealed: key.seal(seed.as_ref(), &binding, rng)? });
    }
    Ok(sealed)
}

/// Opens the seeds of a backup, and compares them with the files that are there. Writes nothing. Blocking.
///
/// # Errors
/// [`RecoveryError`]: nothing should be restored then.
pub fn open_seeds(
    files: &[SeedFile],
    federation: &Federation,
    member: &MemberId,
    sealed: &[SealedSeed],
    key: &RecoverySecretKey,
) -> Result<RecoveredSeeds, RecoveryError> {
    let mut missing = Vec::new();
    for SeedFile { epoch, file } in files {
        let Some(of_epoch) = sealed.iter().find(|it| it.epoch == *epoch) else {
            if file.exists() {
                continue;
            }
            return Err(RecoveryError::NoSeed { epoch: *epoch, file: file.clone() });
        };
        let not_opened = |source| RecoveryError::NotOpened { epoch: *epoch, source };
        let opened = key.open(&of_epoch.sealed, &binding(federation, member, *epoch)).map_err(not_opened)?;
        let mut seed = Zeroizing::new([0; 32]);
        if opened.len() != seed.len() {
            return Err(not_opened(NotOpened));
        }
        seed.copy_from_slice(&opened);
        if !file.exists() {
            missing.push((file.clone(), seed));
        } else if *read(file)? != *seed {
            return Err(RecoveryError::OtherSeed { epoch: *epoch, file: file.clone() });
        }
    }
    Ok(RecoveredSeeds { missing })
}

impl RecoveredSeeds {
    /// The files that are missing.
    pub fn missing(&self) -> impl Iterator<Item = &PathBuf> {
        self.missing.iter().map(|(path, _)| path)
    }

    /// Writes the files that are missing, mode 0600. Blocking.
    ///
    /// # Errors
    /// [`RecoveryError::File`].
    pub fn write(&self) -> Result<(), RecoveryError> {
        for (path, seed) in &self.missing {
            let mut text = Zeroizing::new([0; 65]);
            let (digits, end) = text.split_at_mut(64);
            end.copy_from_slice(b"\n");
            hex::encode_to_slice(**seed, digits).map_err(|_| RecoveryError::Form(path.clone()))?;
            write_private(path, text.as_ref())?;
        }
        Ok(())
    }
}

fn read(file: &Path) -> Result<Zeroizing<[u8; 32]>, RecoveryError> {
    let text = read_private(file)?;
    let mut seed = Zeroizing::new([0; 32]);
    hex::decode_to_slice(text.trim_ascii(), seed.as_mut())
        .map_err(|_| RecoveryError::Form(file.to_owned()))?;
    Ok(seed)
}

/// What a sealed seed is bound to. None of the parts can hold a line feed.
fn binding(federation: &Federation, member: &MemberId, epoch: u32) -> Vec<u8> {
    format!("{federation}\n{member}\n{epoch}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parties() -> (Federation, MemberId) {
        ("example.org".parse().unwrap(), "custodian".parse().unwrap())
    }

    #[test]
    fn seeds_come_back_where_they_are_missing_and_nothing_is_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let file = |epoch: u32| SeedFile { epoch, file: folder.path().join(format!("{epoch}.seed")) };
        let files = [file(1), file(2)];
        for (at, byte) in files.iter().zip([7_u8, 9]) {
            write_private(&at.file, hex::encode([byte; 32]).as_bytes()).unwrap();
        }
        let (federation, member) = parties();
        let key = RecoverySecretKey::derive(&[3; 32]);
        let mut rng = tacit_model::entropy::seeded_rng([5; 32]);
        let sealed = seal_seeds(&files, &federation, &member, &key.public(), &mut rng).unwrap();
        assert_eq!(sealed.len(), 2);
        let open =
            |files: &[SeedFile], sealed: &[SealedSeed]| open_seeds(files, &federation, &member, sealed, &key);
        assert_eq!(open(&files, &sealed).unwrap().missing().count(), 0);

        std::fs::remove_file(&files[1].file).unwrap();
        let recovered = open(&files, &sealed).unwrap();
        assert_eq!(recovered.missing().collect::<Vec<_>>(), [&files[1].file]);
        assert!(!format!("{recovered:?}").contains("0909"));
        recovered.write().unwrap();
        assert_eq!(*read(&files[1].file).unwrap(), [9; 32]);

        // Another member's, another epoch's, none at all, and a file that holds something else.
        let other: MemberId = "another".parse().unwrap();
        let opened = open_seeds(&files, &federation, &other, &sealed, &key);
        assert!(matches!(opened, Err(RecoveryError::NotOpened { epoch: 1, .. })));
        let swapped = [SealedSeed { epoch: 1, ..sealed[1].clone() }];
        assert!(matches!(open(&files, &swapped), Err(RecoveryError::NotOpened { epoch: 1, .. })));
        assert!(matches!(open(&[file(3)], &sealed), Err(RecoveryError::NoSeed { epoch: 3, .. })));
        write_private(&files[0].file, hex::encode([8; 32]).as_bytes()).unwrap();
        assert!(matches!(open(&files, &sealed), Err(RecoveryError::OtherSeed { epoch: 1, .. })));
    }
}
