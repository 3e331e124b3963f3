//! A log's tree seen through its tiles: roots, proofs and appends, with each tile hashed once.
//!
//! [`TreeView`] keeps tiles in memory, each expanded to its pyramid of subtree roots, so a proof is
//! copying: a batch of a thousand inclusion proofs costs no hash beyond the tiles it touches. It does no
//! input or output. `missing_for_*` names the tiles it lacks, the caller fetches them in whatever way it
//! likes (asynchronously, over HTTP) and hands them to [`TreeView::insert`]; for sources that can be read
//! on the spot, [`TileReader`] and the `*_from` methods do both in one call.
//!
//! Tiles may come from a stranger: a full tile must agree with the hash that the tile above has for it,
//! and [`TreeView::root`] of a view built from fetched tiles must be compared with a signed checkpoint.

mod proofs;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::tile::{Pyramid, TILE_HEIGHT, TILE_WIDTH, TileId};
use crate::{Hash, MAX_SIZE};

/// Tiles kept by default: 1024, at 16 KiB each, so the last 260,000 leaves of a log that is only read at
/// its end.
pub const DEFAULT_CAPACITY: usize = 1024;

/// Where tiles are kept, if they can be read without waiting.
pub trait TileReader {
    /// What can go wrong there.
    type Error;

    /// The first `width` hashes (1 to 256) of the tile, or more, 32 bytes each.
    ///
    /// # Errors
    /// Whatever the source reports; a tile that it does not have is an error.
    fn read_tile(&mut self, id: TileId, width: u16) -> Result<Vec<u8>, Self::Error>;
}

/// Why the tree cannot answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// A tile is needed that is not in memory: fetch it, [`TreeView::insert`] it, ask again.
    #[error("tile {}/{} is needed", .0.level, .0.index)]
    MissingTile(TileId),
    /// The question is about a larger tree than this view has.
    #[error("size {size} is beyond the tree's {known}")]
    SizeBeyondTree {
        /// Size asked for, in leaves.
        size: u64,
        /// Size of this view, in leaves.
        known: u64,
    },
    /// The leaf is not in the tree of the size asked for.
    #[error("index {index} is not below the size {size}")]
    IndexBeyondSize {
        /// Leaf index, from 0.
        index: u64,
        /// Size asked for, in leaves.
        size: u64,
    },
    /// The older tree of a consistency proof is empty or larger than the newer one.
    #[error("no consistency proof leads from {old} to {new} leaves")]
    NoConsistency {
        /// Size of the older tree, in leaves.
        old: u64,
        /// Size of the newer tree, in leaves.
        new: u64,
    },
    /// The bytes given for a tile are not a whole number of hashes, or fewer than the tree needs.
    #[error("tile {}/{} has {found} bytes, needs {needed}", .id.level, .id.index)]
    TileWidth {
        /// Which tile.
        id: TileId,
        /// Bytes given.
        found: usize,
        /// Bytes needed; 0 for a tile that this tree does not have.
        needed: usize,
    },
    /// The tile contradicts a tile that is already known: one of the two is false.
    #[error("tile {}/{} contradicts another tile", .0.level, .0.index)]
    TileMismatch(TileId),
    /// The tree would exceed [`MAX_SIZE`].
    #[error("the tree is full")]
    Full,
}

/// A failed read through a [`TileReader`]: of the source, or of the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadError<E> {
    /// The source failed.
    #[error("a tile could not be read")]
    Reader(E),
    /// The tree refused the tile or the question.
    #[error(transparent)]
    Tree(#[from] TreeError),
}

/// A tile that an append changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TileUpdate {
    /// Which tile.
    pub id: TileId,
    /// How many hashes the tile had before; 0 means the tile is new.
    pub start: u16,
    /// The whole tile as it is now, 32 bytes per hash, 256 hashes at most.
    pub bytes: Vec<u8>,
}

impl TileUpdate {
    /// Number of hashes that the tile has now, 1 to 256.
    #[must_use]
    pub fn width(&self) -> u16 {
        u16::try_from(self.bytes.len() / 32).unwrap_or(TILE_WIDTH)
    }
}

