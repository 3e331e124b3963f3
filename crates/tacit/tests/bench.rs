//! The benchmark measures what it is asked to, whatever the figures are: this build is not the one that counts.

#![expect(clippy::unwrap_used, reason = "helpers of tests: what fails here is a failed test")]

use std::collections::BTreeMap;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn bench(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tacit"));
    // No server: the tests of the store use it at the same time.
    command.env_remove("TACIT_TEST_POSTGRES").arg("bench").args(arguments).stdin(Stdio::null());
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn the_log_is_measured_beside_its_limits_and_the_rest_is_said_to_be_left_out() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path().to_str().unwrap();
    let only = ["log", "replicas", "proofs", "fsck"].map(|part| ["--only", part]).concat();
    let done = bench(&[&["--json", "--quick", "--dir", dir][..], &only].concat());
    let (out, err) = (text(&done.stdout), text(&done.stderr));
    assert!(done.status.success(), "{}\n{out}\n{err}", done.status);
    assert_eq!(out.lines().count(), 1, "one line of JSON: {out}");
    let told: Value = serde_json::from_str(out).unwrap();
    assert_eq!((told["runs"].as_u64(), told["entries"].as_u64()), (Some(1), Some(20_000)));

    let figures: BTreeMap<&str, &Value> = told["figures"]
        .as_array()
        .unwrap()
        .iter()
        .map(|figure| (figure["name"].as_str().unwrap(), figure))
        .collect();
    assert!(
        figures.values().all(|figure| figure["value"].as_f64().is_some_and(|value| value > 0.0)),
        "{out}"
    );
    for (name, unit, of, floor) in [
        ("log.256", "1/s", "raw.disk.256", ("at_least", 5_000.0)),
        ("log.p50", "ms", "raw.disk.p50", ("at_most", 3.0)),
        ("proofs", "1/s", "raw.proofs", ("at_least", 5_000.0)),
        ("fsck", "1/s", "raw.leaf", ("at_least", 200_000.0)),
    ] {
        let figure = figures[name];
        assert_eq!(figure["unit"], unit, "{name}");
        assert_eq!(figure["ratio"]["of"], of, "{name}");
        assert!(figures.contains_key(of), "{of}");
        assert_eq!(figure["floor"][floor.0], floor.1, "{name}");
        assert!(figure["met"].is_boolean(), "{name}");
    }
    assert!(!figures.contains_key("replicas.2"));
    let [left_out] = told["left_out"].as_array().unwrap().as_slice() else { panic!("{out}") };
    assert!(left_out.as_str().unwrap().starts_with("replicas: "), "{left_out}");
    assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 0, "nothing is left behind");
}

#[test]
fn what_cannot_be_measured_is_left_out_in_one_line() {
    let done = bench(&["--quick", "--only", "replicas", "--postgres", ""]);
    let out = text(&done.stdout);
    assert!(done.status.success(), "{out}\n{}", text(&done.stderr));
    assert_eq!(out.lines().filter(|line| line.starts_with("Left out: replicas: ")).count(), 1, "{out}");
}

#[test]
fn a_removal_is_measured_until_a_check_says_so() {
    let done = bench(&["--json", "--only", "removal", "--records", "300", "--runs", "1"]);
    let (out, err) = (text(&done.stdout), text(&done.stderr));
    assert!(done.status.success(), "{}\n{out}\n{err}", done.status);
    let told: Value = serde_json::from_str(out).unwrap();
    let figures = told["figures"].as_array().unwrap();
    let removal = figures.iter().find(|figure| figure["name"] == "removal").unwrap();
    // The second removal came just after a tick and waited for another one.
    assert!(removal["value"].as_f64().unwrap() > 5.0, "{removal}");
    assert_eq!(removal["unit"], "s");
    assert!(removal["floor"].is_null(), "the floor is that of a million records");
    assert!(!figures.iter().any(|figure| figure["name"] == "batch"), "{out}");
}
