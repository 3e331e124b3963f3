//! The same questions to three other implementations: `tlog_tiles` and `signed_note` (of a Certificate Transparency
//! log) and `ct-merkle`. Trees are random but the same at every run.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use ct_merkle::{ConsistencyProof, InclusionProof, RootHash};
use sha2::Sha256;
use signed_note::{StandardVerifier, VerifierList};
use tacit_ledger::Hash;
use tacit_ledger::checkpoint::{Checkpoint, VerifiedCheckpoint};
use tacit_ledger::ed25519::SigningKey;
use tacit_ledger::merkle::{Frontier, leaf_hash, verify_consistency, verify_inclusion};
use tacit_ledger::note::{Note, NoteSigner, NoteVerifier, attach_line};
use tacit_ledger::tile::{TileId, tiles_of};
use tacit_ledger::tree::TreeView;
use tlog_tiles::tlog::{HashReader, TreeProof};

/// A small generator (xorshift64*): the tests need variety, not secrecy.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number from 0, below `end`.
    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn bytes(&mut self) -> Vec<u8> {
        let length = self.below(60);
        (0..length).map(|_| self.next().to_le_bytes()[0]).collect()
    }
}

/// The tree of `tlog_tiles`: hashes in its own storage order.
#[derive(Default)]
struct Stored(Vec<tlog_tiles::Hash>);

impl HashReader for Stored {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog_tiles::Hash>, tlog_tiles::Error> {
        Ok(indexes.iter().map(|index| self.0[usize::try_from(*index).unwrap()]).collect())
    }
}

/// One random tree in all four forms.
struct Trees {
    entries: Vec<Vec<u8>>,
    leaves: Vec<Hash>,
    ours: TreeView,
    tiles: Stored,
}

const LARGEST: u64 = 3000;

impl Trees {
    fn random(random: &mut Random) -> Self {
        let entries: Vec<Vec<u8>> = (0..LARGEST).map(|_| random.bytes()).collect();
        let leaves: Vec<Hash> = entries.iter().map(|entry| leaf_hash(entry)).collect();
        let mut tiles = Stored::default();
        for (index, entry) in (0..).zip(&entries) {
            let new = tlog_tiles::stored_hashes(index, entry, &tiles).unwrap();
            tiles.0.extend(new);
        }
        let ours = TreeView::from_leaves(&leaves).unwrap();
        Self { entries, leaves, ours, tiles }
    }

    /// The first `size` entries as a tree of `ct-merkle`.
    fn ct(&self, size: u64) -> MemoryBackedTree<Sha256, Vec<u8>> {
        let mut tree = MemoryBackedTree::new();
        self.entries[..to_usize(size)].iter().for_each(|entry| tree.push(entry.clone()));
        tree
    }
}

fn to_usize(number: u64) -> usize {
    usize::try_from(number).unwrap()
}

fn ct_root(root: &Hash, size: u64) -> RootHash<Sha256> {
    RootHash::new((*root).into(), size)
}

fn tlog_proof(proof: &[Hash]) -> TreeProof {
    proof.iter().map(|hash| tlog_tiles::Hash(*hash)).collect()
}

fn ours(proof: &[tlog_tiles::Hash]) -> Vec<Hash> {
    proof.iter().map(|hash| hash.0).collect()
}

/// Sizes at the borders of tiles and of powers of two, and others at random.
fn sizes(random: &mut Random) -> Vec<u64> {
    let mut sizes =
        vec![1, 2, 3, 4, 255, 256, 257, 511, 512, 513, 1023, 1024, 1025, 2047, 2048, 2049, LARGEST];
    sizes.extend((0..15).map(|_| 1 + random.below(LARGEST)));
    sizes
}