/// What an append did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// New size in leaves.
    pub size: u64,
    /// New root.
    pub root: Hash,
    /// The changed tiles, lower levels first; store them all, or none, together with size and root.
    pub tiles: Vec<TileUpdate>,
}

/// The tree of a log at its present size, and every smaller size, over the tiles it has been given.
///
/// One view belongs to one history: after an append whose fate in the database is unknown, drop the view
/// and build a new one from what is stored.
#[derive(Debug)]
pub struct TreeView {
    size: u64,
    capacity: usize,
    tiles: HashMap<TileId, Cached>,
    /// Counts uses, to know which tiles were not used for long.
    clock: AtomicU64,
}

#[derive(Debug)]
struct Cached {
    pyramid: Pyramid,
    used: AtomicU64,
}

impl TreeView {
    /// A view of a tree of `size` leaves, without any tile yet, that keeps [`DEFAULT_CAPACITY`] tiles.
    ///
    /// # Errors
    /// [`TreeError::Full`] beyond [`MAX_SIZE`].
    pub fn new(size: u64) -> Result<Self, TreeError> {
        if size > MAX_SIZE {
            return Err(TreeError::Full);
        }
        let clock = AtomicU64::new(0);
        Ok(Self { size, capacity: DEFAULT_CAPACITY, tiles: HashMap::new(), clock })
    }

    /// The tree over `leaves` (leaf hashes), whole in memory.
    ///
    /// # Errors
    /// None in practice: [`TreeError::Full`] needs 2^63 leaves.
    pub fn from_leaves(leaves: &[Hash]) -> Result<Self, TreeError> {
        let mut view = Self::new(0)?.with_capacity(usize::MAX);
        view.append(leaves)?;
        Ok(view)
    }

    /// The same view, keeping at most `tiles` tiles (beside those of the right edge) when trimmed.
    #[must_use]
    pub fn with_capacity(mut self, tiles: usize) -> Self {
        self.capacity = tiles;
        self
    }

    /// Present size in leaves.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Number of tiles in memory, 16 KiB each.
    #[must_use]
    pub fn cached_tiles(&self) -> usize {
        self.tiles.len()
    }

    /// Makes this the view of a larger tree that somebody else appended to. Partial tiles in memory stay
    /// usable for smaller sizes and are asked for again when more of them is needed.
    ///
    /// # Errors
    /// [`TreeError::NoConsistency`] for a smaller size, [`TreeError::Full`] beyond [`MAX_SIZE`].
    pub fn grow(&mut self, size: u64) -> Result<(), TreeError> {
        if size < self.size {
            return Err(TreeError::NoConsistency { old: self.size, new: size });
        }
        if size > MAX_SIZE {
            return Err(TreeError::Full);
        }
        self.size = size;
        Ok(())
    }

    /// Takes a tile into memory. `bytes` may hold more hashes than the present size needs; the rest is
    /// ignored.
    ///
    /// # Errors
    /// [`TreeError::TileWidth`] for too few bytes or a tile that this tree does not have;
    /// [`TreeError::TileMismatch`] when it contradicts a tile above it, or what was known of it before.
    pub fn insert(&mut self, id: TileId, bytes: &[u8]) -> Result<(), TreeError> {
        let width = id.width_at(self.size);
        let needed = usize::from(width) * 32;
        let (hashes, rest) = bytes.as_chunks::<32>();
        if width == 0 || bytes.len() < needed || !rest.is_empty() {
            return Err(TreeError::TileWidth { id, found: bytes.len(), needed });
        }
        let hashes = &hashes[..usize::from(width)];
        let known = self.tiles.get(&id).map_or(&[][..], |cached| cached.pyramid.hashes());
        if !hashes.starts_with(known) {
            return Err(TreeError::TileMismatch(id));
        }
        let mut pyramid = self.tiles.get(&id).map_or_else(Pyramid::new, |cached| cached.pyramid.clone());
        for hash in &hashes[usize::from(pyramid.width())..] {
            pyramid.push(*hash);
        }
        let parent = TileId { level: id.level + 1, index: id.index / u64::from(TILE_WIDTH) };
        let above = self.tiles.get(&parent);
        let expected = above.and_then(|tile| tile.pyramid.node(0, id.index % u64::from(TILE_WIDTH)));
        if let (Some(expected), Some(root)) = (expected, pyramid.root())
            && expected != root
        {
            return Err(TreeError::TileMismatch(id));
        }
        let used = AtomicU64::new(self.tick());
        self.tiles.insert(id, Cached { pyramid, used });
        Ok(())
    }

