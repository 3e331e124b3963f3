//! Which files a log of a given size consists of: what a static export holds, and what a mirror asks for.
//!
//! ```text
//! checkpoint                      the signed note
//! tile/0/000, tile/1/000.p/3      hash tiles, level by level
//! tile/entries/000                the records
//! ```
//!
//! Beside these an export of ours has [`VKEY`], [`WITNESS_VKEYS`] and files ending in [`PROOF_SUFFIX`], which
//! tlog-tiles does not know and its clients do not ask for.
//!
//! Source: <https://c2sp.org/tlog-tiles>, sections "APIs" and "Partial Tiles".

use crate::bundle::BundleId;
use crate::tile::{TILE_WIDTH, TileId, TilePathError, tiles_of};

/// Path of the newest checkpoint below the log's prefix.
pub const CHECKPOINT: &str = "checkpoint";
/// In an export: the file with the log's verifier key, one line.
pub const VKEY: &str = "vkey";
/// In an export: the file with the witnesses' verifier keys, one a line; absent when there are none.
pub const WITNESS_VKEYS: &str = "witness-vkeys";
/// Path of the list of years, see [`crate::shard`]; tlog-tiles does not know it.
pub const YEARS: &str = "years";
/// In an export of one year: the file that says which records it has, see [`crate::shard`].
pub const RANGE: &str = "range";
/// How the names of proof files end.
pub const PROOF_SUFFIX: &str = ".tlog-proof";

/// One file of a log. Widths are 1 to 256; a file of 256 is immutable, a smaller one is a prefix of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogFile {
    /// The newest checkpoint, a signed note: the one file that changes.
    Checkpoint,
    /// Hashes: 32 bytes times the width.
    Tile(TileId, u16),
    /// Records: see [`crate::bundle`].
    Entries(BundleId, u16),
}

impl LogFile {
    /// Its path below the log's prefix.
    #[must_use]
    pub fn path(self) -> String {
        match self {
            Self::Checkpoint => CHECKPOINT.to_owned(),
            Self::Tile(id, width) => id.path(width),
            Self::Entries(id, width) => id.path(width),
        }
    }

    /// The file that `path` names; the inverse of [`LogFile::path`] and nothing more. Says nothing about whether
    /// the log has such a file: see [`LogFile::is_in`].
    ///
    /// # Errors
    /// [`TilePathError`].
    pub fn parse_path(path: &str) -> Result<Self, TilePathError> {
        if path == CHECKPOINT {
            return Ok(Self::Checkpoint);
        }
        // The level of a hash tile is a number, so a path is of one kind at most.
        if let Ok((id, width)) = BundleId::parse_path(path) {
            return Ok(Self::Entries(id, width));
        }
        TileId::parse_path(path).map(|(id, width)| Self::Tile(id, width))
    }

    /// Whether this is one of [`files_of`] a log of `size`: the file at exactly the width it has then. An export that
    /// grows writes the files that are not of the old size, and removes those that are not of the new one.
    #[must_use]
    pub fn is_of(self, size: u64) -> bool {
        match self {
            Self::Checkpoint => true,
            Self::Tile(id, width) => width > 0 && width == id.width_at(size),
            Self::Entries(id, width) => width > 0 && width == id.width_at(size),
        }
    }

    /// Whether a log of `size` can answer for this file: the file itself, or a prefix of what it has now.
    #[must_use]
    pub fn is_in(self, size: u64) -> bool {
        match self {
            Self::Checkpoint => true,
            Self::Tile(id, width) => width > 0 && width <= id.width_at(size),
            Self::Entries(id, width) => width > 0 && width <= id.width_at(size),
        }
    }
}

/// All files of a log of `size` records, each at its width: the checkpoint, the tiles by level and index, the
/// bundles by index. One of each name, no partial file beside the full one.
pub fn files_of(size: u64) -> impl Iterator<Item = LogFile> {
    let tiles = tiles_of(size).map(|(id, width)| LogFile::Tile(id, width));
    let bundles = bundles_of(size).map(|(id, width)| LogFile::Entries(id, width));
    std::iter::once(LogFile::Checkpoint).chain(tiles).chain(bundles)
}

/// All bundles of a log of `size` records with their widths.
pub fn bundles_of(size: u64) -> impl Iterator<Item = (BundleId, u16)> {
    (0..size.div_ceil(u64::from(TILE_WIDTH))).map(move |index| {
        let id = BundleId(index);
        (id, id.width_at(size))
    })
}
