//! The tree of RFC 6962: published roots and proofs, every small tree against a naive one, and every way
//! of damaging a proof.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use tacit_ledger::Hash;
use tacit_ledger::merkle::{
    Frontier, PerfectTree, ProofError, empty_root, leaf_hash, node_hash, root, verify_consistency,
    verify_inclusion,
};
use tacit_ledger::tree::TreeView;

const SIZES: usize = 70;

fn hash(text: &str) -> Hash {
    hex::decode(text).unwrap().try_into().unwrap()
}

fn leaves(count: usize) -> Vec<Hash> {
    (0..count).map(|n| leaf_hash(&n.to_be_bytes())).collect()
}

/// MTH of RFC 6962 section 2.1, word for word.
fn naive_root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => empty_root(),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(split(leaves.len()));
            node_hash(&naive_root(left), &naive_root(right))
        }
    }
}

/// PATH of section 2.1.1.
fn naive_path(index: usize, leaves: &[Hash]) -> Vec<Hash> {
    if leaves.len() <= 1 {
        return Vec::new();
    }
    let (left, right) = leaves.split_at(split(leaves.len()));
    let (mut path, sibling) = if index < left.len() {
        (naive_path(index, left), naive_root(right))
    } else {
        (naive_path(index - left.len(), right), naive_root(left))
    };
    path.push(sibling);
    path
}

/// SUBPROOF of section 2.1.2.
fn naive_subproof(old: usize, leaves: &[Hash], whole: bool) -> Vec<Hash> {
    if old == leaves.len() {
        return if whole { Vec::new() } else { vec![naive_root(leaves)] };
    }
    let (left, right) = leaves.split_at(split(leaves.len()));
    let (mut proof, sibling) = if old <= left.len() {
        (naive_subproof(old, left, whole), naive_root(right))
    } else {
        (naive_subproof(old - left.len(), right, false), naive_root(left))
    };
    proof.push(sibling);
    proof
}

fn split(size: usize) -> usize {
    size.next_power_of_two() / 2
}

/// Every proof that differs from `proof` in one bit, one hash less, or one hash more.
fn damaged(proof: &[Hash]) -> Vec<Vec<Hash>> {
    let mut all = Vec::new();
    for at in 0..proof.len() {
        for bit in [0, 100, 255] {
            let mut flipped = proof.to_vec();
            flipped[at][bit / 8] ^= 1 << (bit % 8);
            all.push(flipped);
        }
        let mut shortened = proof.to_vec();
        shortened.remove(at);
        all.push(shortened);
    }
    for at in [0, proof.len()] {
        for extra in [[0; 32], proof.first().copied().unwrap_or([1; 32])] {
            let mut extended = proof.to_vec();
            extended.insert(at, extra);
            all.push(extended);
        }
    }
    all
}

#[test]
fn the_published_roots_come_out() {
    // The eight leaves and roots of the Certificate Transparency reference implementation.
    let inputs =
        ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
    let roots = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    let hashes: Vec<Hash> = inputs.iter().map(|input| leaf_hash(&hex::decode(input).unwrap())).collect();
    let view = TreeView::from_leaves(&hashes).unwrap();
    for (size, expected) in roots.iter().enumerate() {
        assert_eq!(root(&hashes[..size]), hash(expected));
        assert_eq!(view.root(size as u64).unwrap(), hash(expected));
    }
    let published = [
        hash("0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a"),
        hash("ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"),
        hash("d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"),
    ];
    assert_eq!(view.consistency(6, 8).unwrap(), published);
    verify_consistency(6, &hash(roots[6]), 8, &hash(roots[8]), &published).unwrap();
    let published = [
        hash("96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"),
        hash("5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"),
        hash("6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"),
    ];
    assert_eq!(view.inclusion(0, 8).unwrap(), published);
    verify_inclusion(&hashes[0], 0, &published, 8, &hash(roots[8])).unwrap();
}

#[test]
fn every_small_tree_agrees_with_the_rfc() {
    let all = leaves(SIZES);
    let view = TreeView::from_leaves(&all).unwrap();
    let mut frontier = Frontier::new();
    for size in 1..=SIZES {
        frontier.push(all[size - 1]);
        let tree = &all[..size];
        let expected = naive_root(tree);
        assert_eq!(frontier.root(), expected);
        assert_eq!(root(tree), expected);
        assert_eq!(view.root(size as u64).unwrap(), expected);
        let again = Frontier::from_parts(size as u64, frontier.nodes().to_vec()).unwrap();
        assert_eq!(again, frontier);
        for index in 0..size {
            let proof = view.inclusion(index as u64, size as u64).unwrap();
            assert_eq!(proof, naive_path(index, tree), "leaf {index} of {size}");
            verify_inclusion(&tree[index], index as u64, &proof, size as u64, &expected).unwrap();
        }
        for old in 1..=size {
            let proof = view.consistency(old as u64, size as u64).unwrap();
            assert_eq!(proof, naive_subproof(old, tree, true), "from {old} to {size}");
            let old_root = naive_root(&all[..old]);
            verify_consistency(old as u64, &old_root, size as u64, &expected, &proof).unwrap();
        }
    }
}

