//! Leaves in, tiles out: full ones as they become full, the others at the end.

use std::collections::BTreeMap;

use tacit_ledger::{
    Hash,
    checkpoint::VerifiedCheckpoint,
    tile::{TILE_WIDTH, TileId},
    tree::{TreeError, TreeView},
};

/// A tile with all its hashes.
pub(super) type Tile = (TileId, Vec<u8>);

/// Builds the tree of a log from its first leaf on.
#[derive(Debug)]
pub(super) struct Tiler {
    tree: TreeView,
    root: Hash,
    /// Tiles that are not full yet.
    edge: BTreeMap<TileId, Vec<u8>>,
    /// Sizes on the way whose roots are wanted, and those roots once they are known.
    earlier: BTreeMap<u64, Option<Hash>>,
}

impl Tiler {
    /// From nothing. `earlier` are sizes whose roots are wanted too.
    pub(super) fn new(earlier: impl IntoIterator<Item = u64>) -> Result<Self, TreeError> {
        let root = tacit_ledger::merkle::empty_root();
        let earlier = earlier.into_iter().map(|size| (size, (size == 0).then_some(root))).collect();
        Ok(Self { tree: TreeView::new(0)?, root, edge: BTreeMap::new(), earlier })
    }

    /// Appends leaves in order, and gives the tiles that became full.
    pub(super) fn append(&mut self, leaves: &[Hash]) -> Result<Vec<Tile>, TreeError> {
        let mut full = Vec::new();
        let mut rest = leaves;
        while !rest.is_empty() {
            // Up to the next size whose root is wanted.
            let size = self.size();
            let next = self.earlier.range(size + 1..).next().map_or(u64::MAX, |(next, _)| *next);
            let count = usize::try_from(next - size).unwrap_or(usize::MAX).min(rest.len());
            let (now, later) = rest.split_at(count);
            full.extend(self.append_part(now)?);
            rest = later;
        }
        Ok(full)
    }

    fn append_part(&mut self, leaves: &[Hash]) -> Result<Vec<Tile>, TreeError> {
        let appended = self.tree.append(leaves)?;
        self.root = appended.root;
        if let Some(wanted) = self.earlier.get_mut(&appended.size) {
            *wanted = Some(appended.root);
        }
        let mut full = Vec::new();
        for tile in appended.tiles {
            if tile.width() == TILE_WIDTH {
                self.edge.remove(&tile.id);
                full.push((tile.id, tile.bytes));
            } else {
                self.edge.insert(tile.id, tile.bytes);
            }
        }
        Ok(full)
    }

    /// Number of leaves so far.
    pub(super) fn size(&self) -> u64 {
        self.tree.size()
    }

    /// Root over them.
    pub(super) fn root(&self) -> &Hash {
        &self.root
    }

    /// Whether the first leaves are those of this checkpoint, whose size was named in the beginning.
    pub(super) fn has(&self, earlier: &VerifiedCheckpoint) -> bool {
        self.earlier.get(&earlier.size()).is_some_and(|root| *root == Some(*earlier.root()))
    }

    /// The tiles that are not full.
    pub(super) fn edge(&self) -> impl Iterator<Item = (TileId, &[u8])> {
        self.edge.iter().map(|(id, bytes)| (*id, bytes.as_slice()))
    }
}

#[cfg(test)]
mod tests {
    use tacit_ledger::{
        checkpoint::Checkpoint, ed25519::SigningKey, merkle, note::NoteSigner, tile::tiles_of,
    };

    use super::*;

    #[test]
    fn every_tile_of_a_log_comes_out_once_whatever_the_steps() {
        let signer = NoteSigner::new("c/log", SigningKey::from_seed(&[1; 32])).unwrap();
        let leaves: Vec<Hash> = (0..66_000_u32).map(|n| merkle::leaf_hash(&n.to_be_bytes())).collect();
        for step in [256, 1000, 7777, 66_000] {
            let earlier = [0_usize, 1, 300, 65_537, 66_000];
            let mut tiler = Tiler::new(earlier.map(|size| size as u64)).unwrap();
            let mut tiles = Vec::new();
            for part in leaves.chunks(step) {
                tiles.extend(tiler.append(part).unwrap());
            }
            tiles.extend(tiler.edge().map(|(id, bytes)| (id, bytes.to_vec())));
            tiles.sort();
            let widths: Vec<_> =
                tiles.iter().map(|(id, bytes)| (*id, u16::try_from(bytes.len() / 32).unwrap())).collect();
            assert_eq!(widths, tiles_of(66_000).collect::<Vec<_>>());
            assert_eq!(tiler.root(), &merkle::root(&leaves));
            for size in earlier {
                let checkpoint = |root| {
                    let checkpoint = Checkpoint { origin: "c/log".to_owned(), size: size as u64, root };
                    checkpoint.sign(&signer).unwrap()
                };
                assert!(tiler.has(&checkpoint(merkle::root(&leaves[..size]))), "{step} {size}");
                assert!(!tiler.has(&checkpoint([7; 32])), "{step} {size}");
            }
        }
    }
}