#[test]
fn roots_agree_with_two_other_implementations() {
    let random = &mut Random(0x7ac1_7001);
    let trees = Trees::random(random);
    let mut frontier = Frontier::new();
    let mut ct = MemoryBackedTree::<Sha256, Vec<u8>>::new();
    for (size, entry) in (1..).zip(&trees.entries) {
        frontier.push(leaf_hash(entry));
        ct.push(entry.clone());
        let root = trees.ours.root(size).unwrap();
        assert_eq!(frontier.root(), root);
        assert_eq!(Hash::from(*ct.root().as_bytes()), root, "{size} leaves, ct-merkle");
        assert_eq!(tlog_tiles::tree_hash(size, &trees.tiles).unwrap().0, root, "{size} leaves, tlog_tiles");
    }
    assert_eq!(tacit_ledger::merkle::empty_root(), tlog_tiles::EMPTY_HASH.0);
}

#[test]
fn inclusion_proofs_agree_and_each_side_verifies_the_others() {
    let random = &mut Random(0x7ac1_7002);
    let trees = Trees::random(random);
    for size in sizes(random) {
        let ct = trees.ct(size);
        let root = trees.ours.root(size).unwrap();
        for round in 0..40 {
            let index = if round == 0 { size - 1 } else { random.below(size) };
            let leaf = &trees.leaves[to_usize(index)];
            let proof = trees.ours.inclusion(index, size).unwrap();
            let theirs = tlog_tiles::prove_record(size, index, &trees.tiles).unwrap();
            assert_eq!(ours(&theirs), proof, "{index} of {size}, tlog_tiles");
            assert_eq!(
                ct.prove_inclusion(to_usize(index)).as_bytes(),
                proof.as_flattened(),
                "{index} of {size}"
            );

            // Good, with a flipped bit, for another index, cut short: all judge alike.
            let mut flipped = proof.clone();
            if let Some(hash) = flipped.first_mut() {
                hash[31] ^= 1;
            }
            let shorter = proof[..proof.len().saturating_sub(1)].to_vec();
            let elsewhere = random.below(size);
            for (proof, index) in [(&proof, index), (&flipped, index), (&shorter, index), (&proof, elsewhere)]
            {
                let verdict = verify_inclusion(leaf, index, proof, size, &root).is_ok();
                let tlog = tlog_tiles::check_record(
                    &tlog_proof(proof),
                    size,
                    tlog_tiles::Hash(root),
                    index,
                    tlog_tiles::Hash(*leaf),
                );
                assert_eq!(tlog.is_ok(), verdict, "{index} of {size}, tlog_tiles");
                let entry = trees.leaves.iter().position(|other| other == leaf).unwrap();
                let ct = ct_root(&root, size).verify_inclusion(
                    &trees.entries[entry],
                    index,
                    &InclusionProof::try_from_bytes(proof.as_flattened().to_vec()).unwrap(),
                );
                assert_eq!(ct.is_ok(), verdict, "{index} of {size}, ct-merkle");
            }
            assert!(verify_inclusion(leaf, index, &proof, size, &root).is_ok());
        }
    }
}

#[test]
fn consistency_proofs_agree_and_each_side_verifies_the_others() {
    let random = &mut Random(0x7ac1_7003);
    let trees = Trees::random(random);
    for new in sizes(random) {
        let ct = trees.ct(new);
        let new_root = trees.ours.root(new).unwrap();
        for round in 0..40 {
            let old = if round == 0 { new } else { 1 + random.below(new) };
            let old_root = trees.ours.root(old).unwrap();
            let proof = trees.ours.consistency(old, new).unwrap();
            let theirs = tlog_tiles::prove_tree(new, old, &trees.tiles).unwrap();
            assert_eq!(ours(&theirs), proof, "{old} to {new}, tlog_tiles");
            assert_eq!(ct.prove_consistency(to_usize(new - old)).as_bytes(), proof.as_flattened());

            let mut flipped = proof.clone();
            if let Some(hash) = flipped.last_mut() {
                hash[0] ^= 0x80;
            }
            let shorter = proof[..proof.len().saturating_sub(1)].to_vec();
            let another = 1 + random.below(new);
            let another_root = trees.ours.root(another).unwrap();
            for (proof, old, old_root) in [
                (&proof, old, old_root),
                (&flipped, old, old_root),
                (&shorter, old, old_root),
                (&proof, another, old_root),
                (&proof, another, another_root),
                (&proof, old, new_root),
            ] {
                let verdict = verify_consistency(old, &old_root, new, &new_root, proof).is_ok();
                let (tlog_new, tlog_old) = (tlog_tiles::Hash(new_root), tlog_tiles::Hash(old_root));
                let tlog = tlog_tiles::check_tree(&tlog_proof(proof), new, tlog_new, old, tlog_old);
                assert_eq!(tlog.is_ok(), verdict, "{old} to {new}, tlog_tiles");
                let bytes = proof.as_flattened().to_vec();
                let ct = ct_root(&new_root, new).verify_consistency(
                    &ct_root(&old_root, old),
                    &ConsistencyProof::try_from_bytes(bytes).unwrap(),
                );
                assert_eq!(ct.is_ok(), verdict, "{old} to {new}, ct-merkle");
            }
            assert!(verify_consistency(old, &old_root, new, &new_root, &proof).is_ok());
        }
    }
}