#[test]
fn a_damaged_inclusion_proof_is_refused() {
    let all = leaves(20);
    let view = TreeView::from_leaves(&all).unwrap();
    for size in 1..=20_u64 {
        let root = view.root(size).unwrap();
        for index in 0..size {
            let leaf = all[usize::try_from(index).unwrap()];
            let proof = view.inclusion(index, size).unwrap();
            for bad in damaged(&proof) {
                assert!(verify_inclusion(&leaf, index, &bad, size, &root).is_err(), "{index} of {size}");
            }
            // The same proof for another leaf, place, size or root.
            assert!(verify_inclusion(&node_hash(&leaf, &leaf), index, &proof, size, &root).is_err());
            assert!(verify_inclusion(&leaf, index, &proof, size, &empty_root()).is_err());
            for other in (0..size + 3).filter(|other| *other != index) {
                assert!(verify_inclusion(&leaf, other, &proof, size, &root).is_err());
            }
            let far = verify_inclusion(&leaf, index, &proof, u64::MAX, &root);
            assert!(far.is_err());
        }
    }
}

#[test]
fn a_damaged_consistency_proof_is_refused() {
    let all = leaves(20);
    let view = TreeView::from_leaves(&all).unwrap();
    for new in 1..=20_u64 {
        let new_root = view.root(new).unwrap();
        for old in 1..=new {
            let old_root = view.root(old).unwrap();
            let proof = view.consistency(old, new).unwrap();
            for bad in damaged(&proof) {
                assert!(verify_consistency(old, &old_root, new, &new_root, &bad).is_err(), "{old} to {new}");
            }
            assert!(verify_consistency(old, &empty_root(), new, &new_root, &proof).is_err());
            assert!(verify_consistency(old, &old_root, new, &empty_root(), &proof).is_err());
            for other in (1..=20).filter(|other| *other != old) {
                let result = verify_consistency(other, &old_root, new, &new_root, &proof);
                assert!(result.is_err(), "{other} for {old} to {new}");
            }
        }
    }
}

#[test]
fn the_empty_tree_proves_nothing() {
    let leaf = leaf_hash(b"");
    let empty = empty_root();
    assert_eq!(verify_inclusion(&leaf, 0, &[], 0, &empty), Err(ProofError::EmptyTree));
    assert_eq!(verify_consistency(0, &empty, 0, &empty, &[]), Err(ProofError::EmptyTree));
    assert_eq!(verify_consistency(0, &empty, 1, &leaf, &[]), Err(ProofError::EmptyTree));
    assert_eq!(verify_consistency(0, &empty, 1, &leaf, &[leaf]), Err(ProofError::EmptyTree));
    let view = TreeView::from_leaves(&[]).unwrap();
    assert_eq!(view.root(0), Ok(empty));
    assert!(view.inclusion(0, 0).is_err());
    assert!(view.consistency(0, 0).is_err());
}

#[test]
fn a_fork_is_told_from_a_bad_proof() {
    let all = leaves(3);
    let (one, other) = (root(&all), root(&all[..2]));
    assert_eq!(verify_consistency(3, &one, 3, &other, &[]), Err(ProofError::Fork));
    assert_eq!(verify_consistency(3, &one, 3, &other, &[one]), Err(ProofError::Fork));
    assert_eq!(verify_consistency(3, &one, 2, &other, &[]), Err(ProofError::Shrunk { old: 3, new: 2 }));
}

#[test]
fn extreme_sizes_do_not_panic() {
    let h = [7; 32];
    for size in [1, 2, u64::MAX / 2, u64::MAX / 2 + 1, u64::MAX - 1, u64::MAX] {
        for index in [0, 1, size / 2, size - 1] {
            for length in [0, 1, 63, 64, 65] {
                assert!(verify_inclusion(&h, index, &vec![h; length], size, &[0; 32]).is_err());
                assert!(verify_consistency(index.max(1), &h, size, &[0; 32], &vec![h; length]).is_err());
            }
        }
    }
}

#[test]
fn a_perfect_tree_keeps_up_with_replaced_leaves() {
    assert!(PerfectTree::new(&[]).is_err());
    assert!(PerfectTree::new(&leaves(3)).is_err());
    for bits in 0..=6 {
        let mut all = leaves(1 << bits);
        let mut tree = PerfectTree::new(&all).unwrap();
        for index in 0..all.len() {
            all[index] = leaf_hash(&[index.to_be_bytes().as_slice(), b"new"].concat());
            assert!(tree.replace(index, all[index]));
            assert_eq!(tree.root(), naive_root(&all));
            let proof = tree.inclusion(index).unwrap();
            assert_eq!(proof, naive_path(index, &all));
            assert_eq!(tree.leaf(index), Some(&all[index]));
        }
        assert!(!tree.replace(all.len(), [0; 32]));
        assert!(tree.inclusion(all.len()).is_none());
        assert!(tree.leaf(all.len()).is_none());
    }
}

#[test]
fn a_frontier_of_the_wrong_shape_is_refused() {
    assert!(Frontier::from_parts(3, vec![[0; 32]]).is_err());
    assert!(Frontier::from_parts(0, vec![[0; 32]]).is_err());
    assert!(Frontier::from_parts(u64::MAX, vec![[0; 32]; 64]).is_err());
}
