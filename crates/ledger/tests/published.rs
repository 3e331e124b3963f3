//! Values published with RFC 6962 and the C2SP standards, by value: tests/vectors/c2sp.json says where each comes
//! from.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail like tests")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tacit_ledger::Hash;
use tacit_ledger::bundle::BundleId;
use tacit_ledger::checkpoint::{Checkpoint, VerifiedCheckpoint};
use tacit_ledger::cosignature::CosignatureVerifier;
use tacit_ledger::ed25519::SigningKey;
use tacit_ledger::merkle::{ProofError, empty_root, leaf_hash, root, verify_consistency, verify_inclusion};
use tacit_ledger::note::{Note, NoteError, NoteSigner, NoteVerifier, attach_line};
use tacit_ledger::proof::{TlogProof, TlogProofError};
use tacit_ledger::tile::{TileId, tiles_of};
use tacit_ledger::tree::TreeView;

fn vectors(part: &str) -> Value {
    let path = format!("{}/../../tests/vectors/c2sp.json", env!("CARGO_MANIFEST_DIR"));
    let mut all: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    match all[part].take() {
        Value::Null => panic!("no vectors {part}"),
        found => found,
    }
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("{key} is missing"))
}

fn number(value: &Value, key: &str) -> u64 {
    value[key].as_u64().unwrap_or_else(|| panic!("{key} is missing"))
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().unwrap_or_else(|| panic!("{key} is missing"))
}

fn hashes(value: &Value, key: &str) -> Vec<Hash> {
    let decode = |value: &Value| hex::decode(value.as_str().unwrap()).unwrap().try_into().unwrap();
    list(value, key).iter().map(decode).collect()
}

fn at(roots: &[Hash], size: u64) -> Hash {
    roots[usize::try_from(size).unwrap() - 1]
}

/// The tree that was published: leaf hashes, a view of it, and the root at each size from 1.
fn published_tree() -> (Value, Vec<Hash>, TreeView, Vec<Hash>) {
    let vectors = vectors("rfc6962");
    let leaf = |leaf: &Value| leaf_hash(&hex::decode(leaf.as_str().unwrap()).unwrap());
    let leaves: Vec<Hash> = list(&vectors, "leaves").iter().map(leaf).collect();
    let view = TreeView::from_leaves(&leaves).unwrap();
    let roots = hashes(&vectors, "roots");
    (vectors, leaves, view, roots)
}

#[test]
fn the_published_tree_has_the_published_roots() {
    let (vectors, leaves, view, roots) = published_tree();
    assert_eq!(hex::encode(empty_root()), text(&vectors, "empty_root"));
    for (size, expected) in (1..).zip(&roots) {
        assert_eq!(root(&leaves[..size]), *expected);
        assert_eq!(view.root(size as u64).unwrap(), *expected);
    }
}

#[test]
fn the_published_inclusion_proofs_come_out_and_verify() {
    let (vectors, leaves, view, roots) = published_tree();
    for case in list(&vectors, "inclusion") {
        let (index, size, proof) = (number(case, "index"), number(case, "size"), hashes(case, "proof"));
        assert_eq!(view.inclusion(index, size).unwrap(), proof);
        let leaf = leaves[usize::try_from(index).unwrap()];
        verify_inclusion(&leaf, index, &proof, size, &at(&roots, size)).unwrap();
        for other in (0..10).filter(|other| *other != index) {
            assert!(verify_inclusion(&leaf, other, &proof, size, &at(&roots, size)).is_err());
        }
    }
}

#[test]
fn the_published_consistency_proofs_come_out_and_verify() {
    let (vectors, _, view, roots) = published_tree();
    for case in list(&vectors, "consistency") {
        let (old, new, proof) = (number(case, "old"), number(case, "new"), hashes(case, "proof"));
        assert_eq!(view.consistency(old, new).unwrap(), proof);
        verify_consistency(old, &at(&roots, old), new, &at(&roots, new), &proof).unwrap();
        if old != new {
            assert!(verify_consistency(old, &at(&roots, new), new, &at(&roots, old), &proof).is_err());
        }
    }
}

