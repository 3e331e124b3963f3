//! Files on disk: private ones are for their owner alone, and are refused when they are not.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// Mode of a file that holds a secret.
const PRIVATE_MODE: u32 = 0o600;
/// Mode of a file that anybody may read.
const PUBLIC_MODE: u32 = 0o644;
/// Permission bits of group and others, none of which a private file may have.
const GROUP_AND_OTHERS: u32 = 0o077;
/// A certificate bundle, revocation list or key file larger than this is not one.
const FILE_MAX_BYTES: u64 = 16 * 1024 * 1024;

/// A file could not be read or written as asked.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The operating system said no.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// `read` or `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A file with a secret can be read or written by others than its owner.
    #[error("{} holds a secret and has mode {mode:04o}; run: chmod 0600 {}", path.display(), path.display())]
    LooseMode {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file has more than 16 MiB.
    #[error("{} is larger than 16 MiB", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
}

/// Reads a file that holds a secret. The bytes are wiped when dropped.
///
/// # Errors
/// [`FileError::LooseMode`] when group or others have any permission on it (0600 and 0400 are accepted),
/// [`FileError::Io`] when it cannot be read.
pub fn read_private(path: &Path) -> Result<Zeroizing<Vec<u8>>, FileError> {
    let file = open(path)?;
    // Asked of the open file, not of the path, so that nothing can change in between.
    let mode = file.metadata().map_err(|source| reading(path, source))?.permissions().mode() & 0o7777;
    if mode & GROUP_AND_OTHERS != 0 {
        return Err(FileError::LooseMode { path: path.to_owned(), mode });
    }
    read_bounded(path, file).map(Zeroizing::new)
}

/// Reads a file that anybody may read.
///
/// # Errors
/// [`FileError::Io`] when it cannot be read.
pub(crate) fn read_public(path: &Path) -> Result<Vec<u8>, FileError> {
    read_bounded(path, open(path)?)
}

/// Writes a secret to `path` with mode 0600, whole or not at all: it replaces the file by renaming.
///
/// # Errors
/// [`FileError::Io`] when it cannot be written.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    replace(path, bytes, PRIVATE_MODE)
}

/// Writes a public file to `path` with mode 0644, whole or not at all: it replaces the file by renaming.
///
/// # Errors
/// [`FileError::Io`] when it cannot be written.
pub fn write_public(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    replace(path, bytes, PUBLIC_MODE)
}

fn open(path: &Path) -> Result<File, FileError> {
    File::open(path).map_err(|source| reading(path, source))
}

fn reading(path: &Path, source: io::Error) -> FileError {
    FileError::Io { action: "read", path: path.to_owned(), source }
}

fn read_bounded(path: &Path, file: File) -> Result<Vec<u8>, FileError> {
    // Room for the whole file at once: a growing buffer would leave copies of a secret behind.
    let length = file.metadata().map_err(|source| reading(path, source))?.len();
    if length > FILE_MAX_BYTES {
        return Err(FileError::TooLarge { path: path.to_owned() });
    }
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0) + 1);
    file.take(FILE_MAX_BYTES).read_to_end(&mut bytes).map_err(|source| reading(path, source))?;
    Ok(bytes)
}

fn replace(path: &Path, bytes: &[u8], mode: u32) -> Result<(), FileError> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    let temporary = PathBuf::from(temporary);
    write_new(&temporary, bytes, mode)
        .and_then(|()| std::fs::rename(&temporary, path))
        .map_err(|source| FileError::Io { action: "write", path: path.to_owned(), source })
}

fn write_new(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    // What a crash left behind may have another mode, and `create_new` follows no link.
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    // The mode given at creation is cut by the umask, this one is not.
    file.set_permissions(std::fs::Permissions::from_mode(mode))?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode_of(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn secrets_are_written_for_their_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (private, public) = (folder.path().join("a.key"), folder.path().join("a.pem"));
        std::fs::write(&private, "old").unwrap();
        std::fs::set_permissions(&private, std::fs::Permissions::from_mode(0o666)).unwrap();
        write_private(&private, b"secret").unwrap();
        write_public(&public, b"open").unwrap();
        assert_eq!((mode_of(&private), mode_of(&public)), (0o600, 0o644));
        assert_eq!(read_private(&private).unwrap().as_slice(), b"secret");
    }

    #[test]
    fn a_secret_that_others_can_read_is_refused_with_the_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.key");
        write_private(&path, b"secret").unwrap();
        for mode in [0o640, 0o604, 0o644, 0o660, 0o601] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let error = read_private(&path).unwrap_err();
            assert!(matches!(error, FileError::LooseMode { mode: found, .. } if found == mode));
            assert!(error.to_string().contains("chmod 0600"), "{error}");
        }
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o400)).unwrap();
        assert!(read_private(&path).is_ok());
    }
}
