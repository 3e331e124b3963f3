//! Exports written by this crate, read by a program that shares no code with it: tests/independent/verify_log.py, in
//! a virtual environment that `cargo xtask test` prepares. Without it these tests say so and pass.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "helpers of tests fail and talk like tests")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tacit_ledger::bundle::{self, BundleId};
use tacit_ledger::checkpoint::{Checkpoint, VerifiedCheckpoint};
use tacit_ledger::cosignature::CosignatureSigner;
use tacit_ledger::ed25519::SigningKey;
use tacit_ledger::layout::{CHECKPOINT, LogFile, PROOF_SUFFIX, VKEY, WITNESS_VKEYS, files_of};
use tacit_ledger::merkle::leaf_hash;
use tacit_ledger::note::{NoteSigner, attach_line};
use tacit_ledger::proof::TlogProof;
use tacit_ledger::tile::TileId;
use tacit_ledger::tree::{TileUpdate, TreeView};
use tempfile::TempDir;

/// The Python of the virtual environment; set by `cargo xtask test`.
const PYTHON: &str = "TACIT_TEST_PYTHON";

/// The interpreter, or nothing after saying so aloud.
fn python() -> Option<PathBuf> {
    let found = std::env::var_os(PYTHON).map(PathBuf::from).filter(|path| path.exists());
    if found.is_none() {
        eprintln!(
            "SKIPPED: {PYTHON} names no Python with the packages of tests/independent/requirements.txt"
        );
    }
    found
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/independent").join(name)
}

/// Whether the program was content, and what it printed.
fn run(python: &Path, script_name: &str, arguments: &[&str]) -> (bool, String) {
    let output = Command::new(python)
        // No compiled files beside the sources.
        .arg("-B")
        .arg(script(script_name))
        .args(arguments)
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let code = output.status.code();
    assert!(matches!(code, Some(0 | 1)), "{code:?}: {printed}{}", String::from_utf8_lossy(&output.stderr));
    (code == Some(0), printed)
}

/// A log with its key, two witnesses, and every entry.
struct Log {
    signer: NoteSigner,
    witnesses: Vec<CosignatureSigner>,
    entries: Vec<Vec<u8>>,
    tree: TreeView,
    tiles: Vec<TileUpdate>,
}

impl Log {
    fn new(size: usize) -> Self {
        let key = |seed| SigningKey::from_seed(&[seed; 32]);
        // Some entries are empty, some are longer than a byte can count.
        let entries: Vec<Vec<u8>> = (0..size).map(|n| n.to_string().repeat(n % 100).into_bytes()).collect();
        let leaves: Vec<_> = entries.iter().map(|entry| leaf_hash(entry)).collect();
        let mut tree = TreeView::new(0).unwrap().with_capacity(usize::MAX);
        // Appended at once, every tile changes once.
        let tiles = tree.append(&leaves).unwrap().tiles;
        Self {
            signer: NoteSigner::new("court/log", key(1)).unwrap(),
            witnesses: ["bar/witness", "tax/witness"]
                .iter()
                .zip(2..)
                .map(|(name, seed)| CosignatureSigner::new(name, key(seed)).unwrap())
                .collect(),
            entries,
            tree,
            tiles,
        }
    }

    /// The checkpoint at `size`, cosigned by all witnesses.
    fn checkpoint(&self, size: u64) -> String {
        let checkpoint =
            Checkpoint { origin: "court/log".to_owned(), size, root: self.tree.root(size).unwrap() };
        let signed = checkpoint.sign(&self.signer).unwrap();
        self.cosigned(&signed)
    }

    fn cosigned(&self, signed: &VerifiedCheckpoint) -> String {
        self.witnesses
            .iter()
            .zip(1_795_300_143..)
            .fold(String::from_utf8(signed.note().to_vec()).unwrap(), |note, (witness, time_s)| {
                attach_line(&note, &witness.cosign(signed, time_s).unwrap()).unwrap()
            })
    }

    fn proof(&self, index: u64, size: u64) -> TlogProof {
        TlogProof {
            extra: (index == 0).then(|| b"first".to_vec()),
            index,
            hashes: self.tree.inclusion(index, size).unwrap(),
            checkpoint: self.checkpoint(size).into_bytes(),
        }
    }