#[test]
fn a_proof_about_a_tree_of_size_0_is_refused_everywhere() {
    let empty = empty_root();
    let leaf = leaf_hash(b"");
    assert_eq!(verify_inclusion(&leaf, 0, &[], 0, &empty), Err(ProofError::EmptyTree));
    assert_eq!(verify_consistency(0, &empty, 0, &empty, &[]), Err(ProofError::EmptyTree));
    assert_eq!(verify_consistency(0, &empty, 8, &leaf, &[]), Err(ProofError::EmptyTree));
    // And where whole checkpoints and proof files are compared.
    let log = NoteSigner::new("c/log", SigningKey::from_seed(&[1; 32])).unwrap();
    let sign = |size, root| Checkpoint { origin: "c/log".to_owned(), size, root }.sign(&log).unwrap();
    let (nothing, something) = (sign(0, empty), sign(1, leaf));
    assert_eq!(nothing.verify_inclusion(&leaf, 0, &[]), Err(ProofError::EmptyTree));
    assert_eq!(something.verify_extends(&nothing, &[]), Err(ProofError::EmptyTree));
    assert_eq!(nothing.verify_extends(&nothing, &[]), Err(ProofError::EmptyTree));
    let proof = TlogProof { extra: None, index: 0, hashes: Vec::new(), checkpoint: nothing.note().to_vec() };
    assert_eq!(proof.verify(b"", log.verifier()), Err(TlogProofError::Proof(ProofError::EmptyTree)));
}

#[test]
fn the_published_notes_verify_and_are_reproduced() {
    let cases = vectors("signed_note");
    for case in cases.as_array().unwrap() {
        let key = NoteVerifier::parse(text(case, "vkey")).unwrap();
        assert_eq!(key.to_string(), text(case, "vkey"));
        assert_eq!(key.open(text(case, "note").as_bytes()), Ok(text(case, "text")));
        let Some(skey) = case["skey"].as_str() else { continue };
        // "PRIVATE+KEY+<name>+<key id>+<base64(0x01 || seed)>", of the Go library alone.
        let parts: Vec<&str> = skey.splitn(5, '+').collect();
        let secret = BASE64.decode(parts[4]).unwrap();
        let signer =
            NoteSigner::new(parts[2], SigningKey::from_seed(secret[1..].try_into().unwrap())).unwrap();
        assert_eq!(signer.verifier(), &key);
        assert_eq!(signer.sign(text(case, "text")).unwrap(), text(case, "note"));
    }
}

#[test]
fn the_published_verifier_keys_read_back_as_themselves() {
    let keys = vectors("verifier_keys");
    for vkey in list(&keys, "notes").iter().filter_map(Value::as_str) {
        assert_eq!(NoteVerifier::parse(vkey).unwrap().to_string(), vkey);
        assert_eq!(CosignatureVerifier::parse(vkey), Err(NoteError::VerifierKey), "a key has one type");
    }
    for vkey in list(&keys, "cosignatures").iter().filter_map(Value::as_str) {
        assert_eq!(CosignatureVerifier::parse(vkey).unwrap().to_string(), vkey);
        assert_eq!(NoteVerifier::parse(vkey), Err(NoteError::VerifierKey), "a key has one type");
    }
}

#[test]
fn the_cosignatures_of_public_witnesses_verify() {
    let vectors = vectors("cosigned_checkpoint");
    let log = NoteVerifier::parse(text(&vectors, "log")).unwrap();
    let opened = VerifiedCheckpoint::open(text(&vectors, "note").as_bytes(), &log).unwrap();
    assert_eq!(opened.size(), number(&vectors, "size"));
    assert_eq!(BASE64.encode(opened.root()), text(&vectors, "root"));
    let note = Note::parse(opened.note()).unwrap();
    let other = text(&vectors, "note").replacen("1432088532", "1432088533", 1);
    let other = Note::parse(other.as_bytes()).unwrap();
    for vkey in list(&vectors, "witnesses").iter().filter_map(Value::as_str) {
        let witness = CosignatureVerifier::parse(vkey).unwrap();
        let cosignature = witness.verify(&note).unwrap();
        assert_eq!((cosignature.witness(), cosignature.time_s()), (witness.name(), number(&vectors, "time")));
        assert!(witness.verify(&other).is_err(), "the cosignature covers the size");
    }
}

#[test]
fn the_published_cosignature_signs_the_published_message() {
    let vectors = vectors("cosignature_message");
    let note = Note::parse(text(&vectors, "note").as_bytes()).unwrap();
    let checkpoint = Checkpoint::parse(note.text()).unwrap();
    assert_eq!(checkpoint.origin, text(&vectors, "origin_line"));
    assert_eq!(checkpoint.size, number(&vectors, "size"));
    let line = &note.signatures()[1];
    assert_eq!(line.name, text(&vectors, "witness"));
    assert_eq!(hex::encode(line.key_id), text(&vectors, "witness_key_id"));
    let (time, signature) = line.signature.split_first_chunk::<8>().unwrap();
    assert_eq!((u64::from_be_bytes(*time), signature.len()), (number(&vectors, "time"), 64));
    let message = format!("cosignature/v1\ntime {}\n{}", u64::from_be_bytes(*time), checkpoint.to_text());
    assert_eq!(message, text(&vectors, "message"));
}

