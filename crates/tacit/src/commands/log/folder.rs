//! A folder with the files of a log, as an export writes it and as every tool for tlog-tiles reads it.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use tacit_identity::write_public;
use tacit_ledger::{
    checkpoint::VerifiedCheckpoint,
    layout::{CHECKPOINT, LogFile, PROOF_SUFFIX, RANGE, VKEY, WITNESS_VKEYS},
    note::NoteVerifier,
    shard::Shard,
    tile::TileId,
    tree::TileReader,
};

use super::keys;
use crate::exit::Failure;

/// How the names of files end that are being written.
const UNFINISHED: &str = ".unfinished";

/// A folder with the files of one log.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    root: PathBuf,
}

impl Folder {
    /// One that is there.
    pub(super) fn open(root: &Path) -> Result<Self, Failure> {
        if root.is_dir() {
            Ok(Self { root: root.to_owned() })
        } else {
            Err(Failure::usage(format!("{} is not a folder", root.display())))
        }
    }

    /// One to write the log of this key into, or one year of it: new, empty, or with an export of the same. Nothing
    /// else is touched.
    pub(super) fn prepare(root: &Path, key: &NoteVerifier, shard: Option<&Shard>) -> Result<Self, Failure> {
        let refused = |why: String| {
            Err(Failure::usage(format!("{} cannot take this log", root.display()))
                .why(why)
                .next("name a new folder"))
        };
        if root.exists() && !root.is_dir() {
            return refused("it is a file".to_owned());
        }
        fs::create_dir_all(root)?;
        let folder = Self { root: root.to_owned() };
        let vkey = folder.path(VKEY);
        if vkey.exists() {
            let found = keys::key_in(&vkey)?;
            if found != *key {
                return refused(format!("it holds the log of {found}"));
            }
        } else if fs::read_dir(root)?.next().is_some() {
            return refused("it is not empty and holds no export".to_owned());
        } else {
            folder.write_small(VKEY, format!("{key}\n").as_bytes())?;
        }
        // A folder that was only begun may become either.
        let is_begun = folder.names()?.iter().all(|name| name == VKEY);
        match (folder.range()?, shard) {
            (Some(found), Some(shard)) if (found.year, found.first) != (shard.year, shard.first) => {
                return refused(format!("it holds the year {}, from record {}", found.year, found.first));
            }
            (Some(found), None) => return refused(format!("it holds the year {} only", found.year)),
            (None, Some(_)) if !is_begun => return refused("it holds the whole log".to_owned()),
            (Some(_) | None, Some(shard)) => folder.write_small(RANGE, shard.to_text().as_bytes())?,
            (None, None) => {}
        }
        Ok(folder)
    }

    /// Which year it holds; nothing when it is for the whole log.
    pub(super) fn range(&self) -> Result<Option<Shard>, Failure> {
        let path = self.path(RANGE);
        let failed = |why: String| {
            Failure::trouble(format!("{} does not say what the folder holds", path.display())).why(why)
        };
        match fs::read_to_string(&path) {
            Ok(text) => Shard::parse(&text).map(Some).map_err(|error| failed(error.to_string())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(error.to_string())),
        }
    }

    /// Where a file is.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// The checkpoint, if there is one.
    pub(super) fn checkpoint(&self, key: &NoteVerifier) -> Result<Option<VerifiedCheckpoint>, Failure> {
        let path = self.path(CHECKPOINT);
        match fs::read(&path) {
            Ok(note) => VerifiedCheckpoint::open(&note, key).map(Some).map_err(|error| {
                Failure::trouble(format!("{} is no checkpoint of this log", path.display())).why(error)
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Failure::trouble(format!("{} cannot be read", path.display())).why(error)),
        }
    }

    /// The bytes of a file of the log; nothing when it is not there.
    pub(super) fn read(&self, file: LogFile) -> io::Result<Option<Vec<u8>>> {
        match fs::read(self.path(&file.path())) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes a file of the log, whole or not at all; one that is there already and right stays untouched. Whether it
    /// was written. Not forced to the disk, which would take longer than all else: what a power cut breaks is found by
    /// verifying, and mended by the next export.
    pub(super) fn write(&self, file: LogFile, bytes: &[u8]) -> io::Result<bool> {
        if self.read(file)?.is_some_and(|found| found == bytes) {
            return Ok(false);
        }
        let path = self.path(&file.path());
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        let unfinished = PathBuf::from(format!("{}{UNFINISHED}", path.display()));
        fs::write(&unfinished, bytes)?;
        fs::rename(&unfinished, &path)?;
        Ok(true)
    }

    /// Writes a file in the folder itself, whole or not at all, and durably.
    pub(super) fn write_small(&self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        let path = self.path(name);
        write_public(&path, bytes)
            .map_err(|error| Failure::trouble(format!("{} cannot be written", path.display())).why(error))
    }

    /// Names of all files below the folder, sorted, with `/` between the parts.
    pub(super) fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        let mut folders = vec![self.root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder)? {
                let entry = entry?;
                if entry.file_type()?.is_dir() {
                    folders.push(entry.path());
                } else if let Ok(name) = entry.path().strip_prefix(&self.root) {
                    names.push(name.to_string_lossy().into_owned());
                }
            }
        }
        names.sort();
        Ok(names)
    }

