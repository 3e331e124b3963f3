//! The Merkle tree of RFC 6962 section 2.1 with SHA-256: hashes, roots, and the verification of proofs.
//!
//! Nothing here allocates per node. Proofs are slices of sibling hashes, from the leaf upward, exactly
//! the `PATH` and `PROOF` of the RFC. A proof of the wrong length is refused before anything is hashed.

mod frontier;
mod perfect;

pub use frontier::{Frontier, FrontierError};
pub use perfect::{NotPerfect, PerfectTree};

use ring::digest::{Context, SHA256, digest};

use crate::Hash;

/// Why a proof does not prove what it should. The fault is with who made the proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// A tree of size 0 holds nothing and proves nothing.
    #[error("the empty tree proves nothing")]
    EmptyTree,
    /// The leaf index is not below the tree size.
    #[error("index {index} is not below the tree size {size}")]
    IndexBeyondSize {
        /// Leaf index, from 0.
        index: u64,
        /// Tree size in leaves.
        size: u64,
    },
    /// The second tree is smaller than the first.
    #[error("the newer tree has {new} leaves, fewer than the older one's {old}")]
    Shrunk {
        /// Size of the older tree in leaves.
        old: u64,
        /// Size of the newer tree in leaves.
        new: u64,
    },
    /// The proof has another number of hashes than sizes and index require.
    #[error("the proof has {found} hashes where {expected} are needed")]
    WrongLength {
        /// How many hashes sizes and index require.
        expected: usize,
        /// How many the proof has.
        found: usize,
    },
    /// The proof does not lead to the root of the (newer) tree.
    #[error("the proof does not lead to the root")]
    RootMismatch,
    /// The proof does not lead to the root of the older tree.
    #[error("the proof does not lead to the older root")]
    OldRootMismatch,
    /// Two trees of one size have different roots: the log was forked.
    #[error("two trees of one size have different roots")]
    Fork,
}

/// `SHA-256(0x00 || record)`, the hash of a leaf.
#[must_use]
pub fn leaf_hash(record: &[u8]) -> Hash {
    let mut context = Context::new(&SHA256);
    context.update(&[0x00]);
    context.update(record);
    to_hash(context.finish().as_ref())
}

/// `SHA-256(0x01 || left || right)`, the hash of an inner node.
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut input = [0x01; 65];
    input[1..33].copy_from_slice(left);
    input[33..].copy_from_slice(right);
    to_hash(digest(&SHA256, &input).as_ref())
}

/// `SHA-256("")`, the root of the tree without leaves.
#[must_use]
pub fn empty_root() -> Hash {
    to_hash(digest(&SHA256, &[]).as_ref())
}

/// The root over `leaves`, which are leaf *hashes* in order.
#[must_use]
pub fn root(leaves: &[Hash]) -> Hash {
    let mut frontier = Frontier::new();
    for leaf in leaves {
        frontier.push(*leaf);
    }
    frontier.root()
}

/// Checks that the leaf with hash `leaf` stands at `index` of the tree with `size` leaves and `root`.
///
/// # Errors
/// [`ProofError`] in every other case; a tree of size 0 and any proof that is too short or too long
/// are refused.
pub fn verify_inclusion(
    leaf: &Hash,
    index: u64,
    proof: &[Hash],
    size: u64,
    root: &Hash,
) -> Result<(), ProofError> {
    if size == 0 {
        return Err(ProofError::EmptyTree);
    }
    if index >= size {
        return Err(ProofError::IndexBeyondSize { index, size });
    }
    let (inner, border) = path_lengths(index, size - 1);
    expect_length(proof, inner + border)?;
    let (below, above) = proof.split_at(inner);
    let acc = climb_border(climb_inner(*leaf, below, index), above);
    if acc == *root { Ok(()) } else { Err(ProofError::RootMismatch) }
}

/// Checks that the tree (`new_size`, `new_root`) begins with the whole tree (`old_size`, `old_root`).
/// For equal sizes the proof must be empty and the roots equal.
///
/// # Errors
/// [`ProofError`] in every other case. An old size of 0 is refused: from nothing there is nothing to
/// prove, and whoever has seen nothing yet must not call this. [`ProofError::Fork`] means that the two
/// roots themselves are evidence, whatever the proof says.
pub fn verify_consistency(
    old_size: u64,
    old_root: &Hash,
    new_size: u64,
    new_root: &Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    if old_size == 0 {
        return Err(ProofError::EmptyTree);
    }
    if new_size < old_size {
        return Err(ProofError::Shrunk { old: old_size, new: new_size });
    }
    if new_size == old_size {
        if old_root != new_root {
            return Err(ProofError::Fork);
        }
        return expect_length(proof, 0);
    }
    // Start from the largest complete subtree that ends where the old tree ends. When that is the whole
    // old tree, its root is known already and is not part of the proof.
    let shift = old_size.trailing_zeros();
    let start = (old_size - 1) >> shift;
    let (inner, border) = path_lengths(start, (new_size - 1) >> shift);
    let seed_in_proof = usize::from(!old_size.is_power_of_two());
    expect_length(proof, seed_in_proof + inner + border)?;
    let (seed, path) = proof.split_at(seed_in_proof);
    let seed = seed.first().unwrap_or(old_root);
    let (below, above) = path.split_at(inner);

    let old = climb_border(climb_inner_left_only(*seed, below, start), above);
    if old != *old_root {
        return Err(ProofError::OldRootMismatch);
    }
    let new = climb_border(climb_inner(*seed, below, start), above);
    if new == *new_root { Ok(()) } else { Err(ProofError::RootMismatch) }
}

/// The two parts of the path from node `index` to the root, when `last` is the last node on the same
/// height: below the point where both paths meet (siblings on both sides) and above it (left ones only).
pub(crate) fn path_lengths(index: u64, last: u64) -> (usize, usize) {
    let inner = u64::BITS - (index ^ last).leading_zeros();
    let border = index.checked_shr(inner).unwrap_or(0).count_ones();
    (inner as usize, border as usize)
}

fn expect_length(proof: &[Hash], expected: usize) -> Result<(), ProofError> {
    if proof.len() == expected {
        Ok(())
    } else {
        Err(ProofError::WrongLength { expected, found: proof.len() })
    }
}

fn climb_inner(mut acc: Hash, siblings: &[Hash], index: u64) -> Hash {
    for (height, sibling) in siblings.iter().enumerate() {
        acc = if (index >> height) & 1 == 0 { node_hash(&acc, sibling) } else { node_hash(sibling, &acc) };
    }
    acc
}

/// As [`climb_inner`], but skips right siblings: they hold what came after the old tree.
fn climb_inner_left_only(mut acc: Hash, siblings: &[Hash], index: u64) -> Hash {
    for (height, sibling) in siblings.iter().enumerate() {
        if (index >> height) & 1 == 1 {
            acc = node_hash(sibling, &acc);
        }
    }
    acc
}

fn climb_border(mut acc: Hash, siblings: &[Hash]) -> Hash {
    for sibling in siblings {
        acc = node_hash(sibling, &acc);
    }
    acc
}

fn to_hash(digest: &[u8]) -> Hash {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest);
    hash
}