    /// Writes the log at its present size, with a proof file for its first and last entries.
    fn export(&self) -> TempDir {
        let folder = TempDir::new().unwrap();
        let size = self.tree.size();
        for file in files_of(size) {
            let bytes = match file {
                LogFile::Checkpoint => self.checkpoint(size).into_bytes(),
                LogFile::Tile(id, width) => self.tile(id, width),
                LogFile::Entries(id, width) => self.bundle(id, width),
            };
            write(folder.path(), &file.path(), &bytes);
        }
        write(folder.path(), VKEY, format!("{}\n", self.signer.verifier()).as_bytes());
        let keys: String = self.witnesses.iter().map(|witness| format!("{}\n", witness.verifier())).collect();
        write(folder.path(), WITNESS_VKEYS, keys.as_bytes());
        for index in [0, size.saturating_sub(1)].into_iter().filter(|index| *index < size) {
            let name = format!("{index}{PROOF_SUFFIX}");
            write(folder.path(), &name, &self.proof(index, size).to_bytes());
        }
        folder
    }

    fn tile(&self, id: TileId, width: u16) -> Vec<u8> {
        let found = self.tiles.iter().find(|tile| tile.id == id && tile.width() == width);
        found.unwrap().bytes.clone()
    }

    fn bundle(&self, id: BundleId, width: u16) -> Vec<u8> {
        let first = usize::try_from(id.first_entry()).unwrap();
        bundle::encode(&self.entries[first..first + usize::from(width)]).unwrap()
    }
}

fn write(folder: &Path, path: &str, bytes: &[u8]) {
    let path = folder.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

fn verify(python: &Path, folder: &Path, more: &[&str]) -> (bool, String) {
    run(python, "verify_log.py", &[&[folder.to_str().unwrap()], more].concat())
}

#[test]
fn the_independent_program_agrees_with_the_published_values() {
    let Some(python) = python() else { return };
    let (verified, printed) = run(&python, "check_vectors.py", &[]);
    assert!(verified, "{printed}");
}

#[test]
fn a_second_implementation_agrees_with_the_vectors_of_rotation() {
    let Some(python) = python() else { return };
    let (verified, printed) = run(&python, "check_rotate.py", &[]);
    assert!(verified, "{printed}");
}

#[test]
fn an_export_of_every_shape_is_verified_by_a_program_without_our_code() {
    let Some(python) = python() else { return };
    for size in [0, 1, 255, 256, 257, 66_000] {
        let folder = Log::new(size).export();
        let more = if size < 1000 { &["--all", "--quorum", "2"][..] } else { &["--quorum", "2"] };
        let (verified, printed) = verify(&python, folder.path(), more);
        assert!(verified, "{size} entries: {printed}");
        assert!(printed.starts_with(&format!("verified {size} entries of court/log")), "{printed}");
        assert!(printed.contains("2 cosignatures"), "{printed}");
    }
}

#[test]
fn the_result_can_be_read_by_machines() {
    let Some(python) = python() else { return };
    let log = Log::new(300);
    let folder = log.export();
    let (_, printed) = verify(&python, folder.path(), &["--json"]);
    let result: serde_json::Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(result["verified"], true);
    assert_eq!(result["size"], 300);
    assert_eq!(result["vkey"], log.signer.verifier().to_string());
    assert_eq!(result["cosignatures"][1]["witness"], "tax/witness");
    assert_eq!(result["cosignatures"][1]["time"], 1_795_300_144);
    assert_eq!(result["proof_files"], 2);
    fs::remove_file(folder.path().join("tile/0/000")).unwrap();
    let (verified, printed) = verify(&python, folder.path(), &["--json"]);
    let result: serde_json::Value = serde_json::from_str(&printed).unwrap();
    assert!(!verified && result["verified"] == false && result["error"] == "tile/0/000 is missing");
}

#[test]
fn an_older_checkpoint_is_extended_or_the_fork_is_told() {
    let Some(python) = python() else { return };
    let log = Log::new(700);
    let folder = log.export();
    let outside = TempDir::new().unwrap();
    let older = outside.path().join("older");
    let extends = |note: &str| {
        fs::write(&older, note).unwrap();
        verify(&python, folder.path(), &["--older", older.to_str().unwrap()])
    };
    for size in [1, 2, 255, 256, 257, 512, 699, 700] {
        let (verified, printed) = extends(&log.checkpoint(size));
        assert!(verified && printed.contains(&format!("extends the checkpoint of {size}")), "{printed}");
    }
    // Of another history, from nothing, from the future, by another log.
    let sign = |size, root, signer: &NoteSigner| {
        let checkpoint = Checkpoint { origin: signer.verifier().name().to_owned(), size, root };
        String::from_utf8(checkpoint.sign(signer).unwrap().note().to_vec()).unwrap()
    };
    let stranger = NoteSigner::new("court/log", SigningKey::from_seed(&[9; 32])).unwrap();
    for (note, why) in [
        (sign(256, [7; 32], &log.signer), "the log was forked"),
        (sign(257, [7; 32], &log.signer), "the log was forked"),
        (sign(700, [7; 32], &log.signer), "the log was forked"),
        (sign(701, [7; 32], &log.signer), "more than 700"),
        (log.checkpoint(0), "size 0 proves nothing"),
        (sign(256, log.tree.root(256).unwrap(), &stranger), "is not signed by court/log"),
    ] {
        let (verified, printed) = extends(&note);
        assert!(!verified && printed.contains(why), "{printed} instead of: {why}");
    }
}

#[test]
fn keys_from_elsewhere_count_instead_of_those_in_the_folder() {
    let Some(python) = python() else { return };
    let log = Log::new(3);
    let folder = log.export();
    let outside = TempDir::new().unwrap();
    let ours = outside.path().join("ours");
    fs::write(&ours, format!("{}\n", log.signer.verifier())).unwrap();
    let theirs = outside.path().join("theirs");
    let stranger = NoteSigner::new("court/log", SigningKey::from_seed(&[9; 32])).unwrap();
    fs::write(&theirs, format!("{}\n", stranger.verifier())).unwrap();
    assert!(verify(&python, folder.path(), &["--vkey", ours.to_str().unwrap()]).0);
    let (verified, printed) = verify(&python, folder.path(), &["--vkey", theirs.to_str().unwrap()]);
    assert!(!verified && printed.contains("is not signed by court/log"), "{printed}");
    let (verified, printed) = verify(&python, folder.path(), &["--quorum", "3"]);
    assert!(!verified && printed.contains("2 witnesses cosigned the checkpoint, 3 are needed"), "{printed}");
}

/// One thing done to an export, and a part of what must be said about it.
type Damage<'a> = (&'a str, &'a dyn Fn(&Path), &'a str);