#[test]
fn unknown_and_grease_signature_lines_are_ignored() {
    // A public checkpoint has a line of type 0x05 and four cosignatures, all unknown to the log's key.
    let vectors = vectors("cosigned_checkpoint");
    let log = NoteVerifier::parse(text(&vectors, "log")).unwrap();
    let opened = log.open(text(&vectors, "note").as_bytes()).unwrap();
    // And lines that nobody will ever understand: types without meaning, other lengths, other scripts.
    let mut greased = text(&vectors, "note").to_owned();
    for (name, signature) in [
        ("grease.example", vec![0xfa; 5]),
        (log.name(), vec![0xfe; 68]),
        ("grease.example/\u{96f6}", vec![0xff; 2500]),
        ("\u{2014}", vec![0; 68]),
    ] {
        greased = attach_line(&greased, &format!("\u{2014} {name} {}\n", BASE64.encode(signature))).unwrap();
    }
    assert_eq!(log.open(greased.as_bytes()), Ok(opened));
    for vkey in list(&vectors, "witnesses").iter().filter_map(Value::as_str) {
        CosignatureVerifier::parse(vkey).unwrap().verify(&Note::parse(greased.as_bytes()).unwrap()).unwrap();
    }
    // Alone they are no signature at all.
    let alone = format!("{opened}\n\u{2014} grease.example {}\n", BASE64.encode([0xfa; 68]));
    assert_eq!(log.open(alone.as_bytes()), Err(NoteError::UnknownSigners));
}

#[test]
fn the_published_tile_paths_and_widths_come_out() {
    let vectors = vectors("tlog_tiles");
    let index = number(&vectors, "index");
    let path = text(&vectors, "index_path");
    assert_eq!(TileId { level: 0, index }.path(256), format!("tile/0/{path}"));
    assert_eq!(TileId { level: 5, index }.path(8), format!("tile/5/{path}.p/8"));
    assert_eq!(BundleId(index).path(256), format!("tile/entries/{path}"));
    assert_eq!(BundleId(index).path(8), format!("tile/entries/{path}.p/8"));
    for tree in list(&vectors, "trees") {
        let tiles: Vec<(u64, u64, u64)> = tiles_of(number(tree, "size"))
            .map(|(id, width)| (u64::from(id.level), id.index, u64::from(width)))
            .collect();
        let triples = |key| -> Vec<(u64, u64, u64)> {
            let triple = |t: &Value| (t[0].as_u64().unwrap(), t[1].as_u64().unwrap(), t[2].as_u64().unwrap());
            list(tree, key).iter().map(triple).collect()
        };
        if tree.get("tiles").is_some() {
            assert_eq!(tiles, triples("tiles"));
            continue;
        }
        let partial: Vec<_> = tiles.iter().copied().filter(|(_, _, width)| *width < 256).collect();
        assert_eq!(partial, triples("partial"));
        for (level, expected) in (0..).zip(list(tree, "full")) {
            let full = tiles.iter().filter(|(l, _, width)| *l == level && *width == 256).count();
            assert_eq!(full as u64, expected.as_u64().unwrap());
        }
    }
}

#[test]
fn the_published_proof_files_come_out_and_the_bad_ones_are_refused() {
    let vectors = vectors("tlog_proof");
    for case in list(&vectors, "good") {
        let hash = |word: &Value| Hash::from(Sha256::digest(word.as_str().unwrap()));
        let proof = TlogProof {
            extra: case["extra"].as_str().map(|extra| extra.as_bytes().to_vec()),
            index: number(case, "index"),
            hashes: list(case, "hashes_of").iter().map(hash).collect(),
            checkpoint: text(case, "checkpoint").as_bytes().to_vec(),
        };
        assert_eq!(String::from_utf8(proof.to_bytes()).unwrap(), text(case, "file"));
        assert_eq!(TlogProof::parse(text(case, "file").as_bytes()), Ok(proof));
    }
    for bad in list(&vectors, "bad").iter().filter_map(Value::as_str) {
        assert!(TlogProof::parse(bad.as_bytes()).is_err(), "{bad:?}");
    }
}
