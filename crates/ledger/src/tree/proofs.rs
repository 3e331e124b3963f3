//! Roots and proofs from tiles in memory. See RFC 6962 sections 2.1.1 and 2.1.2.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use super::{LoadError, TileReader, TreeError, TreeView};
use crate::Hash;
use crate::merkle::{empty_root, node_hash, path_lengths};
use crate::tile::{Pyramid, TILE_HEIGHT, TileId};

/// Levels of tiles that a tree of 2^63 leaves has.
const LEVELS: usize = 8;

/// The unfinished subtrees on the right of a tree: for each height h, the hash over the leaves after the
/// last multiple of 2^h. They are the same for every proof of one size.
struct RightEdge(Vec<Option<Hash>>);

impl TreeView {
    /// The root of the tree at `size` leaves, which may be below the present size.
    ///
    /// # Errors
    /// [`TreeError::SizeBeyondTree`], or [`TreeError::MissingTile`].
    pub fn root(&self, size: u64) -> Result<Hash, TreeError> {
        self.check_size(size)?;
        let RightEdge(by_height) = self.right_edge(size)?;
        Ok(by_height.last().copied().flatten().unwrap_or_else(empty_root))
    }

    /// The proof that leaf `index` is in the tree of `size` leaves.
    ///
    /// # Errors
    /// [`TreeError::SizeBeyondTree`], [`TreeError::IndexBeyondSize`] (always for size 0), or
    /// [`TreeError::MissingTile`].
    pub fn inclusion(&self, index: u64, size: u64) -> Result<Vec<Hash>, TreeError> {
        let mut proofs = self.inclusion_batch([index], size)?;
        proofs.pop().ok_or(TreeError::IndexBeyondSize { index, size })
    }

    /// The inclusion proofs of many leaves in the tree of `size` leaves, in the order of `indexes`.
    ///
    /// # Errors
    /// As [`TreeView::inclusion`], for the first leaf that has one.
    pub fn inclusion_batch(
        &self,
        indexes: impl IntoIterator<Item = u64>,
        size: u64,
    ) -> Result<Vec<Vec<Hash>>, TreeError> {
        self.check_size(size)?;
        let edge = self.right_edge(size)?;
        indexes
            .into_iter()
            .map(|index| {
                if index >= size {
                    return Err(TreeError::IndexBeyondSize { index, size });
                }
                let mut proof = Vec::new();
                self.path(0, index, size, &edge, &mut proof)?;
                Ok(proof)
            })
            .collect()
    }

    /// The proof that the tree of `new` leaves begins with the tree of `old` leaves; empty for equal sizes.
    ///
    /// # Errors
    /// [`TreeError::NoConsistency`] unless 0 < `old` <= `new`, [`TreeError::SizeBeyondTree`], or
    /// [`TreeError::MissingTile`].
    pub fn consistency(&self, old: u64, new: u64) -> Result<Vec<Hash>, TreeError> {
        let Some((height, index)) = self.consistency_start(old, new)? else {
            return Ok(Vec::new());
        };
        let edge = self.right_edge(new)?;
        let mut proof = Vec::new();
        if !old.is_power_of_two() {
            proof.push(self.node(height, index)?);
        }
        self.path(height, index, new, &edge, &mut proof)?;
        Ok(proof)
    }

    /// The tiles that [`TreeView::append`] needs and memory lacks: the partial ones of the right edge.
    /// They also give the root at the present size.
    #[must_use]
    pub fn missing_for_append(&self) -> Vec<TileId> {
        let mut ids = BTreeSet::new();
        edge_tiles(self.size, &mut ids);
        self.missing(ids)
    }

