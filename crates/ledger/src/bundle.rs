//! Entry bundles of C2SP tlog-tiles: the records themselves, 256 to a file.
//!
//! ```text
//! u16 length, big-endian | record | u16 length | record | ...
//! ```
//!
//! The n-th bundle holds the records whose leaf hashes are the n-th tile of level 0, in the same order and to the
//! same width, at `tile/entries/<N>`, with `.p/<W>` when it is not full yet.
//!
//! Source: <https://c2sp.org/tlog-tiles>, section "Log entries".

use crate::tile::{TILE_WIDTH, TileId, TilePathError, parse_numbered, write_numbered};

/// The longest entry that a bundle can hold, in bytes: its length is a `u16`.
pub const MAX_ENTRY_LEN: usize = u16::MAX as usize;

const PREFIX: &str = "tile/entries/";

/// Why entries cannot become a bundle, or bytes are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// An entry is longer than [`MAX_ENTRY_LEN`].
    #[error("entry {position} has {length} bytes, more than {MAX_ENTRY_LEN}")]
    EntryTooLong {
        /// Place of the entry in the bundle, from 0.
        position: usize,
        /// Its length in bytes.
        length: usize,
    },
    /// No entries, or more than 256.
    #[error("a bundle has 1 to 256 entries, not {found}")]
    Count {
        /// How many there are; for bytes with too many entries, how many were read before giving up.
        found: usize,
    },
    /// The bytes end inside an entry or inside its length.
    #[error("the bundle ends inside entry {position}")]
    Truncated {
        /// Place of that entry in the bundle, from 0.
        position: usize,
    },
    /// The bundle has another number of entries than its name says.
    #[error("the bundle has {found} entries where {expected} are needed")]
    Width {
        /// How many its name, or the size of the tree, says.
        expected: u16,
        /// How many it has.
        found: usize,
    },
}

/// Names one bundle by its number, from 0. Bundle n starts with record `256 n`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BundleId(pub u64);

impl BundleId {
    /// The bundle that holds record `index`.
    #[must_use]
    pub fn of_entry(index: u64) -> Self {
        Self(index / u64::from(TILE_WIDTH))
    }

    /// Index of its first record. Saturates for bundles that no log can have.
    #[must_use]
    pub fn first_entry(self) -> u64 {
        self.0.saturating_mul(u64::from(TILE_WIDTH))
    }

    /// The tile with the leaf hashes of these records.
    #[must_use]
    pub fn tile(self) -> TileId {
        TileId { level: 0, index: self.0 }
    }

    /// How many records this bundle has in a log of `size`: 0 (no such bundle) to 256.
    #[must_use]
    pub fn width_at(self, size: u64) -> u16 {
        self.tile().width_at(size)
    }

    /// The path of the bundle below the log's prefix: `tile/entries/<N>`, with `.p/<W>` when `width` is below 256.
    #[must_use]
    pub fn path(self, width: u16) -> String {
        let mut path = PREFIX.to_owned();
        write_numbered(&mut path, self.0, width);
        path
    }

    /// The bundle and width that `path` names; the inverse of [`BundleId::path`] and nothing more.
    ///
    /// # Errors
    /// [`TilePathError`] for every other spelling, as [`TileId::parse_path`].
    pub fn parse_path(path: &str) -> Result<(Self, u16), TilePathError> {
        let (index, width) = path.strip_prefix(PREFIX).and_then(parse_numbered).ok_or(TilePathError)?;
        let id = Self(index);
        if id.path(width) == path { Ok((id, width)) } else { Err(TilePathError) }
    }
}

/// Writes a bundle.
///
/// # Errors
/// [`BundleError::EntryTooLong`], or [`BundleError::Count`] unless there are 1 to 256 entries.
pub fn encode<E: AsRef<[u8]>>(entries: &[E]) -> Result<Vec<u8>, BundleError> {
    check_count(entries.len())?;
    let length = entries.iter().map(|entry| 2 + entry.as_ref().len()).sum();
    let mut bytes = Vec::with_capacity(length);
    for (position, entry) in entries.iter().enumerate() {
        let entry = entry.as_ref();
        let length = u16::try_from(entry.len())
            .map_err(|_| BundleError::EntryTooLong { position, length: entry.len() })?;
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(entry);
    }
    Ok(bytes)
}

/// The entries of a bundle, in order, exactly as many as it has. That each is the right one only its leaf hash
/// shows.
///
/// # Errors
/// [`BundleError::Truncated`], or [`BundleError::Count`] unless there are 1 to 256 entries.
pub fn decode(bytes: &[u8]) -> Result<Vec<&[u8]>, BundleError> {
    let mut entries = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let position = entries.len();
        check_count(position + 1)?;
        let truncated = BundleError::Truncated { position };
        let (length, after) = rest.split_first_chunk::<2>().ok_or(truncated)?;
        let (entry, after) =
            after.split_at_checked(usize::from(u16::from_be_bytes(*length))).ok_or(truncated)?;
        entries.push(entry);
        rest = after;
    }
    check_count(entries.len())?;
    Ok(entries)
}

/// As [`decode`], for a bundle that must have `width` entries, as its path says.
///
/// # Errors
/// As [`decode`], or [`BundleError::Width`].
pub fn decode_exactly(bytes: &[u8], width: u16) -> Result<Vec<&[u8]>, BundleError> {
    let entries = decode(bytes)?;
    if entries.len() == usize::from(width) {
        Ok(entries)
    } else {
        Err(BundleError::Width { expected: width, found: entries.len() })
    }
}

fn check_count(found: usize) -> Result<(), BundleError> {
    if (1..=usize::from(TILE_WIDTH)).contains(&found) { Ok(()) } else { Err(BundleError::Count { found }) }
}
