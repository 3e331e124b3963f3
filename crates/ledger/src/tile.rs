//! Hash tiles of C2SP tlog-tiles: height 8, so 256 hashes, 8,192 bytes when full.
//!
//! The n-th tile of level l holds the roots of the complete subtrees of height `8 l`, number `256 n` to
//! `256 n + 255`. A partial tile is a prefix of the full one, so storing the longest prefix stores all.
//!
//! Source: <https://c2sp.org/tlog-tiles>, section "Merkle Tree".

use std::fmt::Write as _;

use crate::Hash;
use crate::merkle::node_hash;

/// Height of a tile: the number of tree levels it spans.
pub const TILE_HEIGHT: u32 = 8;
/// Hashes in a full tile.
pub const TILE_WIDTH: u16 = 256;
/// The highest level a tile path may name.
pub const MAX_LEVEL: u8 = 63;

/// Names one tile. Orders by level, then index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TileId {
    /// Level, 0 for the tiles of leaf hashes.
    pub level: u8,
    /// Number of the tile in its level, from 0.
    pub index: u64,
}

impl TileId {
    /// How many hashes this tile has in a tree of `size` leaves: 0 (no such tile) to 256.
    #[must_use]
    pub fn width_at(self, size: u64) -> u16 {
        let nodes = size.checked_shr(TILE_HEIGHT * u32::from(self.level)).unwrap_or(0);
        let before = self.index.saturating_mul(u64::from(TILE_WIDTH));
        let width = nodes.saturating_sub(before).min(u64::from(TILE_WIDTH));
        u16::try_from(width).unwrap_or(TILE_WIDTH)
    }

    /// The path of the tile below the log's prefix: `tile/<L>/<N>`, with `.p/<W>` when `width` is below
    /// 256; index 1234067 is `x001/x234/067`.
    #[must_use]
    pub fn path(self, width: u16) -> String {
        let mut path = format!("tile/{}/", self.level);
        write_numbered(&mut path, self.index, width);
        path
    }

    /// The tile and width that `path` names; the inverse of [`TileId::path`] and nothing more.
    ///
    /// # Errors
    /// [`TilePathError`] for every other spelling: superfluous zeros, a width of 0 or above 255, a level
    /// above 63.
    pub fn parse_path(path: &str) -> Result<(Self, u16), TilePathError> {
        let parsed = Self::parse_loosely(path).ok_or(TilePathError)?;
        // One spelling only: what we would not write ourselves is refused.
        if parsed.0.path(parsed.1) == path { Ok(parsed) } else { Err(TilePathError) }
    }

    fn parse_loosely(path: &str) -> Option<(Self, u16)> {
        let (level, rest) = path.strip_prefix("tile/")?.split_once('/')?;
        let level = level.parse().ok().filter(|level| *level <= MAX_LEVEL)?;
        let (index, width) = parse_numbered(rest)?;
        Some((Self { level, index }, width))
    }
}

/// Writes `<N>[.p/<W>]`, the end of the path of a tile or a bundle.
pub(crate) fn write_numbered(path: &mut String, index: u64, width: u16) {
    let mut divisor = 1_u64;
    while index / divisor >= 1000 {
        divisor *= 1000;
    }
    while divisor > 1 {
        // Writing to a String cannot fail.
        let _ = write!(path, "x{:03}/", index / divisor % 1000);
        divisor /= 1000;
    }
    let _ = write!(path, "{:03}", index % 1000);
    if width < TILE_WIDTH {
        let _ = write!(path, ".p/{width}");
    }
}

/// Reads what [`write_numbered`] writes, and other spellings: the caller compares.
pub(crate) fn parse_numbered(text: &str) -> Option<(u64, u16)> {
    let (digits, width) = match text.split_once(".p/") {
        Some((digits, width)) => (digits, width.parse().ok().filter(|w| (1..TILE_WIDTH).contains(w))?),
        None => (text, TILE_WIDTH),
    };
    let mut index = 0_u64;
    for element in digits.split('/') {
        let element = element.strip_prefix('x').unwrap_or(element);
        let value: u16 = element.parse().ok().filter(|value| *value < 1000)?;
        index = index.checked_mul(1000)?.checked_add(u64::from(value))?;
    }
    Some((index, width))
}

/// The text is not the path of a hash tile or an entry bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the path of a tile or an entry bundle")]
pub struct TilePathError;

/// All tiles of a tree of `size` leaves with their widths, by level and index.
pub fn tiles_of(size: u64) -> impl Iterator<Item = (TileId, u16)> {
    let levels = (u64::BITS - size.leading_zeros()).div_ceil(TILE_HEIGHT);
    (0..levels).flat_map(move |level| {
        let tiles = (size >> (TILE_HEIGHT * level)).div_ceil(u64::from(TILE_WIDTH));
        (0..tiles).map(move |index| {
            let id = TileId { level: u8::try_from(level).unwrap_or(MAX_LEVEL), index };
            (id, id.width_at(size))
        })
    })
}

/// A tile with every complete subtree inside it hashed once: 511 nodes at most, 16 KiB.
#[derive(Clone, Debug)]
pub(crate) struct Pyramid {
    width: u16,
    /// Layer by layer: the hashes of the tile at 0, their parents at 256, ..., the tile's root at 510.
    nodes: Box<[Hash]>,
}

const PYRAMID_NODES: usize = 511;

impl Pyramid {
    pub(crate) fn new() -> Self {
        Self { width: 0, nodes: vec![[0; 32]; PYRAMID_NODES].into_boxed_slice() }
    }

    /// Number of hashes in the tile.
    pub(crate) fn width(&self) -> u16 {
        self.width
    }

    /// The hashes of the tile itself.
    pub(crate) fn hashes(&self) -> &[Hash] {
        &self.nodes[..usize::from(self.width)]
    }

    /// The root of a full tile.
    pub(crate) fn root(&self) -> Option<&Hash> {
        self.node(TILE_HEIGHT, 0)
    }

    /// The complete subtree number `position` at `layer` (0 to 8) of the tile, if the tile reaches it.
    pub(crate) fn node(&self, layer: u32, position: u64) -> Option<&Hash> {
        let position = usize::try_from(position).ok()?;
        if layer > TILE_HEIGHT || position >= usize::from(self.width >> layer) {
            return None;
        }
        self.nodes.get(layer_start(layer) + position)
    }

    /// Appends a hash and completes the subtrees that end with it; a full tile takes no more.
    pub(crate) fn push(&mut self, hash: Hash) {
        if self.width == TILE_WIDTH {
            return;
        }
        let mut position = usize::from(self.width);
        self.width += 1;
        self.nodes[position] = hash;
        let mut layer = 0;
        while position & 1 == 1 {
            let right = layer_start(layer) + position;
            let parent = node_hash(&self.nodes[right - 1], &self.nodes[right]);
            layer += 1;
            position >>= 1;
            self.nodes[layer_start(layer) + position] = parent;
            if layer == TILE_HEIGHT {
                break;
            }
        }
    }
}

const fn layer_start(layer: u32) -> usize {
    512 - (512 >> layer)
}
