//! A receipt from the question to a court: asked and exported while the federation runs, verified when all of it is
//! gone, with the registry and the log's public key alone.

#![cfg(test)]

use std::{
    fs,
    io::{BufRead as _, BufReader},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use serde_json::{Value, json};
use tacit_testkit::PortRange;

const LISTED: &str = "91350100M000100Y43";
const LIST: &str = "court/judgment-defaulters";
const PURPOSE: &str = "public-procurement-eligibility";

/// A founded federation in a folder of its own; its roles are killed when the test ends.
struct Federation {
    running: Option<Child>,
    folder: tempfile::TempDir,
    _ports: PortRange,
}

impl Drop for Federation {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Federation {
    fn up() -> Self {
        let ports = PortRange::claim().unwrap();
        let base = ports.base().to_string();
        let mut federation = Self { running: None, folder: tempfile::tempdir().unwrap(), _ports: ports };
        federation.succeed(&["init", &federation.path("f"), "--base-port", &base]);
        let log = fs::File::create(federation.path("up.log")).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_tacit"))
            .args(["up", &federation.path("f")])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        federation.running = Some(child);
        let ready = lines.by_ref().filter(|line| line.contains(" ready ")).take(5).count();
        let log = || fs::read_to_string(federation.path("up.log")).unwrap();
        assert_eq!(ready, 5, "not all roles started: {}", log());
        // Nobody reads what follows, but the pipe must not fill.
        std::thread::spawn(move || lines.for_each(drop));
        federation
    }

    /// Ends everything at once.
    fn stop(&mut self) {
        if let Some(mut child) = self.running.take() {
            // It may have ended already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_tacit")).args(arguments).stdin(Stdio::null()).output().unwrap()
    }

    fn succeed(&self, arguments: &[&str]) -> String {
        let done = self.run(arguments);
        assert!(done.status.success(), "{arguments:?}: {}", words(&done));
        String::from_utf8(done.stdout).unwrap()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let out = self.succeed(&[&["--json"], arguments].concat());
        serde_json::from_str(out.lines().last().unwrap_or("null")).unwrap()
    }

    /// Asks about a code; gives the record's id.
    fn check(&self, code: &str, case: &str, list: &str) -> String {
        let node = self.path("f/procurement.toml");
        let told = self.json(&[
            "check",
            code,
            "--list",
            list,
            "--purpose",
            PURPOSE,
            "--case",
            case,
            "--officer",
            "li.na",
            "--config",
            &node,
        ]);
        told["answers"][0]["record"].as_str().unwrap().to_owned()
    }
}

fn words(done: &Output) -> String {
    format!(
        "{}\n{}\n{}",
        done.status,
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr)
    )
}

/// The file with another hash at its end, which fits: what a forger would do.
fn with_hash(mut bytes: Vec<u8>) -> Vec<u8> {
    let content = bytes.len() - 32;
    let hash = blake3::derive_key("tacit v1 receipt", &bytes[..content]);
    bytes[content..].copy_from_slice(&hash);
    bytes
}

/// Replaces the only occurrence of a text by another of the same length.
fn replaced(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let at = bytes.windows(from.len()).position(|window| window == from.as_bytes()).unwrap();
    let mut changed = bytes.to_vec();
    changed[at..at + to.len()].copy_from_slice(to.as_bytes());
    changed
}

#[test]
fn a_receipt_is_verified_offline_and_a_changed_one_is_not() {
    let mut federation = Federation::up();
    let court = federation.path("f/court.toml");
    let node = federation.path("f/procurement.toml");
    let records = federation.path("records.csv");
    let columns = "code,category,decision_ref,decided_on,notified_on,effective_on,expires_on";
    fs::write(&records, format!("{columns}\n{LISTED},101,2026-17,2026-01-10,2026-01-15,2026-02-20,\n"))
        .unwrap();
    federation.succeed(&["list", "import", LIST, &records, "--config", &court]);
    federation.succeed(&["list", "seal", LIST, "--config", &court]);
    let listed = federation.check(LISTED, "PROC-2026-1", LIST);
    let other = federation.check("91440300MA5EXAMP0C", "PROC-2026-2", LIST);
    assert_ne!(listed, other);

    // Listed by case, told without the answer.
    let all = federation.succeed(&["--json", "receipt", "list", "--config", &node]);
    assert_eq!(all.lines().count(), 2, "{all}");
    let one = federation.json(&["receipt", "list", "--case", "PROC-2026-1", "--config", &node]);
    assert_eq!((one["record"].as_str(), one["officer"].as_str()), (Some(listed.as_str()), Some("li.na")));
    assert!(!all.contains(LISTED) && !all.contains("listed"), "{all}");
    let shown = federation.succeed(&["receipt", "show", &listed, "--config", &node]);
    assert!(shown.contains("The receipt HOLDS") && shown.contains("LISTED on"), "{shown}");

    // Exported once, for its owner alone.
    let file = federation.path("receipt");
    let exported = federation.succeed(&["receipt", "export", &listed, "--out", &file, "--config", &node]);
    assert!(exported.contains("for the subject, a court or an auditor"), "{exported}");
    assert!(exported.contains("other subjects' sealed entries"), "{exported}");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let again = federation.run(&["receipt", "export", &listed, "--out", &file, "--config", &node]);
    assert_eq!(again.status.code(), Some(2), "{}", words(&again));
    federation.succeed(&["receipt", "export", &listed, "--out", &file, "--force", "--config", &node]);
    let missed = federation.path("missed");
    federation.succeed(&["receipt", "export", &other, "--out", &missed, "--config", &node]);
    let unknown =
        federation.run(&["receipt", "export", "01KAM2V7Q3ZJ6V6T1V8M3W9R5C", "--out", "x", "--config", &node]);
    assert_eq!(unknown.status.code(), Some(1), "{}", words(&unknown));
    assert!(words(&unknown).contains("not_found"), "{}", words(&unknown));

    // From here on nobody answers.
    federation.stop();
    verified_with_public_keys_alone(&federation, &file, &missed, &node);
    changed_copies_fail(&federation, &file, &node);
}

fn verified_with_public_keys_alone(federation: &Federation, file: &str, missed: &str, node: &str) {
    let told = federation.json(&["receipt", "verify", file, "--config", node]);
    assert_eq!((&told["holds"], &told["answers"][0]["answer"]), (&Value::from(true), &Value::from("listed")));
    assert_eq!(told["registry"]["decided"], true);
    assert_eq!((told["requester"].as_str(), told["holder"].as_str()), (Some("procurement"), Some("court")));
    assert!(told["subject"]["code"].is_null(), "{told}");
    let vkey = told["log"]["key"].as_str().unwrap();

    // With nothing but two public things, in a folder where nothing else is.
    let lonely = PathBuf::from(federation.path("court-room"));
    fs::create_dir(&lonely).unwrap();
    fs::copy(file, lonely.join("receipt")).unwrap();
    let registry = registry_of(federation);
    fs::copy(&registry, lonely.join("registry.json")).unwrap();
    let at = |name: &str| lonely.join(name).to_str().unwrap().to_owned();
    let (receipt, registry) = (at("receipt"), at("registry.json"));
    let alone = ["receipt", "verify", &receipt, "--registry", &registry, "--log-key", vkey];
    let text = federation.succeed(&[&alone[..], &["--about", LISTED]].concat());
    for part in [
        "The receipt HOLDS",
        "under the case \"PROC-2026-1\"; the officer was \"li.na\"",
        "LISTED on court/judgment-defaulters",
        "the very one that decided",
        "That nobody else asked",
        "An answer is not a decision.",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains(LISTED), "{text}");
    let shown = federation.succeed(&[&alone[..], &["--show-subject"]].concat());
    assert!(shown.contains(LISTED), "{shown}");
    let of_another = federation.run(&[&alone[..], &["--about", "91440300MA5EXAMP0C"]].concat());
    assert_ne!(of_another.status.code(), Some(0), "{}", words(&of_another));
    let told = federation.json(&["receipt", "verify", missed, "--config", node]);
    assert_eq!(told["answers"][0]["answer"], "not_listed");

    // Another key, another registry, no file: each says which.
    let wrong = told["log"]["key"].as_str().unwrap().replace("log+", "lox+");
    let done = federation.run(&["receipt", "verify", file, "--registry", &registry, "--log-key", &wrong]);
    assert_eq!(done.status.code(), Some(2), "{}", words(&done));
    let mut other = fs::read(&registry).unwrap();
    other.push(b'\n');
    let changed = at("other.json");
    fs::write(&changed, other).unwrap();
    let done = federation.run(&["receipt", "verify", file, "--registry", &changed, "--log-key", vkey]);
    assert_eq!(done.status.code(), Some(1), "{}", words(&done));
    assert!(words(&done).contains("not the one that decided"), "{}", words(&done));
    let done = federation.run(&["receipt", "verify", &at("nothing"), "--config", node]);
    assert_eq!(done.status.code(), Some(2), "{}", words(&done));
}

/// The registry as the requester keeps it.
fn registry_of(federation: &Federation) -> PathBuf {
    let text = fs::read_to_string(federation.path("f/procurement.toml")).unwrap();
    let line = text.lines().find(|line| line.starts_with("registry = ")).unwrap();
    Path::new(&federation.path("f")).join(line.split('"').nth(1).unwrap())
}

fn changed_copies_fail(federation: &Federation, file: &str, node: &str) {
    let bytes = fs::read(file).unwrap();
    let copy = federation.path("copy");
    let middle = bytes.len() / 2;
    let mut flipped = bytes.clone();
    flipped[middle] ^= 1;
    let of_court = with_hash({
        let mut changed = bytes.clone();
        // Somewhere in the bucket.
        changed[middle] ^= 1;
        changed
    });
    for (changed, said) in [
        (flipped, "it was cut off or changed"),
        (bytes[..middle].to_vec(), "it was cut off or changed"),
        (b"a letter".to_vec(), "it is not a receipt"),
        (Vec::new(), "it is not a receipt"),
        (with_hash(replaced(&bytes, "PROC-2026-1", "PROC-2026-9")), "the requester's proof"),
        (with_hash(replaced(&bytes, "requester procurement", "requester procuremenu")), "the log's proof"),
        (of_court, "the proof of the holder court"),
    ] {
        fs::write(&copy, changed).unwrap();
        let done = federation.run(&["receipt", "verify", &copy, "--config", node]);
        assert_eq!(done.status.code(), Some(1), "{}", words(&done));
        assert!(
            words(&done).contains("does NOT hold") && words(&done).contains(said),
            "{said}: {}",
            words(&done)
        );
        assert!(!words(&done).contains("panicked"), "{}", words(&done));
    }
    let machine = federation.run(&["--json", "receipt", "verify", &copy, "--config", node]);
    let told: Value = serde_json::from_slice(&machine.stdout).unwrap();
    assert_eq!((&told["error"]["exit"], &told["error"]["reason"]), (&json!(1), &json!("proof_invalid")));
}