/// A path of `tlog_tiles` has the height after `tile/`, which the standard fixes at 8 and leaves out.
fn with_height(path: &str) -> String {
    path.replacen("tile/", "tile/8/", 1)
}

#[test]
fn tile_paths_agree() {
    let random = &mut Random(0x7ac1_7004);
    for round in 0..5000 {
        let index = if round % 2 == 0 { random.next() >> random.below(64) } else { random.below(2000) };
        let level = u8::try_from(random.below(64)).unwrap();
        let width = u16::try_from(1 + random.below(256)).unwrap();
        let id = TileId { level, index };
        let theirs = tlog_tiles::Tile::new(8, level, index, u32::from(width), false);
        assert_eq!(with_height(&id.path(width)), theirs.path());

        // And of damaged paths each takes the same ones, for the same tile.
        let mut path = id.path(width).into_bytes();
        let at = to_usize(random.below(path.len() as u64 - 5)) + 5;
        match random.below(3) {
            0 => path[at] = b"0123456789x/.p"[to_usize(random.below(14))],
            1 => path.insert(at, b"0123456789x/.p"[to_usize(random.below(14))]),
            _ => drop(path.remove(at)),
        }
        let path = String::from_utf8(path).unwrap();
        let parsed = TileId::parse_path(&path);
        // Their parser panics at a level above 63 and at a width of 0; ours has to refuse those.
        let level: Option<u8> = path.split('/').nth(1).and_then(|level| level.parse().ok());
        let width: Option<u32> = path.rsplit_once(".p/").and_then(|(_, width)| width.parse().ok());
        if level.is_some_and(|level| level > 63) || width == Some(0) {
            assert!(parsed.is_err(), "{path}");
            continue;
        }
        match tlog_tiles::Tile::from_path(&with_height(&path)) {
            Ok(theirs) => {
                let (id, width) = parsed.unwrap();
                assert_eq!(
                    (id.level, id.index, u32::from(width)),
                    (theirs.level(), theirs.level_index(), theirs.width()),
                    "{path}"
                );
            }
            Err(_) => assert!(parsed.is_err(), "{path}"),
        }
    }
}

#[test]
fn the_tiles_of_a_tree_agree_in_names_and_bytes() {
    let random = &mut Random(0x7ac1_7005);
    let trees = Trees::random(random);
    for size in sizes(random) {
        let mut theirs: Vec<(u8, u64, u32)> = tlog_tiles::Tile::new_tiles(8, 0, size)
            .iter()
            .map(|tile| (tile.level(), tile.level_index(), tile.width()))
            .collect();
        theirs.sort_unstable();
        let ours: Vec<(u8, u64, u32)> =
            tiles_of(size).map(|(id, width)| (id.level, id.index, u32::from(width))).collect();
        assert_eq!(ours, theirs, "{size} leaves");
    }
    let mut view = TreeView::new(0).unwrap();
    for tile in view.append(&trees.leaves).unwrap().tiles {
        let width = u32::from(tile.width());
        let theirs = tlog_tiles::Tile::new(8, tile.id.level, tile.id.index, width, false);
        assert_eq!(theirs.read_data(&trees.tiles).unwrap(), tile.bytes, "{}", tile.id.path(tile.width()));
    }
}

