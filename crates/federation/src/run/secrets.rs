//! Files with seeds: 32 bytes in hexadecimal, mode 0600.

use std::path::{Path, PathBuf};

use tacit_identity::{FileError, read_private};
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
