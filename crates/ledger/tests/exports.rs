//! The files of a static log: entry bundles, layout, proof files.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::collections::BTreeSet;

use proptest::prelude::*;
use tacit_ledger::bundle::{BundleError, BundleId, MAX_ENTRY_LEN, decode, decode_exactly, encode};
use tacit_ledger::checkpoint::{Checkpoint, CheckpointError};
use tacit_ledger::ed25519::SigningKey;
use tacit_ledger::layout::{LogFile, bundles_of, files_of};
use tacit_ledger::logged::LoggedRecord;
use tacit_ledger::merkle::{ProofError, leaf_hash};
use tacit_ledger::note::{NoteError, NoteSigner};
use tacit_ledger::proof::{MAX_EXTRA_LEN, MAX_HASHES, TlogProof, TlogProofError};
use tacit_ledger::tile::TileId;
use tacit_ledger::tree::TreeView;

#[test]
fn a_bundle_is_length_prefixed_entries() {
    assert_eq!(encode(&["ab", "", "c"]).unwrap(), b"\x00\x02ab\x00\x00\x00\x01c");
    assert_eq!(decode(b"\x00\x02ab\x00\x00\x00\x01c").unwrap(), [&b"ab"[..], b"", b"c"]);
    let longest = vec![7; MAX_ENTRY_LEN];
    let bytes = encode(&[&longest]).unwrap();
    assert_eq!(&bytes[..2], [0xff, 0xff]);
    assert_eq!(decode(&bytes).unwrap(), [&longest[..]]);
}

#[test]
fn what_is_no_bundle_is_refused() {
    let too_long = vec![0; MAX_ENTRY_LEN + 1];
    assert_eq!(
        encode(&[&b""[..], &too_long]),
        Err(BundleError::EntryTooLong { position: 1, length: MAX_ENTRY_LEN + 1 })
    );
    assert_eq!(encode::<&[u8]>(&[]), Err(BundleError::Count { found: 0 }));
    assert_eq!(encode(&[b""; 257]), Err(BundleError::Count { found: 257 }));
    assert_eq!(decode(b""), Err(BundleError::Count { found: 0 }));
    assert_eq!(decode(&[0; 2 * 257]), Err(BundleError::Count { found: 257 }));
    assert_eq!(decode(&[0; 2 * 256]).unwrap().len(), 256);
    let bundle = b"\x00\x02ab\x00\x03cde";
    for end in (1..bundle.len()).filter(|end| *end != 4) {
        let position = usize::from(end > 4);
        assert_eq!(decode(&bundle[..end]), Err(BundleError::Truncated { position }), "cut at {end}");
    }
    assert_eq!(decode_exactly(bundle, 2).unwrap().len(), 2);
    assert_eq!(decode_exactly(bundle, 3), Err(BundleError::Width { expected: 3, found: 2 }));
    // Cut off between two entries it is a bundle, but not the one that its name says.
    assert_eq!(decode_exactly(&bundle[..4], 2), Err(BundleError::Width { expected: 2, found: 1 }));
}

#[test]
fn bundle_paths_have_one_spelling() {
    assert_eq!(BundleId(0).path(1), "tile/entries/000.p/1");
    assert_eq!(BundleId(1_234_067).path(256), "tile/entries/x001/x234/067");
    for index in [0, 1, 999, 1000, 999_999, 1_000_000, u64::MAX] {
        for width in [1, 255, 256] {
            assert_eq!(BundleId::parse_path(&BundleId(index).path(width)), Ok((BundleId(index), width)));
        }
    }
    for bad in [
        "",
        "tile/entries",
        "tile/entries/",
        "tile/entries/0",
        "tile/entries/0000",
        "tile/entries/+01",
        "tile/entries/x000/000",
        "tile/entries/001/000",
        "tile/entries/000.p/0",
        "tile/entries/000.p/256",
        "tile/entries/000.p/007",
        "tile/0/000",
        "/tile/entries/000",
        "tile/entries/x018/x446/x744/x073/x709/x551/616",
    ] {
        assert!(BundleId::parse_path(bad).is_err(), "{bad}");
    }
}

#[test]
fn an_entry_is_found_in_its_bundle() {
    for (index, bundle) in [(0, 0), (255, 0), (256, 1), (66_000, 257)] {
        assert_eq!(BundleId::of_entry(index), BundleId(bundle));
        assert!((BundleId(bundle).first_entry()..=index).contains(&index));
    }
    assert_eq!(BundleId(u64::MAX).first_entry(), u64::MAX);
    assert_eq!(BundleId(3).tile(), TileId { level: 0, index: 3 });
}

