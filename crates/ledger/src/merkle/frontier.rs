//! The right edge of a growing tree: all that is needed to append and to know the root.

use super::{empty_root, node_hash};
use crate::{Hash, MAX_SIZE};

/// The roots of the complete subtrees of a tree, largest (leftmost) first: one per bit set in the size.
/// At most 63 hashes, whatever the size of the tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    nodes: Vec<Hash>,
}

/// The given nodes cannot be the frontier of a tree of the given size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{found} nodes cannot be the frontier of a tree of {size} leaves")]
pub struct FrontierError {
    /// Tree size in leaves.
    pub size: u64,
    /// How many nodes were given.
    pub found: usize,
}

impl Frontier {
    /// The frontier of the tree without leaves.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A stored frontier again: `nodes` as [`Frontier::nodes`] gave them.
    ///
    /// # Errors
    /// [`FrontierError`] unless there is one node per bit set in `size`, and `size` is at most
    /// [`MAX_SIZE`]. That the nodes are the right ones only the root can show.
    pub fn from_parts(size: u64, nodes: Vec<Hash>) -> Result<Self, FrontierError> {
        if nodes.len() != size.count_ones() as usize || size > MAX_SIZE {
            return Err(FrontierError { size, found: nodes.len() });
        }
        Ok(Self { size, nodes })
    }

    /// Appends one leaf hash.
    pub fn push(&mut self, leaf: Hash) {
        let mut node = leaf;
        let mut rest = self.size;
        while rest & 1 == 1 {
            if let Some(left) = self.nodes.pop() {
                node = node_hash(&left, &node);
            }
            rest >>= 1;
        }
        self.nodes.push(node);
        self.size += 1;
    }

    /// Number of leaves.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The roots of the complete subtrees, largest first.
    #[must_use]
    pub fn nodes(&self) -> &[Hash] {
        &self.nodes
    }

    /// The root of the tree, [`empty_root`] for no leaves.
    #[must_use]
    pub fn root(&self) -> Hash {
        let mut nodes = self.nodes.iter().rev();
        let Some(last) = nodes.next() else {
            return empty_root();
        };
        nodes.fold(*last, |right, left| node_hash(left, &right))
    }
}
