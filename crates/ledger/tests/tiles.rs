//! Tiles of C2SP tlog-tiles, and the tree seen through them.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::collections::HashMap;

use tacit_ledger::Hash;
use tacit_ledger::merkle::{Frontier, leaf_hash, verify_consistency, verify_inclusion};
use tacit_ledger::tile::{TileId, tiles_of};
use tacit_ledger::tree::{Appended, LoadError, TileReader, TreeError, TreeView};

/// Tiles in memory, as a database would keep them, counting reads.
#[derive(Default)]
struct Stored {
    tiles: HashMap<TileId, Vec<u8>>,
    reads: usize,
}

impl Stored {
    fn store(&mut self, appended: &Appended) {
        for tile in &appended.tiles {
            let before = self.tiles.insert(tile.id, tile.bytes.clone()).unwrap_or_default();
            assert_eq!(before.len(), usize::from(tile.start) * 32, "an update says what was there before");
            assert!(tile.bytes.starts_with(&before), "a partial tile is a prefix of what it becomes");
            assert_eq!(tile.width(), tile.id.width_at(appended.size));
        }
    }
}

impl TileReader for Stored {
    type Error = ();

    fn read_tile(&mut self, id: TileId, width: u16) -> Result<Vec<u8>, ()> {
        self.reads += 1;
        let tile = self.tiles.get(&id).ok_or(())?;
        assert!(tile.len() >= usize::from(width) * 32);
        Ok(tile.clone())
    }
}

fn leaf(index: u64) -> Hash {
    leaf_hash(&index.to_be_bytes())
}

fn leaves(range: std::ops::Range<u64>) -> Vec<Hash> {
    range.map(leaf).collect()
}

/// A log of `size` leaves, appended in batches of changing length.
fn log(size: u64) -> (TreeView, Stored) {
    let mut view = TreeView::new(0).unwrap();
    let mut stored = Stored::default();
    let mut step = 1;
    while view.size() < size {
        let end = size.min(view.size() + step);
        let appended = view.append(&leaves(view.size()..end)).unwrap();
        stored.store(&appended);
        step = (step * 7 + 3) % 1021 + 1;
    }
    (view, stored)
}

#[test]
fn tile_paths_are_those_of_the_standard() {
    let id = TileId { level: 0, index: 1_234_067 };
    assert_eq!(id.path(256), "tile/0/x001/x234/067");
    assert_eq!(id.path(112), "tile/0/x001/x234/067.p/112");
    assert_eq!(TileId { level: 2, index: 0 }.path(1), "tile/2/000.p/1");
    assert_eq!(TileId { level: 1, index: 1000 }.path(256), "tile/1/x001/000");
    for index in [0, 1, 999, 1000, 999_999, 1_000_000, 1_234_067, u64::MAX] {
        for width in [1, 255, 256] {
            let id = TileId { level: 63, index };
            assert_eq!(TileId::parse_path(&id.path(width)), Ok((id, width)));
        }
    }
}

#[test]
fn every_other_spelling_of_a_tile_path_is_refused() {
    for path in [
        "",
        "tile",
        "tile/0",
        "tile/0/",
        "tile/0/0",
        "tile/0/0000",
        "tile/00/000",
        "tile/64/000",
        "tile/0/x000/000",
        "tile/0/001/000",
        "tile/0/x001/x000",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000.p/",
        "tile/0/+01",
        "tile/-0/000",
        "tile/0/000/",
        "/tile/0/000",
        "tile/entries/000",
        "tile/0/x018/x446/x744/x073/x709/x551/616",
    ] {
        assert!(TileId::parse_path(path).is_err(), "{path}");
    }
}

#[test]
fn a_tree_of_70000_has_the_tiles_of_the_standard() {
    // The example of tlog-tiles, section "Partial Tiles".
    let tiles: Vec<_> = tiles_of(70_000).collect();
    assert_eq!(tiles.iter().filter(|(id, width)| id.level == 0 && *width == 256).count(), 273);
    let partial: Vec<_> = tiles.iter().filter(|(_, width)| *width < 256).copied().collect();
    let expected = [(0, 273, 112), (1, 1, 17), (2, 0, 1)];
    assert_eq!(partial, expected.map(|(level, index, width)| (TileId { level, index }, width)));
    assert_eq!(tiles.len(), 273 + 1 + 1 + 1 + 1);
    // And one of exactly 256 leaves a full tile below a partial one.
    let small: Vec<_> = tiles_of(256).collect();
    assert_eq!(small, [(TileId { level: 0, index: 0 }, 256), (TileId { level: 1, index: 0 }, 1)]);
    assert_eq!(tiles_of(0).count(), 0);
}