#[test]
fn a_log_has_exactly_the_files_of_its_size() {
    let paths = |size| files_of(size).map(LogFile::path).collect::<Vec<_>>();
    assert_eq!(paths(0), ["checkpoint"]);
    assert_eq!(paths(1), ["checkpoint", "tile/0/000.p/1", "tile/entries/000.p/1"]);
    assert_eq!(paths(256), ["checkpoint", "tile/0/000", "tile/1/000.p/1", "tile/entries/000"]);
    assert_eq!(
        paths(257),
        [
            "checkpoint",
            "tile/0/000",
            "tile/0/001.p/1",
            "tile/1/000.p/1",
            "tile/entries/000",
            "tile/entries/001.p/1"
        ]
    );
    for size in [255, 511, 512, 65_535, 65_536, 65_537, 66_000, 70_000] {
        let files: Vec<LogFile> = files_of(size).collect();
        let names: BTreeSet<String> = files.iter().map(|file| file.path()).collect();
        assert_eq!(names.len(), files.len());
        assert_eq!(bundles_of(size).map(|(_, width)| u64::from(width)).sum::<u64>(), size);
        for file in files {
            assert_eq!(LogFile::parse_path(&file.path()), Ok(file));
            assert!(file.is_in(size));
            assert!(file == LogFile::Checkpoint || !file.is_in(0));
        }
    }
}

#[test]
fn an_export_grows_by_the_files_that_changed() {
    for (old, new) in [(0, 1), (1, 255), (255, 256), (256, 257), (300, 900), (65_535, 65_537), (600, 600)] {
        let mut folder: BTreeSet<String> = files_of(old).map(LogFile::path).collect();
        let added: Vec<LogFile> = files_of(new).filter(|file| !file.is_of(old)).collect();
        let gone: Vec<LogFile> = files_of(old).filter(|file| !file.is_of(new)).collect();
        for file in &gone {
            assert!(folder.remove(&file.path()));
            assert!(file.is_in(new), "only a prefix of what is there now goes");
        }
        for file in &added {
            assert!(folder.insert(file.path()), "a file with a name never changes: {}", file.path());
        }
        assert_eq!(folder, files_of(new).map(LogFile::path).collect(), "{old} to {new}");
        assert!(old != new || (added.is_empty() && gone.is_empty()));
    }
}

#[test]
fn a_file_that_the_log_does_not_have_yet_is_not_in_it() {
    let file = |path| LogFile::parse_path(path).unwrap();
    for (path, from) in [
        ("checkpoint", 0),
        ("tile/0/000.p/3", 3),
        ("tile/0/000", 256),
        ("tile/1/000.p/1", 256),
        ("tile/1/000.p/2", 512),
        ("tile/entries/001.p/255", 511),
        ("tile/entries/001", 512),
        ("tile/2/000.p/1", 65_536),
    ] {
        for size in [0, 2, 3, 255, 256, 510, 511, 512, 65_535, 65_536, 70_000] {
            assert_eq!(file(path).is_in(size), size >= from, "{path} in {size}");
        }
    }
    for path in ["vkey", "tile/data/000", "checkpoint/", "Checkpoint", "tile/0/000.p/0", "../checkpoint"] {
        assert!(LogFile::parse_path(path).is_err(), "{path}");
    }
}

/// A log of five entries: its key, and proofs of every entry under its checkpoint.
fn five() -> (NoteSigner, Vec<TlogProof>) {
    let log = NoteSigner::new("c/log", SigningKey::from_seed(&[1; 32])).unwrap();
    let leaves: Vec<_> = (0..5_u8).map(|n| leaf_hash(&[n])).collect();
    let view = TreeView::from_leaves(&leaves).unwrap();
    let checkpoint = Checkpoint { origin: "c/log".to_owned(), size: 5, root: view.root(5).unwrap() };
    let checkpoint = checkpoint.sign(&log).unwrap().note().to_vec();
    let proof = |index| LoggedRecord {
        record: vec![0],
        index,
        inclusion: view.inclusion(index, 5).unwrap(),
        checkpoint: checkpoint.clone(),
    };
    let proofs = (0..5).map(|index| TlogProof::from(&proof(index))).collect();
    (log, proofs)
}

#[test]
fn a_proof_file_proves_its_entry_and_no_other() {
    let (log, proofs) = five();
    for (index, proof) in (0..).zip(&proofs) {
        let read = TlogProof::parse(&proof.to_bytes()).unwrap();
        assert_eq!(&read, proof);
        assert_eq!(read.verify(&[index], log.verifier()).unwrap().size(), 5);
        for other in (0..6).filter(|other| *other != index) {
            assert_eq!(
                read.verify(&[other], log.verifier()),
                Err(TlogProofError::Proof(ProofError::RootMismatch))
            );
        }
    }
    let stranger = NoteSigner::new("c/log", SigningKey::from_seed(&[2; 32])).unwrap();
    let unknown = CheckpointError::Note(NoteError::UnknownSigners);
    assert_eq!(proofs[0].verify(&[0], stranger.verifier()), Err(TlogProofError::Checkpoint(unknown)));
}

#[test]
fn extra_data_is_carried_and_proves_nothing() {
    let (log, proofs) = five();
    let with = |extra: &[u8]| TlogProof { extra: Some(extra.to_vec()), ..proofs[3].clone() };
    for extra in [&b"x"[..], &[0; 1000], &vec![7; MAX_EXTRA_LEN]] {
        let read = TlogProof::parse(&with(extra).to_bytes()).unwrap();
        assert_eq!(read.extra.as_deref(), Some(extra));
        read.verify(&[3], log.verifier()).unwrap();
    }
    // There is no line for empty data.
    assert_eq!(with(b"").to_bytes(), proofs[3].to_bytes());
    assert_eq!(TlogProof::parse(&with(&vec![7; MAX_EXTRA_LEN + 1]).to_bytes()), Err(TlogProofError::Extra));
}