/// What `signed_note` makes of a note: its text, when the key signed it.
fn their_verdict(note: &[u8], vkey: &str) -> Option<String> {
    let verifier = StandardVerifier::new(vkey).unwrap();
    let known = VerifierList::new(vec![Box::new(verifier)]);
    let note = signed_note::Note::from_bytes(note).ok()?;
    note.verify(&known).ok()?;
    Some(String::from_utf8(note.text().to_vec()).unwrap())
}

fn our_verdict(note: &[u8], log: &NoteVerifier) -> Option<String> {
    log.open(note).ok().map(ToOwned::to_owned)
}

#[test]
fn signed_notes_agree() {
    let random = &mut Random(0x7ac1_7006);
    for round in 0..50_u8 {
        let log = NoteSigner::new("c/log", SigningKey::from_seed(&[round; 32])).unwrap();
        let vkey = log.verifier().to_string();
        let text = format!("{}\n\n{}\n", "line\n".repeat(usize::from(round % 5)), random.next());
        let note = log.sign(&text).unwrap();
        assert_eq!(their_verdict(note.as_bytes(), &vkey).as_deref(), Some(text.as_str()));
        // And a note that they signed is ours, byte for byte.
        let seed = [&[1_u8][..], &[round; 32]].concat();
        let skey = format!(
            "PRIVATE+KEY+c/log+{}+{}",
            vkey.split('+').nth(1).unwrap(),
            base64::Engine::encode(&base64::engine::general_purpose::STANDARD, seed)
        );
        let signer = signed_note::StandardSigner::new(&skey).unwrap();
        let mut theirs = signed_note::Note::new(text.as_bytes(), &[]).unwrap();
        theirs.add_sigs(&[&signer]).unwrap();
        assert_eq!(theirs.to_bytes(), note.as_bytes());
        assert_eq!(our_verdict(&theirs.to_bytes(), log.verifier()), Some(text));
    }
}

#[test]
fn damaged_notes_are_judged_alike() {
    let random = &mut Random(0x7ac1_7007);
    let log = NoteSigner::new("c/log", SigningKey::from_seed(&[1; 32])).unwrap();
    let stranger = NoteSigner::new("d/log", SigningKey::from_seed(&[2; 32])).unwrap();
    let vkey = log.verifier().to_string();
    let text = "c/log\n4\nqqqq\n";
    let mut note = log.sign(text).unwrap();
    note = attach_line(&note, &stranger.sign_line(text).unwrap()).unwrap();
    note = attach_line(&note, "\u{2014} grease AAAAAGdyZWFzZQ==\n").unwrap();
    let pieces = ["\n", "\n\n", " ", "\u{2014} ", "=", "A", "+", "\t", "\u{3000}", "c/log", "\u{a0}"];
    let (mut accepted, mut refused) = (0, 0);
    for _ in 0..20_000 {
        let mut bytes = note.clone().into_bytes();
        for _ in 0..=random.below(2) {
            let at = to_usize(random.below(bytes.len() as u64));
            match random.below(4) {
                0 => bytes[at] ^= 1 << random.below(8),
                1 => drop(bytes.remove(at)),
                2 => {
                    let piece = pieces[to_usize(random.below(pieces.len() as u64))];
                    bytes.splice(at..at, piece.bytes());
                }
                _ => {
                    // A line leaves, or comes again at another place.
                    let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
                    let (from, to) =
                        (to_usize(random.below(lines.len() as u64)), random.below(lines.len() as u64));
                    let line = lines[from].to_vec();
                    let mut moved: Vec<Vec<u8>> = lines.iter().map(|line| line.to_vec()).collect();
                    moved.remove(from);
                    if random.below(2) == 0 {
                        moved.insert(to_usize(to).min(moved.len()), line);
                    }
                    bytes = moved.concat();
                }
            }
            if bytes.is_empty() {
                bytes.push(b'\n');
            }
        }
        let verdict = our_verdict(&bytes, log.verifier());
        assert_eq!(verdict, their_verdict(&bytes, &vkey), "{:?}", String::from_utf8_lossy(&bytes));
        // Without a key in mind, too: the same bytes are a note, with the same text and lines.
        let (parsed, theirs) = (Note::parse(&bytes).ok(), signed_note::Note::from_bytes(&bytes).ok());
        assert_eq!(parsed.is_some(), theirs.is_some(), "{:?}", String::from_utf8_lossy(&bytes));
        if let (Some(parsed), Some(theirs)) = (parsed, theirs) {
            assert_eq!(parsed.text().as_bytes(), theirs.text());
            assert_eq!(theirs.to_bytes(), bytes, "a note has one spelling");
        }
        *(if verdict.is_some() { &mut accepted } else { &mut refused }) += 1;
    }
    assert!(accepted > 500 && refused > 5000, "{accepted} accepted, {refused} refused");
}

