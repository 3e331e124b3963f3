//! `tacit log`: what an auditor sees, exports and proves, and what anybody verifies without asking us.

// `cfg(test)` tells clippy that helpers without #[test] are tests too.
#![cfg(test)]

mod support;

use std::fs;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde_json::Value;
use support::{Independent, Scene, names, places, tacit, tacit_fails, tacit_json, tacit_lines};
use tacit_ledger::{
    Hash,
    checkpoint::{Checkpoint, VerifiedCheckpoint},
    ed25519::SigningKey,
    evidence::ForkEvidence,
    layout::files_of,
    merkle::{leaf_hash, verify_inclusion},
    note::{NoteSigner, NoteVerifier},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exported_log_verifies_with_our_program_and_with_one_that_shares_no_code() {
    let scene = Scene::new().await;
    scene.ask(270).await;
    let (config, folder) = (scene.config("auditor-a"), scene.path("export"));
    let exported = scene.export(&folder).await;
    let size = exported["size"].as_u64().unwrap();
    assert!(size > 270, "{exported}");
    let (proof, record) = (format!("{folder}/one.tlog-proof"), scene.path("one.record"));
    tacit_json(&["log", "proof", "17", "--out", &proof, "--record", &record, "--config", &config]);

    let vkey = exported["vkey"].as_str().unwrap();
    let verified = tacit_json(&["log", "verify", &folder, "--vkey", vkey]);
    assert_eq!(verified["size"], size);
    assert_eq!(verified["root"], exported["root"]);
    assert_eq!(verified["kinds"]["access"], 270);
    assert_eq!((&verified["proof_files"], &verified["quorum"]), (&1.into(), &true.into()));
    let quorum = (verified["witnesses"].as_u64().unwrap() / 2 + 1).to_string();
    let independent = Independent::find();
    if let Some(independent) = &independent {
        let verified = independent.verifies(&folder, &["--all", "--quorum", &quorum]).unwrap();
        assert_eq!((&verified["size"], &verified["vkey"]), (&size.into(), &exported["vkey"]));
        assert_eq!((&verified["inclusion_proofs"], &verified["proof_files"]), (&size.into(), &1.into()));
    }

    // Every file matters to both, wherever the byte stands.
    for name in names(&folder) {
        let path = format!("{folder}/{name}");
        let whole = fs::read(&path).unwrap();
        for at in places(&name, &whole) {
            let mut broken = whole.clone();
            broken[at] ^= 0x01;
            fs::write(&path, &broken).unwrap();
            tacit_fails(&["log", "verify", &folder]);
            if let Some(independent) = &independent {
                let verified = independent.verifies(&folder, &["--sample", "1"]);
                assert!(verified.is_err(), "{name} at {at}");
            }
        }
        fs::remove_file(&path).unwrap();
        if !["one.tlog-proof", "witness-vkeys"].contains(&name.as_str()) {
            tacit_fails(&["log", "verify", &folder]);
        }
        fs::write(&path, &whole).unwrap();
    }
    fs::write(format!("{folder}/tile/0/stray"), b"").unwrap();
    let error = tacit_fails(&["log", "verify", &folder]);
    assert_eq!(error["why"], format!("tile/0/stray does not belong to a log of {size} records"));
    fs::remove_file(format!("{folder}/tile/0/stray")).unwrap();
    tacit_json(&["log", "verify", &folder]);

    // The same files come over HTTPS, to a client that is not ours.
    for file in files_of(size) {
        let path = file.path();
        let Some((status, body)) = scene.curl("auditor-a", &path) else {
            eprintln!("SKIPPED: there is no curl here");
            break;
        };
        assert_eq!(status, "200", "{path}");
        if path == "checkpoint" {
            // It may have been cosigned again meanwhile.
            let key = NoteVerifier::parse(vkey).unwrap();
            assert!(VerifiedCheckpoint::open(&body, &key).unwrap().size() >= size);
        } else {
            assert_eq!(body, fs::read(format!("{folder}/{path}")).unwrap(), "{path}");
        }
        let (status, body) = scene.curl("tax", &path).unwrap();
        if path.contains("entries") {
            let problem: Value = serde_json::from_slice(&body).unwrap();
            assert_eq!((status.as_str(), &problem["reason"]), ("403", &"wrong_role".into()));
        } else {
            assert_eq!(status, "200", "{path}");
        }
    }
    scene.federation.shut_down().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_is_continued_and_what_was_damaged_in_it_is_fetched_again() {
    let scene = Scene::new().await;
    scene.ask(256).await;
    let (config, folder) = (scene.config("auditor-a"), scene.path("export"));
    let first = tacit_json(&["log", "export", &folder, "--newest", "--config", &config]);
    let older = scene.path("older");
    fs::copy(format!("{folder}/checkpoint"), &older).unwrap();
    scene.ask(20).await;
    // What a crash in the middle leaves behind.
    fs::write(format!("{folder}/tile/0/001.unfinished"), b"x").unwrap();
    let (csv, jsonl) = (scene.path("log.csv"), scene.path("log.jsonl"));
    let export = ["log", "export", &folder, "--newest", "--config", &config];
    let again = tacit_json(&[&export[..], &["--csv", &csv, "--jsonl", &jsonl]].concat());
    let size = again["size"].as_u64().unwrap();
    assert_eq!(size, first["size"].as_u64().unwrap() + 20);
    assert_eq!((&again["kept"], &again["fetched"]), (&256.into(), &(size - 256).into()));
    let verified = tacit_json(&["log", "verify", &folder]);
    assert_eq!(verified["size"], size);
    if let Some(independent) = Independent::find() {
        let verified = independent.verifies(&folder, &["--older", &older]).unwrap();
        assert_eq!(verified["older_size"], first["size"]);
    }

    let bundle = format!("{folder}/tile/entries/000");
    let whole = fs::read(&bundle).unwrap();
    let mut broken = whole.clone();
    broken[1000] ^= 1;
    fs::write(&bundle, &broken).unwrap();
    let mended = tacit_json(&export);
    assert_eq!((&mended["kept"], &mended["fetched"]), (&(size - 256).into(), &256.into()));
    assert_eq!(fs::read(&bundle).unwrap(), whole);
    tacit_json(&["log", "verify", &folder]);

    // The folder of another log is not touched.
    let other = scene.path("other");
    fs::create_dir(&other).unwrap();
    fs::write(format!("{other}/vkey"), format!("{}\n", signer(9).verifier())).unwrap();
    let refused = tacit(&["log", "export", &other, "--config", &config]);
    assert_eq!(refused.status.code(), Some(2));
    assert_eq!(names(&other), ["vkey"]);
    // Nor is a file in the place of a folder.
    let refused = tacit(&["log", "export", &csv, "--config", &config]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("it is a file"));

    // Lines for spreadsheets and programs.
    let mut rows = csv::Reader::from_path(&csv).unwrap();
    let kind = rows.headers().unwrap().iter().position(|name| name == "kind").unwrap();
    let kinds: Vec<String> = rows.records().map(|row| row.unwrap()[kind].to_owned()).collect();
    assert_eq!(kinds.len() as u64, size);
    assert_eq!(kinds.iter().filter(|kind| *kind == "access").count(), 276);
    let key = NoteVerifier::parse(again["vkey"].as_str().unwrap()).unwrap();
    let note = fs::read(format!("{folder}/checkpoint")).unwrap();
    let head = VerifiedCheckpoint::open(&note, &key).unwrap();
    let lines = fs::read_to_string(&jsonl).unwrap();
    for (index, line) in (0..).zip(lines.lines()) {
        let line: Value = serde_json::from_str(line).unwrap();
        let proof: Vec<Hash> = line["inclusion"].as_array().unwrap().iter().map(hash).collect();
        let leaf = leaf_hash(line["text"].as_str().unwrap().as_bytes());
        verify_inclusion(&leaf, index, &proof, head.size(), head.root()).unwrap();
        assert_eq!((&line["index"], &line["size"]), (&index.into(), &size.into()));
    }
    assert_eq!(lines.lines().count() as u64, size);
    scene.federation.shut_down().await.unwrap();
}

fn hash(value: &Value) -> Hash {
    BASE64.decode(value.as_str().unwrap()).unwrap().try_into().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_year_is_exported_alone_and_says_what_it_proves() {
    let (mut scene, clock) = Scene::of_last_year().await;
    scene.ask(290).await;
    scene.turn_year(&clock).await;
    scene.ask(300).await;
    let config = scene.config("auditor-a");
    let told = tacit_json(&["log", "years", "--config", &config]);
    let [last, this] = told["years"].as_array().unwrap().as_slice() else { panic!("{told}") };
    let number = |value: &Value| value.as_u64().unwrap();
    let (turn, size) = (number(&this["first_index"]), number(&told["size"]));
    let year = number(&this["year"]);
    assert_eq!(
        (number(&last["year"]), number(&last["first_index"]), number(&last["records"])),
        (year - 1, 0, turn)
    );
    assert_eq!(number(&this["records"]), size - turn);
    assert!(turn > 290 && turn % 256 != 0 && size > turn + 300, "{told}");
    let words = String::from_utf8(tacit(&["log", "years", "--config", &config]).stdout).unwrap();
    assert!(words.starts_with("YEAR  FIRST  RECORDS\n"), "{words}");

    let (before, now) = ((year - 1).to_string(), year.to_string());
    let independent = Independent::find();
    for (year, first, over, held) in [(&before, 0, Some((turn, 512)), 0), (&now, turn, None, 256)] {
        let folder = scene.path(&format!("year-{year}"));
        let (csv, jsonl) = (scene.path("year.csv"), scene.path("year.jsonl"));
        let export = ["log", "export", &folder, "--newest", "--year", year, "--csv", &csv, "--jsonl", &jsonl];
        let exported = tacit_json(&[&export[..], &["--config", &config]].concat());
        let size = number(&exported["size"]);
        // The year that goes on ends with the checkpoint.
        let (end, held_end) = over.unwrap_or((size, size));
        let held = held..held_end;
        assert_eq!((number(&exported["first"]), number(&exported["end"])), (first, end));
        let vkey = exported["vkey"].as_str().unwrap();
        let verified = tacit_json(&["log", "verify", &folder, "--vkey", vkey]);
        assert_eq!((number(&verified["first"]), number(&verified["end"])), (first, end));
        assert_eq!(
            (number(&verified["checked_first"]), number(&verified["checked_end"])),
            (held.start, held.end)
        );
        assert_eq!((&verified["begins_there"], &verified["ends_there"]), (&true.into(), &true.into()));
        let words = String::from_utf8(tacit(&["log", "verify", &folder, "--vkey", vkey]).stdout).unwrap();
        assert!(
            words.contains(&format!("Verified the year {year}: records {first} to {} of {size}", end - 1)),
            "{words}"
        );
        assert!(words.contains("others were not looked at"), "{words}");
        if let Some(independent) = &independent {
            let verified = independent.verifies(&folder, &["--all"]).unwrap();
            assert_eq!((number(&verified["first"]), number(&verified["end"])), (first, end));
            assert_eq!(number(&verified["inclusion_proofs"]), held.end - held.start);
        }
        // Lines are of the year alone, each with its proof under the checkpoint of the whole log.
        assert_eq!(csv::Reader::from_path(&csv).unwrap().records().count() as u64, end - first);
        let key = NoteVerifier::parse(vkey).unwrap();
        let head =
            VerifiedCheckpoint::open(&fs::read(format!("{folder}/checkpoint")).unwrap(), &key).unwrap();
        let lines = fs::read_to_string(&jsonl).unwrap();
        assert_eq!(lines.lines().count() as u64, end - first);
        for (index, line) in (first..).zip(lines.lines()) {
            let line: Value = serde_json::from_str(line).unwrap();
            let proof: Vec<Hash> = line["inclusion"].as_array().unwrap().iter().map(hash).collect();
            let leaf = leaf_hash(line["text"].as_str().unwrap().as_bytes());
            verify_inclusion(&leaf, index, &proof, head.size(), head.root()).unwrap();
            assert!(line["time"].as_str().unwrap().starts_with(year.as_str()));
        }
        // Every file matters, and every line of the range.
        for name in names(&folder) {
            let path = format!("{folder}/{name}");
            let whole = fs::read(&path).unwrap();
            let places =
                if name == "range" { vec![0, 25, 33, whole.len() - 2] } else { places(&name, &whole) };
            for at in places {
                let mut broken = whole.clone();
                broken[at] ^= 0x01;
                fs::write(&path, &broken).unwrap();
                tacit_fails(&["log", "verify", &folder]);
                if let Some(independent) = &independent {
                    assert!(independent.verifies(&folder, &["--sample", "1"]).is_err(), "{name} at {at}");
                }
            }
            fs::remove_file(&path).unwrap();
            if name != "witness-vkeys" {
                tacit_fails(&["log", "verify", &folder]);
            }
            fs::write(&path, &whole).unwrap();
        }
        // What is beyond the range is not taken for it.
        fs::write(format!("{folder}/tile/entries/009"), b"").unwrap();
        let error = tacit_fails(&["log", "verify", &folder]);
        assert!(error["why"].as_str().unwrap().starts_with("tile/entries/009 does not belong"), "{error}");
        fs::remove_file(format!("{folder}/tile/entries/009")).unwrap();
        tacit_json(&["log", "verify", &folder]);
    }

    // The year that goes on is continued, one that is over has nothing to fetch.
    scene.ask(3).await;
    for (year, fetched) in [(&before, false), (&now, true)] {
        let folder = scene.path(&format!("year-{year}"));
        let export = ["log", "export", &folder, "--newest", "--year", year, "--config", &config];
        let again = tacit_json(&export);
        assert_eq!(number(&again["fetched"]) > 0, fetched, "{again}");
        tacit_json(&["log", "verify", &folder]);
    }
    // Years and the whole do not share a folder, and a year without a record is none.
    let folder = scene.path(&format!("year-{now}"));
    for year in [vec!["--year", &before], vec![]] {
        let refused = tacit(&[&["log", "export", &folder, "--config", &config][..], &year].concat());
        assert_eq!(refused.status.code(), Some(2), "{}", String::from_utf8_lossy(&refused.stderr));
    }
    let other = scene.path("other");
    let error = tacit_fails(&["log", "export", &other, "--year", "2001", "--config", &config]);
    assert_eq!(error["reason"], "not_found");
    scene.federation.shut_down().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_record_is_shown_and_proven_by_index_and_by_id_and_verifies_offline() {
    let scene = Scene::new().await;
    scene.ask(5).await;
    let config = scene.config("auditor-a");
    let tail = tacit_lines(&["log", "tail", "--kind", "access", "--config", &config]);
    assert_eq!(tail.len(), 5);
    let both = tacit_lines(&["log", "tail", "--kind", "access,registry", "--config", &config]);
    assert_eq!(both.len(), 6);
    let newest = tail.last().unwrap();
    let (index, id) = (newest["index"].to_string(), newest["id"].as_str().unwrap());
    let shown = tacit_json(&["log", "show", &index, "--config", &config]);
    assert_eq!(shown["record"], *newest);
    assert_eq!(shown["proven"], true);
    assert_eq!(tacit_json(&["log", "show", id, "--config", &config])["record"], *newest);
    for which in ["999", "01KAM2V7Q3ZJ6V6T1V8M3W9R5C"] {
        assert_eq!(tacit_fails(&["log", "show", which, "--config", &config])["reason"], "not_found");
    }

    let (proof, record) = (scene.path("a.tlog-proof"), scene.path("a.record"));
    let proven = tacit_json(&["log", "proof", id, "--out", &proof, "--record", &record, "--config", &config]);
    assert_eq!(fs::read_to_string(&record).unwrap(), shown["text"].as_str().unwrap());
    let vkey = proven["vkey"].as_str().unwrap();
    let verified = tacit_json(&["log", "verify", &proof, "--vkey", vkey, "--record", &record]);
    assert_eq!(verified["record"], *newest);
    // A key may be given as a file too.
    let key_file = scene.path("key");
    fs::write(&key_file, format!("{vkey}\n")).unwrap();
    tacit_json(&["log", "verify", &proof, "--vkey", &key_file, "--record", &record]);
    let another = signer(9).verifier().to_string();
    tacit_fails(&["log", "verify", &proof, "--vkey", &another, "--record", &record]);
    for path in [&proof, &record] {
        let whole = fs::read(path).unwrap();
        let mut broken = whole.clone();
        broken[40] ^= 1;
        fs::write(path, broken).unwrap();
        tacit_fails(&["log", "verify", &proof, "--vkey", vkey, "--record", &record]);
        fs::write(path, whole).unwrap();
    }

    // Online, each run continues what the one before verified.
    let first = tacit_json(&["log", "verify", "--config", &config]);
    assert_eq!(first["verified_before"], 0);
    scene.ask(6).await;
    let second = tacit_json(&["log", "verify", "--config", &config]);
    assert_eq!(second["verified_before"], first["size"]);
    assert_eq!(second["size"].as_u64(), first["size"].as_u64().map(|size| size + 6));
    scene.federation.shut_down().await.unwrap();
}

fn signer(seed: u8) -> NoteSigner {
    NoteSigner::new("c/log", SigningKey::from_seed(&[seed; 32])).unwrap()
}

#[test]
fn a_fork_is_proven_offline_and_nothing_else_is_taken_for_one() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("evidence").to_str().unwrap().to_owned();
    let log = signer(1);
    let signed = |size, root: u8, by: &NoteSigner| {
        Checkpoint { origin: "c/log".to_owned(), size, root: [root; 32] }.sign(by).unwrap()
    };
    let vkey = log.verifier().to_string();
    let verify = ["log", "evidence", "verify", &file, "--vkey", &vkey];
    fs::write(&file, ForkEvidence::new(&signed(5, 1, &log), &signed(5, 2, &log)).to_text()).unwrap();
    let proven = tacit_json(&verify);
    assert_eq!((&proven["forked"], &proven["size"]), (&true.into(), &5.into()));
    let words = tacit(&verify);
    assert!(String::from_utf8(words.stdout).unwrap().contains("was FORKED"));
    let forged = ForkEvidence::new(&signed(5, 1, &log), &signed(5, 2, &signer(2))).to_text();
    let grown = ForkEvidence::new(&signed(5, 1, &log), &signed(6, 2, &log)).to_text();
    let same = ForkEvidence::new(&signed(5, 1, &log), &signed(5, 1, &log)).to_text();
    for text in [forged.as_str(), &grown, &same, "", "tacit-fork/v1\n", "\u{0}"] {
        fs::write(&file, text).unwrap();
        assert_eq!(tacit_fails(&verify)["what"], "this proves nothing against the log", "{text:?}");
    }
}
