//! The tree over the buckets of one table: RFC 6962 section 2.1, over exactly `2^b` leaves.

use std::fmt;

use tacit_ledger::Hash;
use tacit_ledger::merkle::PerfectTree;

use super::layout::MAX_BUCKET_BITS;

/// All hashes of a table's tree: 4 MiB for the largest table. Gives the root and the audit path of any
/// bucket at once, and follows rewritten buckets without hashing the others again.
#[derive(Clone, PartialEq, Eq)]
pub struct TableTree {
    nodes: PerfectTree,
}

impl TableTree {
    /// The tree over these bucket leaves, in the order of the buckets.
    ///
    /// # Errors
    /// [`TreeError::Leaves`].
    pub fn new(leaves: &[Hash]) -> Result<Self, TreeError> {
        let refused = TreeError::Leaves { given: leaves.len() };
        if leaves.len() > 1 << MAX_BUCKET_BITS {
            return Err(refused);
        }
        Ok(Self { nodes: PerfectTree::new(leaves).map_err(|_| refused)? })
    }

    /// Number of buckets.
    #[must_use]
    pub fn buckets(&self) -> usize {
        self.nodes.size()
    }

    /// The root, as the manifest states it.
    #[must_use]
    pub fn root(&self) -> Hash {
        self.nodes.root()
    }

    /// The leaf of one bucket, if the table has it.
    #[must_use]
    pub fn leaf(&self, bucket: u32) -> Option<&Hash> {
        self.nodes.leaf(bucket as usize)
    }

    /// The audit path of one bucket, leaf sibling first.
    ///
    /// # Errors
    /// [`TreeError::NoSuchBucket`].
    pub fn path(&self, bucket: u32) -> Result<Vec<Hash>, TreeError> {
        self.nodes.inclusion(bucket as usize).ok_or(TreeError::NoSuchBucket { bucket })
    }

    /// Replaces the leaves of rewritten buckets. On an error nothing has changed.
    ///
    /// # Errors
    /// [`TreeError::NoSuchBucket`].
    pub fn update(&mut self, changed: &[(u32, Hash)]) -> Result<(), TreeError> {
        if let Some(&(bucket, _)) = changed.iter().find(|(bucket, _)| *bucket as usize >= self.buckets()) {
            return Err(TreeError::NoSuchBucket { bucket });
        }
        for &(bucket, leaf) in changed {
            if !self.nodes.replace(bucket as usize, leaf) {
                return Err(TreeError::NoSuchBucket { bucket });
            }
        }
        Ok(())
    }
}

impl fmt::Debug for TableTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TableTree").field("buckets", &self.buckets()).finish_non_exhaustive()
    }
}

/// Why a tree operation was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// A table has 1, 2, 4, ... 65536 buckets.
    #[error("{given} bucket leaves; a table has a power of two of them, at most 65536")]
    Leaves {
        /// Leaves given.
        given: usize,
    },
    /// The table has no such bucket.
    #[error("the table has no bucket {bucket}")]
    NoSuchBucket {
        /// The bucket number.
        bucket: u32,
    },
}

#[cfg(test)]
mod tests {
    use tacit_ledger::merkle;

    use super::*;

    fn leaves(count: u32) -> Vec<Hash> {
        (0..count).map(|n| merkle::leaf_hash(&n.to_be_bytes())).collect()
    }

    #[test]
    fn root_and_paths_are_those_of_rfc_6962() {
        for count in [1, 2, 8, 64] {
            let leaves = leaves(count);
            let tree = TableTree::new(&leaves).unwrap();
            assert_eq!(tree.root(), merkle::root(&leaves));
            for bucket in 0..count {
                let path = tree.path(bucket).unwrap();
                let leaf = tree.leaf(bucket).unwrap();
                let verdict =
                    merkle::verify_inclusion(leaf, bucket.into(), &path, count.into(), &tree.root());
                assert!(verdict.is_ok());
            }
            assert_eq!(tree.path(count), Err(TreeError::NoSuchBucket { bucket: count }));
        }
    }

    #[test]
    fn an_updated_tree_is_the_tree_of_the_updated_leaves() {
        let mut tree = TableTree::new(&leaves(64)).unwrap();
        let changed = [(0, [1; 32]), (1, [2; 32]), (40, [3; 32]), (63, [4; 32])];
        tree.update(&changed).unwrap();
        let mut expected = leaves(64);
        for (bucket, leaf) in changed {
            expected[bucket as usize] = leaf;
        }
        assert_eq!(tree, TableTree::new(&expected).unwrap());
        let before = tree.clone();
        assert_eq!(tree.update(&[(0, [9; 32]), (64, [9; 32])]), Err(TreeError::NoSuchBucket { bucket: 64 }));
        assert_eq!(tree, before);
    }

    #[test]
    fn a_tree_of_an_odd_number_of_buckets_is_refused() {
        for count in [0, 3, 131_072] {
            let refused = TableTree::new(&vec![[0; 32]; count]);
            assert_eq!(refused, Err(TreeError::Leaves { given: count }));
        }
    }
}