    /// The first file that does not belong to an export with these files of a log; one year has a file about its range
    /// and no proofs beside them, the whole log has it the other way.
    pub(super) fn stray(&self, has: impl Fn(LogFile) -> bool, is_year: bool) -> io::Result<Option<String>> {
        let is_known = |name: &String| {
            let own = [CHECKPOINT, VKEY, WITNESS_VKEYS].contains(&name.as_str());
            let beside = if is_year { name == RANGE } else { name.ends_with(PROOF_SUFFIX) };
            own || beside || LogFile::parse_path(name).is_ok_and(&has)
        };
        Ok(self.names()?.into_iter().find(|name| !is_known(name)))
    }

    /// The proof files.
    pub(super) fn proofs(&self) -> io::Result<Vec<String>> {
        Ok(self.names()?.into_iter().filter(|name| name.ends_with(PROOF_SUFFIX)).collect())
    }

    /// Removes what an earlier export left that is none of these files of a log: narrower tiles, unfinished files.
    pub(super) fn prune(&self, has: impl Fn(LogFile) -> bool) -> io::Result<()> {
        for name in self.names()? {
            let left = name.ends_with(UNFINISHED) || LogFile::parse_path(&name).is_ok_and(|file| !has(file));
            if left {
                let path = self.path(&name);
                fs::remove_file(&path)?;
                // Only when nothing else is in it, as it must be.
                let _ = path.parent().map(fs::remove_dir);
            }
        }
        Ok(())
    }
}

/// Reads tiles of a log at this size.
#[derive(Debug)]
pub(super) struct Tiles<'a>(pub(super) &'a Folder);

impl TileReader for Tiles<'_> {
    type Error = io::Error;

    fn read_tile(&mut self, id: TileId, width: u16) -> io::Result<Vec<u8>> {
        let file = LogFile::Tile(id, width);
        self.0.read(file)?.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, file.path()))
    }
}

#[cfg(test)]
mod tests {
    use tacit_ledger::{bundle::BundleId, ed25519::SigningKey, note::NoteSigner};

    use super::*;

    fn key(seed: u8) -> NoteVerifier {
        NoteSigner::new("c/log", SigningKey::from_seed(&[seed; 32])).unwrap().verifier().clone()
    }

    #[test]
    fn a_folder_with_another_log_or_with_anything_else_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let export = place.path().join("new/export");
        let refused = |path: &Path, seed, shard: Option<Shard>| {
            Folder::prepare(path, &key(seed), shard.as_ref()).unwrap_err().to_string()
        };
        let whole = Folder::prepare(&export, &key(1), None).unwrap();
        Folder::prepare(&export, &key(1), None).unwrap();
        assert!(refused(&export, 2, None).contains("it holds the log of c/log+"));
        assert!(refused(place.path(), 1, None).contains("it is not empty"));
        // A year is no part of the whole, nor of another year.
        let year = Shard { year: 2026, first: 5, end: 9 };
        whole.write(LogFile::Entries(BundleId(0), 1), b"x").unwrap();
        assert!(refused(&export, 1, Some(year)).contains("it holds the whole log"));
        let export = place.path().join("year");
        Folder::prepare(&export, &key(1), None).unwrap();
        let folder = Folder::prepare(&export, &key(1), Some(&year)).unwrap();
        assert_eq!(folder.range().unwrap(), Some(year));
        let longer = Shard { end: 12, ..year };
        let folder = Folder::prepare(&export, &key(1), Some(&longer)).unwrap();
        assert_eq!(folder.range().unwrap(), Some(longer));
        assert!(refused(&export, 1, None).contains("it holds the year 2026 only"));
        for other in [Shard { year: 2027, ..year }, Shard { first: 6, ..year }] {
            assert!(refused(&export, 1, Some(other)).contains("it holds the year 2026, from record 5"));
        }
    }

    #[test]
    fn pruning_removes_what_the_size_does_not_have_and_nothing_else() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::prepare(place.path(), &key(1), None).unwrap();
        let tile = |width| LogFile::Tile(TileId { level: 0, index: 1 }, width);
        for file in [tile(3), tile(9), LogFile::Entries(BundleId(1), 3)] {
            assert!(folder.write(file, b"x").unwrap());
            assert!(!folder.write(file, b"x").unwrap());
        }
        fs::write(folder.path("tile/0/002.unfinished"), b"").unwrap();
        fs::write(folder.path("a.tlog-proof"), b"").unwrap();
        let has = |file: LogFile| file.is_of(265);
        assert_eq!(folder.stray(has, false).unwrap().as_deref(), Some("tile/0/001.p/3"));
        folder.prune(has).unwrap();
        assert_eq!(folder.names().unwrap(), ["a.tlog-proof", "tile/0/001.p/9", "vkey"]);
        assert!(!folder.path("tile/entries/001.p").exists());
        assert_eq!(folder.stray(has, false).unwrap(), None);
        assert_eq!(folder.stray(has, true).unwrap().as_deref(), Some("a.tlog-proof"));
        assert_eq!(folder.proofs().unwrap(), ["a.tlog-proof"]);
    }
}