    /// The tiles that [`TreeView::inclusion_batch`] needs and memory lacks, higher levels first.
    ///
    /// # Errors
    /// [`TreeError::SizeBeyondTree`] or [`TreeError::IndexBeyondSize`].
    pub fn missing_for_inclusion(
        &self,
        indexes: impl IntoIterator<Item = u64>,
        size: u64,
    ) -> Result<Vec<TileId>, TreeError> {
        self.check_size(size)?;
        let mut ids = BTreeSet::new();
        edge_tiles(size, &mut ids);
        // Neighbors share their tiles, so remember the last one seen on each level.
        let mut last = [None; LEVELS];
        for index in indexes {
            if index >= size {
                return Err(TreeError::IndexBeyondSize { index, size });
            }
            path_tiles(0, index, size, &mut last, &mut ids);
        }
        Ok(self.missing(ids))
    }

    /// The tiles that [`TreeView::consistency`] needs and memory lacks, higher levels first.
    ///
    /// # Errors
    /// [`TreeError::NoConsistency`] or [`TreeError::SizeBeyondTree`].
    pub fn missing_for_consistency(&self, old: u64, new: u64) -> Result<Vec<TileId>, TreeError> {
        let mut ids = BTreeSet::new();
        if let Some((height, index)) = self.consistency_start(old, new)? {
            edge_tiles(new, &mut ids);
            path_tiles(height, index, new, &mut [None; LEVELS], &mut ids);
        }
        Ok(self.missing(ids))
    }

    /// [`TreeView::inclusion_batch`], reading what is missing from `reader`.
    ///
    /// # Errors
    /// [`LoadError`] of the reader, or of the tree.
    pub fn inclusion_from<R: TileReader>(
        &mut self,
        reader: &mut R,
        indexes: &[u64],
        size: u64,
    ) -> Result<Vec<Vec<Hash>>, LoadError<R::Error>> {
        let missing = self.missing_for_inclusion(indexes.iter().copied(), size)?;
        self.load(reader, &missing)?;
        Ok(self.inclusion_batch(indexes.iter().copied(), size)?)
    }

    /// [`TreeView::consistency`], reading what is missing from `reader`.
    ///
    /// # Errors
    /// [`LoadError`] of the reader, or of the tree.
    pub fn consistency_from<R: TileReader>(
        &mut self,
        reader: &mut R,
        old: u64,
        new: u64,
    ) -> Result<Vec<Hash>, LoadError<R::Error>> {
        let missing = self.missing_for_consistency(old, new)?;
        self.load(reader, &missing)?;
        Ok(self.consistency(old, new)?)
    }

    fn check_size(&self, size: u64) -> Result<(), TreeError> {
        if size > self.size {
            return Err(TreeError::SizeBeyondTree { size, known: self.size });
        }
        Ok(())
    }

    /// Height and index of the last complete subtree that ends where the old tree ends; none when the
    /// sizes are equal.
    fn consistency_start(&self, old: u64, new: u64) -> Result<Option<(u32, u64)>, TreeError> {
        self.check_size(new)?;
        if old == 0 || old > new {
            return Err(TreeError::NoConsistency { old, new });
        }
        let height = old.trailing_zeros();
        Ok((old != new).then_some((height, (old - 1) >> height)))
    }

    /// The siblings from the complete subtree (`height`, `index`) up to the root of the tree of `size`.
    fn path(
        &self,
        height: u32,
        index: u64,
        size: u64,
        RightEdge(edge): &RightEdge,
        proof: &mut Vec<Hash>,
    ) -> Result<(), TreeError> {
        let (inner, border) = path_lengths(index, (size - 1) >> height);
        proof.reserve_exact(inner + border);
        let mut cursor = Cursor { view: self, tile: None };
        for step in 0..inner {
            let (at, sibling) = (height as usize + step, (index >> step) ^ 1);
            // Only the topmost of these siblings can be cut off by the end of the tree.
            if step + 1 == inner && sibling >= size >> at {
                proof.extend(edge.get(at).copied().flatten());
            } else {
                proof.push(cursor.node(at, sibling)?);
            }
        }
        let mut above = index.checked_shr(u32::try_from(inner).unwrap_or(u32::MAX)).unwrap_or(0);
        let mut at = height as usize + inner;
        while above > 0 {
            if above & 1 == 1 {
                proof.push(cursor.node(at, above ^ 1)?);
            }
            above >>= 1;
            at += 1;
        }
        Ok(())
    }