#[test]
fn a_proof_file_has_one_spelling() {
    let (_, proofs) = five();
    let good = String::from_utf8(proofs[3].to_bytes()).unwrap();
    let first_hash = good.lines().nth(2).unwrap().to_owned();
    let replaced = |from: &str, to: &str| good.replacen(from, to, 1);
    for (bad, error) in [
        (String::new(), TlogProofError::Header),
        (replaced("v1", "v2"), TlogProofError::Header),
        (replaced("@v1\n", "@v1 \n"), TlogProofError::Header),
        (replaced("@v1\n", "@v1\r\n"), TlogProofError::Header),
        (format!("\n{good}"), TlogProofError::Header),
        (replaced("index 3", "index 03"), TlogProofError::Index),
        (replaced("index 3", "index +3"), TlogProofError::Index),
        (replaced("index 3", "index  3"), TlogProofError::Index),
        (replaced("index 3", "index "), TlogProofError::Index),
        (replaced("index 3", "Index 3"), TlogProofError::Index),
        (replaced("index 3", "index 18446744073709551616"), TlogProofError::Index),
        (replaced("index 3", "extra eA=="), TlogProofError::Index),
        (replaced("index 3", "extra eA==\nextra eA==\nindex 3"), TlogProofError::Index),
        (replaced("index 3", "index 3\nextra eA=="), TlogProofError::Hash { number: 1 }),
        (replaced("index 3", "extra \nindex 3"), TlogProofError::Extra),
        (replaced("index 3", "extra eA\nindex 3"), TlogProofError::Extra),
        (replaced("index 3", "extra eB==\nindex 3"), TlogProofError::Extra),
        (replaced("index 3", "extra e A==\nindex 3"), TlogProofError::Extra),
        (replaced(&first_hash, &first_hash[..43]), TlogProofError::Hash { number: 1 }),
        (replaced(&first_hash, &format!(" {first_hash}")), TlogProofError::Hash { number: 1 }),
        (replaced(&first_hash, &format!("{first_hash}{first_hash}")), TlogProofError::Hash { number: 1 }),
        (replaced(&first_hash, &vec![first_hash.as_str(); MAX_HASHES].join("\n")), TlogProofError::TooLong),
        (good.lines().take(3).map(|line| format!("{line}\n")).collect(), TlogProofError::NoCheckpoint),
        (good.lines().take(6).map(|line| format!("{line}\n")).collect(), TlogProofError::NoCheckpoint),
        ("x".repeat(1_000_000), TlogProofError::TooLong),
    ] {
        assert_eq!(TlogProof::parse(bad.as_bytes()), Err(error), "{bad:.200}");
    }
    assert_eq!(TlogProof::parse(b"\xff"), Err(TlogProofError::Header));
}

#[test]
fn every_flipped_bit_of_a_proof_file_is_refused() {
    let (log, proofs) = five();
    let good = proofs[3].to_bytes();
    for at in 0..good.len() {
        for bit in 0..8 {
            let mut bad = good.clone();
            bad[at] ^= 1 << bit;
            let verified = TlogProof::parse(&bad).and_then(|proof| proof.verify(&[3], log.verifier()));
            assert!(verified.is_err(), "bit {bit} of byte {at}");
        }
        let cut = TlogProof::parse(&good[..at]).and_then(|proof| proof.verify(&[3], log.verifier()));
        assert!(cut.is_err(), "cut at {at}");
    }
}

proptest! {
    #[test]
    fn bundles_read_back_as_themselves(
        entries in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 1..=256)
    ) {
        let bytes = encode(&entries).unwrap();
        let expected: Vec<&[u8]> = entries.iter().map(Vec::as_slice).collect();
        prop_assert_eq!(decode(&bytes).unwrap(), expected);
    }

    #[test]
    fn any_bytes_that_decode_are_what_encode_writes(
        bytes in proptest::collection::vec(prop_oneof![Just(0_u8), Just(1), any::<u8>()], 0..200)
    ) {
        if let Ok(entries) = decode(&bytes) {
            prop_assert_eq!(encode(&entries).unwrap(), bytes);
        }
    }

    #[test]
    fn any_text_that_parses_as_a_proof_file_is_what_we_write(
        lines in proptest::collection::vec("(index [0-9]{0,3}|extra [a-zA-Z0-9+/=]{0,8}|[a-zA-Z0-9+/]{43}=|)", 0..6)
    ) {
        let text = format!("c2sp.org/tlog-proof@v1\n{}\n", lines.join("\n"));
        if let Ok(proof) = TlogProof::parse(text.as_bytes()) {
            prop_assert_eq!(proof.to_bytes(), text.into_bytes());
        }
    }
}