fn flip(folder: &Path, path: &str, at: usize) {
    let mut bytes = fs::read(folder.join(path)).unwrap();
    bytes[at] ^= 1;
    fs::write(folder.join(path), bytes).unwrap();
}

fn cut(folder: &Path, path: &str, by: usize) {
    let bytes = fs::read(folder.join(path)).unwrap();
    fs::write(folder.join(path), &bytes[..bytes.len() - by]).unwrap();
}

fn replace(folder: &Path, path: &str, from: &str, to: &str) {
    let text = fs::read_to_string(folder.join(path)).unwrap();
    assert!(text.contains(from));
    fs::write(folder.join(path), text.replacen(from, to, 1)).unwrap();
}

#[test]
fn whatever_is_damaged_in_an_export_is_noticed() {
    let Some(python) = python() else { return };
    let log = Log::new(600);
    let cosignature = |note: &str| note.lines().last().unwrap().rsplit(' ').next().unwrap().to_owned();
    let line = cosignature(&log.checkpoint(600));
    let damaged_line = cosignature(&Log::new(599).checkpoint(599));
    let full_bundle = log.bundle(BundleId(1), 256);
    let damages: &[Damage<'_>] = &[
        ("a byte of an entry", &|f| flip(f, "tile/entries/000", 400), "tile/0/000 is not what"),
        ("a length in a bundle", &|f| flip(f, "tile/entries/001", 1), "tile/entries/001"),
        ("a bundle cut inside an entry", &|f| cut(f, "tile/entries/001", 1), "ends inside an entry"),
        ("a bundle with an entry less", &|f| cut(f, "tile/entries/002.p/88", 299), "entries, not 88"),
        (
            "a bundle with an entry more",
            &|f| write(f, "tile/entries/001", &[&full_bundle[..], &[0, 0]].concat()),
            "has 257 entries, not 256",
        ),
        (
            "a bundle that is missing",
            &|f| fs::remove_file(f.join("tile/entries/001")).unwrap(),
            "tile/entries/001 is missing",
        ),
        (
            "a bundle in the place of another",
            &|f| fs::write(f.join("tile/entries/000"), &full_bundle).unwrap(),
            "tile/0/000 is not what",
        ),
        ("a byte of a tile of leaves", &|f| flip(f, "tile/0/001", 8191), "tile/0/001 is not what"),
        ("a byte of a tile above", &|f| flip(f, "tile/1/000.p/2", 0), "tile/1/000.p/2 is not what"),
        ("a tile cut off", &|f| cut(f, "tile/0/002.p/88", 32), "tile/0/002.p/88 is not what"),
        (
            "a tile that is missing",
            &|f| fs::remove_file(f.join("tile/1/000.p/2")).unwrap(),
            "tile/1/000.p/2 is missing",
        ),
        (
            "the size in the checkpoint",
            &|f| replace(f, CHECKPOINT, "\n600\n", "\n599\n"),
            "the signature of court/log does not verify",
        ),
        (
            "the root in the checkpoint",
            &|f| flip(f, CHECKPOINT, 20),
            "the signature of court/log does not verify",
        ),
        (
            "a checkpoint of another tree",
            &|f| write(f, CHECKPOINT, log.checkpoint(599).as_bytes()),
            "is missing",
        ),
        (
            "the checkpoint of another root",
            &|f| {
                let other = Checkpoint { origin: "court/log".to_owned(), size: 600, root: [7; 32] };
                write(f, CHECKPOINT, other.sign(&log.signer).unwrap().note());
            },
            "do not give the root",
        ),
        (
            "a cosignature of another checkpoint",
            &|f| replace(f, CHECKPOINT, &line, &damaged_line),
            "the signature of tax/witness does not verify",
        ),
        (
            "a checkpoint without its last byte",
            &|f| cut(f, CHECKPOINT, 1),
            "does not end with a signature line",
        ),
        (
            "a line that is no signature",
            &|f| write(f, CHECKPOINT, [&log.checkpoint(600), "x\n"].concat().as_bytes()),
            "signature line 4",
        ),
        (
            "a cosignature twice",
            &|f| {
                write(
                    f,
                    CHECKPOINT,
                    format!("{}\u{2014} tax/witness {line}\n", log.checkpoint(600)).as_bytes(),
                )
            },
            "2 signature lines of tax/witness",
        ),
        ("another log's key", &|f| replace(f, VKEY, "court/log+", "court/log+0"), "not a verifier key"),
        (
            "a witness' key among the logs' keys",
            &|f| {
                fs::copy(f.join(WITNESS_VKEYS), f.join(VKEY)).unwrap();
            },
            "type 0x04, not 0x01",
        ),
        ("a stray file", &|f| write(f, "tile/0/003.p/1", &[0; 32]), "tile/0/003.p/1 does not belong"),
        (
            "a partial tile beside the full one",
            &|f| write(f, "tile/0/000.p/9", &[0; 288]),
            "tile/0/000.p/9 does not belong",
        ),
        ("a hidden file", &|f| write(f, ".note", b"x"), ".note does not belong"),
        ("a hash of a proof file", &|f| flip(f, "599.tlog-proof", 40), "599.tlog-proof"),
        (
            "a proof file about another entry",
            &|f| replace(f, "599.tlog-proof", "index 599", "index 598"),
            "599.tlog-proof",
        ),
        (
            "a proof file about no entry",
            &|f| replace(f, "599.tlog-proof", "index 599", "index 600"),
            "599.tlog-proof",
        ),
        (
            "a proof file of another history",
            &|f| {
                let other = Log {
                    signer: NoteSigner::new("court/log", SigningKey::from_seed(&[1; 32])).unwrap(),
                    ..Log::new(0)
                };
                let leaves = [leaf_hash(&log.entries[0]), [7; 32]];
                let tree = TreeView::from_leaves(&leaves).unwrap();
                let proof = Log { tree, ..other }.proof(0, 2);
                write(f, "0.tlog-proof", &proof.to_bytes());
            },
            "that this log does not extend",
        ),
    ];
    for (what, damage, told) in damages {
        let folder = log.export();
        damage(folder.path());
        let (verified, printed) = verify(&python, folder.path(), &["--sample", "10"]);
        assert!(!verified, "{what}: {printed}");
        assert!(printed.starts_with("NOT VERIFIED: ") && printed.contains(told), "{what}: {printed}");
    }
}

#[test]
fn a_second_implementation_agrees_with_the_vectors_of_letters() {
    let Some(python) = python() else { return };
    let (held, printed) = run(&python, "check_letter.py", &[]);
    assert!(held && printed.starts_with("letters: "), "{printed}");
}

#[test]
fn a_second_implementation_agrees_with_the_vectors_of_what_auditors_sign_and_are_handed() {
    let Some(python) = python() else { return };
    let (held, printed) = run(&python, "check_audit.py", &[]);
    assert!(held && printed.starts_with("audit: "), "{printed}");
}

#[test]
fn other_files_are_stray_unless_they_are_named() {
    let Some(python) = python() else { return };
    let folder = Log::new(2).export();
    write(folder.path(), "records.csv", b"index\n");
    assert!(!verify(&python, folder.path(), &[]).0);
    assert!(verify(&python, folder.path(), &["--allow", "records.csv"]).0);
    assert!(verify(&python, folder.path(), &["--allow", "*.csv"]).0);
}