#[test]
fn a_log_appended_in_batches_stores_exactly_the_tiles_of_its_size() {
    for size in [1, 255, 256, 257, 511, 512, 5000, 65_535, 65_536, 65_537, 70_000] {
        let (view, stored) = log(size);
        let mut frontier = Frontier::new();
        (0..size).for_each(|index| frontier.push(leaf(index)));
        assert_eq!(view.root(size).unwrap(), frontier.root(), "{size}");
        let expected: HashMap<TileId, u16> = tiles_of(size).collect();
        assert_eq!(stored.tiles.len(), expected.len());
        for (id, width) in expected {
            assert_eq!(stored.tiles[&id].len(), usize::from(width) * 32);
        }
    }
}

#[test]
fn proofs_from_stored_tiles_verify_across_tile_boundaries() {
    let size = 66_000;
    let (view, mut stored) = log(size);
    let interesting: Vec<u64> = [0, 1, 128, 255, 256, 257, 511, 4095, 65_279, 65_280, 65_535, 65_536, 65_537]
        .into_iter()
        .chain(65_990..66_000)
        .collect();
    let mut fresh = TreeView::new(size).unwrap().with_capacity(8);
    let sizes = [1, 2, 255, 256, 257, 300, 512, 65_535, 65_536, 65_537, 65_792, 65_999, 66_000];
    for tree in sizes {
        let root = view.root(tree).unwrap();
        let indexes: Vec<u64> = interesting.iter().copied().filter(|index| *index < tree).collect();
        let proofs = fresh.inclusion_from(&mut stored, &indexes, tree).unwrap();
        for (index, proof) in indexes.iter().zip(&proofs) {
            verify_inclusion(&leaf(*index), *index, proof, tree, &root).unwrap();
        }
        for old in sizes.into_iter().filter(|old| *old <= tree) {
            let proof = fresh.consistency_from(&mut stored, old, tree).unwrap();
            let old_root = view.root(old).unwrap();
            verify_consistency(old, &old_root, tree, &root, &proof).unwrap();
            fresh.trim();
        }
    }
}

#[test]
fn a_batch_needs_each_tile_once_and_an_append_none() {
    let (mut view, mut stored) = log(100_000);
    // Right after its append a batch is proven from memory.
    stored.store(&view.append(&leaves(100_000..101_024)).unwrap());
    let root = view.root(101_024).unwrap();
    let proofs = view.inclusion_batch(100_000..101_024, 101_024).unwrap();
    for (index, proof) in (100_000..).zip(&proofs) {
        verify_inclusion(&leaf(index), index, proof, 101_024, &root).unwrap();
    }
    let proof = view.consistency(100_000, 101_024).unwrap();
    let old_root = view.root(100_000).unwrap();
    verify_consistency(100_000, &old_root, 101_024, &root, &proof).unwrap();
    // From nothing, 1024 neighbors need five or six tiles of leaves, and the edge above.
    let mut fresh = TreeView::new(101_024).unwrap();
    let indexes: Vec<u64> = (50_000..51_024).collect();
    let from_store = fresh.inclusion_from(&mut stored, &indexes, 101_024).unwrap();
    assert_eq!(from_store.len(), 1024);
    assert!(stored.reads <= 9, "{} tiles were read", stored.reads);
    fresh.inclusion_from(&mut stored, &indexes, 101_024).unwrap();
    assert!(stored.reads <= 9, "nothing is read twice");
}

#[test]
fn a_restarted_log_goes_on_from_its_edge() {
    for size in [1, 255, 256, 257, 65_536, 65_537, 66_000] {
        let (mut running, mut stored) = log(size);
        let mut restarted = TreeView::new(size).unwrap();
        if size % 256 != 0 {
            assert!(matches!(restarted.append(&[leaf(size)]), Err(TreeError::MissingTile(_))));
        }
        let missing = restarted.missing_for_append();
        restarted.load(&mut stored, &missing).unwrap();
        assert_eq!(restarted.root(size), running.root(size));
        let more = leaves(size..size + 700);
        assert_eq!(restarted.append(&more), running.append(&more));
    }
}