    fn right_edge(&self, size: u64) -> Result<RightEdge, TreeError> {
        let mut by_height = vec![None];
        let mut below: Option<Hash> = None;
        for height in 0..u64::BITS - size.leading_zeros() {
            if (size >> height) & 1 == 1 {
                let left = self.node(height, (size >> height) - 1)?;
                below = Some(below.map_or(left, |right| node_hash(&left, &right)));
            }
            by_height.push(below);
        }
        Ok(RightEdge(by_height))
    }

    fn node(&self, height: u32, index: u64) -> Result<Hash, TreeError> {
        Cursor { view: self, tile: None }.node(height as usize, index)
    }

    fn missing(&self, ids: BTreeSet<TileId>) -> Vec<TileId> {
        let lacks = |id: &TileId| {
            self.tiles.get(id).is_none_or(|cached| cached.pyramid.width() < id.width_at(self.size))
        };
        ids.into_iter().rev().filter(lacks).collect()
    }
}

/// Looks nodes up and remembers the tile of the last one: a path stays eight steps in one tile.
struct Cursor<'a> {
    view: &'a TreeView,
    tile: Option<(TileId, &'a Pyramid)>,
}

impl Cursor<'_> {
    fn node(&mut self, height: usize, index: u64) -> Result<Hash, TreeError> {
        let height = u32::try_from(height).unwrap_or(u32::MAX);
        let (level, layer) = (height / TILE_HEIGHT, height % TILE_HEIGHT);
        let in_tile = TILE_HEIGHT - layer;
        let id = TileId { level: u8::try_from(level).unwrap_or(u8::MAX), index: index >> in_tile };
        let pyramid = match self.tile {
            Some((known, pyramid)) if known == id => pyramid,
            _ => {
                let cached = self.view.tiles.get(&id).ok_or(TreeError::MissingTile(id))?;
                cached.used.store(self.view.tick(), Ordering::Relaxed);
                self.tile = Some((id, &cached.pyramid));
                &cached.pyramid
            }
        };
        let position = index & ((1 << in_tile) - 1);
        pyramid.node(layer, position).copied().ok_or(TreeError::MissingTile(id))
    }
}

/// The partial tiles of a tree of `size` leaves: they hold every subtree of its frontier.
fn edge_tiles(size: u64, ids: &mut BTreeSet<TileId>) {
    for level in 0..LEVELS {
        let nodes = size >> (TILE_HEIGHT as usize * level);
        if !nodes.is_multiple_of(1 << TILE_HEIGHT) {
            ids.insert(TileId { level: u8::try_from(level).unwrap_or(u8::MAX), index: nodes >> TILE_HEIGHT });
        }
    }
}

/// The tiles along the path from the subtree (`height`, `index`) to the root, as far as they exist.
fn path_tiles(
    height: u32,
    index: u64,
    size: u64,
    last: &mut [Option<u64>; LEVELS],
    ids: &mut BTreeSet<TileId>,
) {
    let first_level = height / TILE_HEIGHT;
    // As if from a leaf below the subtree: the tiles above are the same.
    let leaf = index << height;
    for (level, last) in last.iter_mut().enumerate().skip(first_level as usize) {
        let tile =
            leaf.checked_shr(TILE_HEIGHT * (u32::try_from(level).unwrap_or(u32::MAX) + 1)).unwrap_or(0);
        if *last == Some(tile) {
            break;
        }
        *last = Some(tile);
        let id = TileId { level: u8::try_from(level).unwrap_or(u8::MAX), index: tile };
        if id.width_at(size) == 0 {
            break;
        }
        ids.insert(id);
    }
}