    /// Reads `ids` from `reader` into memory.
    ///
    /// # Errors
    /// [`LoadError`] of the reader, or of [`TreeView::insert`].
    pub fn load<R: TileReader>(&mut self, reader: &mut R, ids: &[TileId]) -> Result<(), LoadError<R::Error>> {
        for id in ids {
            let bytes = reader.read_tile(*id, id.width_at(self.size)).map_err(LoadError::Reader)?;
            self.insert(*id, &bytes)?;
        }
        Ok(())
    }

    /// Appends `leaves` (leaf hashes) and names the tiles that changed. One hash per leaf, amortized.
    ///
    /// # Errors
    /// [`TreeError::MissingTile`] when a tile of [`TreeView::missing_for_append`] is not in memory,
    /// [`TreeError::Full`] beyond [`MAX_SIZE`]. Nothing is changed then.
    pub fn append(&mut self, leaves: &[Hash]) -> Result<Appended, TreeError> {
        if let Some(id) = self.missing_for_append().first() {
            return Err(TreeError::MissingTile(*id));
        }
        let added = u64::try_from(leaves.len()).map_err(|_| TreeError::Full)?;
        let size = self.size.checked_add(added).filter(|size| *size <= MAX_SIZE).ok_or(TreeError::Full)?;
        let mut tiles = Vec::new();
        let mut level = 0_u8;
        let mut completed = self.append_level(level, leaves, &mut tiles);
        while !completed.is_empty() {
            level += 1;
            completed = self.append_level(level, &completed, &mut tiles);
        }
        self.size = size;
        let root = self.root(size)?;
        self.trim();
        Ok(Appended { size, root, tiles })
    }

    /// Forgets the tiles not used for longest, down to the capacity. The right edge is always kept, so
    /// appending goes on. [`TreeView::append`] does this by itself; whoever only reads calls it between
    /// answers.
    pub fn trim(&mut self) {
        if self.tiles.len() <= self.capacity {
            return;
        }
        let mut ages: Vec<u64> =
            self.tiles.values().map(|cached| cached.used.load(Ordering::Relaxed)).collect();
        // Down to three quarters, so that trimming is rare.
        let excess = ages.len() - self.capacity / 4 * 3;
        let (_, limit, _) = ages.select_nth_unstable(excess - 1);
        let limit = *limit;
        let size = self.size;
        self.tiles.retain(|id, cached| is_edge(*id, size) || *cached.used.get_mut() > limit);
    }

    /// Appends to one level and returns the roots of the tiles that became full.
    fn append_level(&mut self, level: u8, hashes: &[Hash], changed: &mut Vec<TileUpdate>) -> Vec<Hash> {
        let mut next = self.size >> (TILE_HEIGHT * u32::from(level));
        let mut completed = Vec::new();
        let mut rest = hashes;
        while !rest.is_empty() {
            let id = TileId { level, index: next / u64::from(TILE_WIDTH) };
            let used = self.tick();
            let cached = self
                .tiles
                .entry(id)
                .or_insert_with(|| Cached { pyramid: Pyramid::new(), used: AtomicU64::new(used) });
            *cached.used.get_mut() = used;
            let start = cached.pyramid.width();
            let (now, later) = rest.split_at(rest.len().min(usize::from(TILE_WIDTH - start)));
            for hash in now {
                cached.pyramid.push(*hash);
            }
            completed.extend(cached.pyramid.root());
            changed.push(TileUpdate { id, start, bytes: cached.pyramid.hashes().as_flattened().to_vec() });
            next += now.len() as u64;
            rest = later;
        }
        completed
    }

    fn tick(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::Relaxed)
    }
}

/// Whether the tile is the last of its level in a tree of `size` leaves.
fn is_edge(id: TileId, size: u64) -> bool {
    id.width_at(size) > 0 && TileId { index: id.index + 1, ..id }.width_at(size) == 0
}