#[test]
fn a_view_that_follows_another_writer_reads_the_grown_tiles_again() {
    let (mut writer, mut stored) = log(300);
    let mut reader = TreeView::new(300).unwrap();
    reader.inclusion_from(&mut stored, &[299], 300).unwrap();
    stored.store(&writer.append(&leaves(300..600)).unwrap());
    reader.grow(600).unwrap();
    assert!(reader.grow(599).is_err());
    assert!(matches!(reader.inclusion(299, 600), Err(TreeError::MissingTile(_))));
    let grown = [TileId { level: 1, index: 0 }, TileId { level: 0, index: 2 }, TileId { level: 0, index: 1 }];
    assert_eq!(reader.missing_for_inclusion([299], 600).unwrap(), grown);
    let proof = reader.inclusion_from(&mut stored, &[299], 600).unwrap();
    verify_inclusion(&leaf(299), 299, &proof[0], 600, &writer.root(600).unwrap()).unwrap();
    let proof = reader.consistency_from(&mut stored, 300, 600).unwrap();
    let roots = (writer.root(300).unwrap(), writer.root(600).unwrap());
    verify_consistency(300, &roots.0, 600, &roots.1, &proof).unwrap();
}

#[test]
fn a_tile_that_contradicts_another_is_refused() {
    let (_, stored) = log(600);
    let mut view = TreeView::new(600).unwrap();
    let (top, first, last) =
        (TileId { level: 1, index: 0 }, TileId { level: 0, index: 0 }, TileId { level: 0, index: 2 });
    view.insert(top, &stored.tiles[&top]).unwrap();
    let mut forged = stored.tiles[&first].clone();
    forged[77] ^= 1;
    assert_eq!(view.insert(first, &forged), Err(TreeError::TileMismatch(first)));
    view.insert(first, &stored.tiles[&first]).unwrap();
    // What is known of a tile stays.
    view.insert(last, &stored.tiles[&last]).unwrap();
    let mut forged = stored.tiles[&last].clone();
    forged[0] ^= 1;
    assert_eq!(view.insert(last, &forged), Err(TreeError::TileMismatch(last)));
}

#[test]
fn a_tile_of_the_wrong_size_is_refused() {
    let mut view = TreeView::new(300).unwrap();
    let (full, partial, none) =
        (TileId { level: 0, index: 0 }, TileId { level: 0, index: 1 }, TileId { level: 0, index: 2 });
    for (id, length) in [
        (full, 255 * 32),
        (full, 256 * 32 - 1),
        (partial, 43 * 32),
        (partial, 44 * 32 + 1),
        (none, 32),
        (none, 0),
    ] {
        assert!(matches!(view.insert(id, &vec![0; length]), Err(TreeError::TileWidth { .. })), "{length}");
    }
    view.insert(partial, &[0; 45 * 32]).unwrap();
}

#[test]
fn questions_beyond_the_tree_are_refused() {
    let (mut view, mut stored) = log(300);
    assert!(matches!(view.root(301), Err(TreeError::SizeBeyondTree { .. })));
    assert!(matches!(view.inclusion(300, 300), Err(TreeError::IndexBeyondSize { .. })));
    assert!(matches!(view.inclusion(0, 301), Err(TreeError::SizeBeyondTree { .. })));
    assert!(matches!(view.inclusion(0, 0), Err(TreeError::IndexBeyondSize { .. })));
    assert!(matches!(view.consistency(0, 300), Err(TreeError::NoConsistency { .. })));
    assert!(matches!(view.consistency(300, 299), Err(TreeError::NoConsistency { .. })));
    assert!(matches!(view.consistency(300, 301), Err(TreeError::SizeBeyondTree { .. })));
    assert!(view.consistency(300, 300).unwrap().is_empty());
    let error = view.inclusion_from(&mut stored, &[300], 300).unwrap_err();
    assert!(matches!(error, LoadError::Tree(TreeError::IndexBeyondSize { .. })));
    assert!(TreeView::new(u64::MAX).is_err());
}

#[test]
fn trimming_forgets_what_was_not_used_and_keeps_the_edge() {
    let (view, mut stored) = log(70_000);
    drop(view);
    let mut view = TreeView::new(70_000).unwrap().with_capacity(20);
    let missing = view.missing_for_append();
    view.load(&mut stored, &missing).unwrap();
    let spread: Vec<u64> = (0..200).map(|n| n * 256).collect();
    view.inclusion_from(&mut stored, &spread, 70_000).unwrap();
    assert!(view.cached_tiles() > 200);
    view.trim();
    assert!(view.cached_tiles() <= 20);
    assert!(view.missing_for_append().is_empty());
    view.append(&leaves(70_000..70_300)).unwrap();
}
