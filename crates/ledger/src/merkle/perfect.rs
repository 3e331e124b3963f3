//! A tree of 2^b leaves held whole, in which single leaves are replaced: the buckets of a sealed list.

use super::node_hash;
use crate::Hash;

/// All nodes of an RFC 6962 tree over 2^b leaf hashes. Replacing a leaf costs b hashes, a proof none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PerfectTree {
    /// Heap order: `nodes[1]` is the root, the children of `i` are `2i` and `2i + 1`; `nodes[0]` unused.
    nodes: Vec<Hash>,
}

/// The number of leaves is not a power of two (1, 2, 4, ...).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} leaves are not a power of two")]
pub struct NotPerfect(pub usize);

impl PerfectTree {
    /// Builds the tree over `leaves`, which are leaf hashes in order.
    ///
    /// # Errors
    /// [`NotPerfect`] unless their number is a power of two.
    pub fn new(leaves: &[Hash]) -> Result<Self, NotPerfect> {
        if !leaves.len().is_power_of_two() {
            return Err(NotPerfect(leaves.len()));
        }
        let mut nodes = vec![[0; 32]; leaves.len()];
        nodes.extend_from_slice(leaves);
        for parent in (1..leaves.len()).rev() {
            nodes[parent] = node_hash(&nodes[2 * parent], &nodes[2 * parent + 1]);
        }
        Ok(Self { nodes })
    }

    /// Number of leaves.
    #[must_use]
    pub fn size(&self) -> usize {
        self.nodes.len() / 2
    }

    /// The root.
    #[must_use]
    pub fn root(&self) -> Hash {
        // A tree of one leaf has nodes [unused, leaf]: index 1 is right in every case.
        self.nodes[1]
    }

    /// The leaf hash at `index`, if there is one.
    #[must_use]
    pub fn leaf(&self, index: usize) -> Option<&Hash> {
        self.nodes.get(self.size().checked_add(index)?)
    }

    /// Replaces the leaf hash at `index`; false, and nothing done, when there is no such leaf.
    #[must_use]
    pub fn replace(&mut self, index: usize, leaf: Hash) -> bool {
        if index >= self.size() {
            return false;
        }
        let mut at = self.size() + index;
        self.nodes[at] = leaf;
        while at > 1 {
            at /= 2;
            self.nodes[at] = node_hash(&self.nodes[2 * at], &self.nodes[2 * at + 1]);
        }
        true
    }

    /// The inclusion proof of the leaf at `index`, for [`super::verify_inclusion`], if there is one.
    #[must_use]
    pub fn inclusion(&self, index: usize) -> Option<Vec<Hash>> {
        if index >= self.size() {
            return None;
        }
        let mut at = self.size() + index;
        let mut proof = Vec::with_capacity(self.size().trailing_zeros() as usize);
        while at > 1 {
            proof.push(self.nodes[at ^ 1]);
            at /= 2;
        }
        Some(proof)
    }
}