#[test]
fn a_key_that_signs_twice_is_where_we_are_stricter() {
    // signed_note takes the first of two lines of one key and drops the rest; here a repeated line is an error,
    // so that nothing unverified hangs on a note that was verified.
    let log = NoteSigner::new("c/log", SigningKey::from_seed(&[1; 32])).unwrap();
    let note = log.sign("text\n").unwrap();
    let twice = attach_line(&note, &log.sign_line("other\n").unwrap()).unwrap();
    assert!(their_verdict(twice.as_bytes(), &log.verifier().to_string()).is_some());
    assert_eq!(our_verdict(twice.as_bytes(), log.verifier()), None);
}

#[test]
fn checkpoints_agree() {
    let random = &mut Random(0x7ac1_7008);
    let log = NoteSigner::new("c/log", SigningKey::from_seed(&[1; 32])).unwrap();
    for _ in 0..200 {
        let root = leaf_hash(&random.bytes());
        let size = 1 + (random.next() >> 1 >> random.below(62));
        let checkpoint = Checkpoint { origin: "c/log".to_owned(), size, root };
        let theirs = tlog_tiles::Checkpoint::new("c/log", size, tlog_tiles::Hash(root), "").unwrap();
        assert_eq!(theirs.to_bytes(), checkpoint.to_text().as_bytes());
        let signed = checkpoint.sign(&log).unwrap();
        assert_eq!(
            VerifiedCheckpoint::open(signed.note(), log.verifier()).unwrap().checkpoint(),
            &checkpoint
        );

        // Damaged text: what we take, they take, with the same size and root. They also take extension lines,
        // the sizes from 2^63 and a size 0 with any root, which we refuse.
        let mut text = checkpoint.to_text().into_bytes();
        let at = to_usize(random.below(text.len() as u64));
        match random.below(3) {
            0 => text[at] ^= 1 << random.below(7),
            1 => drop(text.remove(at)),
            _ => text.insert(at, b"0123456789+-= \nA"[to_usize(random.below(16))]),
        }
        let Ok(damaged) = String::from_utf8(text) else { continue };
        let theirs = tlog_tiles::Checkpoint::from_bytes(damaged.as_bytes());
        match Checkpoint::parse(&damaged) {
            Ok(ours) => {
                let theirs = theirs.unwrap();
                assert_eq!(ours.origin, theirs.origin());
                assert_eq!((ours.size, ours.root), (theirs.size(), theirs.hash().0), "{damaged:?}");
            }
            Err(_) => {
                let wider = theirs.as_ref().is_ok_and(|theirs| {
                    !theirs.extension().is_empty()
                        || theirs.size() > tacit_ledger::MAX_SIZE
                        || theirs.size() == 0
                        || theirs.origin().bytes().any(|byte| byte < 0x20)
                });
                assert!(theirs.is_err() || wider, "{damaged:?}");
            }
        }
    }
}
