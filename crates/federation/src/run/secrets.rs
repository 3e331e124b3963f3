//! Files with seeds: 32 bytes in hexadecimal, mode 0600.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use rand_core::Rng as _;
use tacit_blind::letter::LetterSecretKey;
use tacit_identity::{FileError, read_private, write_private};
use tacit_ledger::ed25519::SigningKey;
use tacit_model::entropy::os_rng;
use tacit_policy::Ed25519Key;
use zeroize::Zeroizing;

/// A seed cannot be used. Never shows what the file holds.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// The file cannot be read, or others can read it.
    #[error(transparent)]
    File(#[from] FileError),
    /// It does not hold 32 bytes in hexadecimal.
    #[error("{}: 64 hexadecimal digits are wanted", .0.display())]
    Form(PathBuf),
}

/// Reads a seed; it is wiped when dropped. Blocking.
///
/// # Errors
/// [`SeedError`].
pub fn read_seed(path: &Path) -> Result<Zeroizing<[u8; 32]>, SeedError> {
    let text = read_private(path)?;
    let mut seed = Zeroizing::new([0; 32]);
    hex::decode_to_slice(text.trim_ascii(), seed.as_mut()).map_err(|_| SeedError::Form(path.to_owned()))?;
    Ok(seed)
}

/// Reads a seed, or makes one where there is no file yet. Blocking.
pub(super) fn read_or_make_seed(path: &Path) -> Result<Zeroizing<[u8; 32]>, SeedError> {
    let failed = |source| FileError::Io { action: "write", path: path.to_owned(), source };
    if !path.try_exists().map_err(failed)? {
        let mut seed = Zeroizing::new([0; 32]);
        os_rng().fill_bytes(seed.as_mut());
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new(""))).map_err(failed)?;
        write_private(path, Zeroizing::new(hex::encode(seed.as_ref())).as_bytes())?;
    }
    read_seed(path)
}

/// The key that letters for a member open with, if it has one. Blocking.
///
/// # Errors
/// [`SeedError`].
pub fn letters_key(path: Option<&Path>) -> Result<Option<LetterSecretKey>, SeedError> {
    path.map(|path| read_seed(path).map(|seed| LetterSecretKey::derive(&seed).0)).transpose()
}

/// The file with the key that takes the place of the one in `path` once the registry shows it.
#[must_use]
pub fn next_key_file(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".next");
    name.into()
}

/// The private key whose public half the registry shows: from the file, or from `FILE.next` after a change of key.
/// Blocking.
///
/// # Errors
/// [`SeedError`].
pub fn signing_key(path: &Path, shown: Ed25519Key) -> Result<Option<SigningKey>, SeedError> {
    let next = next_key_file(path);
    let files = std::iter::once(path.to_owned()).chain(next.exists().then_some(next));
    for file in files {
        let key = SigningKey::from_seed(&*read_seed(&file)?);
        if Ed25519Key(key.verifying_key()) == shown {
            return Ok(Some(key));
        }
    }
    Ok(None)
}
