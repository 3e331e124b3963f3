//! The demonstration runs to its end, and every step comes out as it tells its readers.

#![expect(clippy::unwrap_used, reason = "helpers of tests: what fails here is a failed test")]

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// Small lists: the steps are the same.
const SCALE: &str = "0.01";

fn tacit(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tacit"));
    command.args(arguments).stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> Output {
    tacit(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn files_below(folder: &Path) -> Vec<std::path::PathBuf> {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn every_step_of_the_demonstration_comes_out_as_promised() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path().join("federation");
    let dir = folder.to_str().unwrap();
    let done = run(&["demo", "--once", "--json", "--dir", dir, "--scale", SCALE]);
    let (out, err) = (text(&done.stdout), text(&done.stderr));
    assert!(done.status.success(), "{}\n{out}\n{err}", done.status);
    assert_eq!(out.lines().count(), 1, "one line of JSON: {out}");
    let summary: Value = serde_json::from_str(out).unwrap();

    let steps: BTreeMap<&str, &Value> = summary["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| (step["step"].as_str().unwrap(), step))
        .collect();
    for (step, outcome) in [
        ("founded", "ready"),
        ("history", "lived"),
        ("lists", "published"),
        ("hit", "listed"),
        ("miss", "not_listed"),
        ("wrong_purpose", "not_permitted"),
        ("no_consent", "consent_required"),
        ("consent_given", "not_listed"),
        ("consent_withdrawn", "consent_required"),
        ("sweep", "quota_new_subjects"),
        ("listing_undone", "undone"),
        ("altered_record", "detected"),
        ("what_each_party_saw", "private"),
        ("log_verified", "verified"),
        ("web", "open"),
    ] {
        assert_eq!(steps[step]["outcome"], outcome, "{step}: {}", steps[step]);
        assert_eq!(steps[step]["ok"], true, "{step}");
    }
    assert_eq!(steps.len(), 15);
    assert_eq!(summary["ok"], true);
    assert!(summary["peak_memory_bytes"].as_u64().unwrap() < 500 << 20);

    // The figures behind the words.
    let facts = |step: &str| &steps[step]["facts"];
    assert_eq!(facts("miss")["records"].as_array().unwrap().len(), 2);
    assert_eq!(facts("consent_withdrawn")["withdrawal"]["state"], "withdrawn");
    let seen = [
        "refused",
        "consent_withdrawn",
        "permitted",
        "consent_resumed",
        "refused",
        "consent_paused",
        "permitted",
        "consent_given",
        "consent_requested",
        "refused",
    ];
    assert_eq!(facts("consent_withdrawn")["person_sees"], serde_json::json!(seen));
    assert_eq!(facts("sweep")["allowed"], 200);
    assert_eq!(facts("sweep")["outcomes"]["quota_new_subjects"], 50);
    let listing = facts("listing_undone");
    assert_eq!(listing["answers"], serde_json::json!(["not_listed", "listed", "not_listed"]));
    assert_eq!((&listing["asked_again"], &listing["measure"]), (&"not_listed".into(), &"lifted".into()));
    assert_eq!(listing["person_and_auditor_see_the_same"], true);
    assert_eq!(listing["texts_at_the_coordinator"], serde_json::json!([]));
    assert_eq!(facts("log_verified")["kinds"]["access"], facts("log_verified")["answers"]);
    let found = &facts("what_each_party_saw")["found"];
    assert_eq!(found["code of bidder A, listed"], serde_json::json!(["court"]));
    assert_eq!(found["code of bidder B, not listed"], Value::Null);
    assert_eq!(found["pseudonym of bidder C"], serde_json::json!(["coordinator"]));

    // The folder stays, without the altered copy, for `tacit up`.
    assert!(folder.join("coordinator.toml").exists() && folder.join("data/court.db").exists());
    assert!(!folder.join("altered.toml").exists() && !folder.join("altered").exists());
    let log = std::fs::read_to_string(folder.join("tacit.log")).unwrap();
    assert!(!log.contains(" ERROR "), "{log}");
    assert!(!log.contains("panicked"), "{log}");
}

#[test]
fn a_person_reads_steps_of_80_columns_and_no_escape_sequences_in_a_pipe() {
    let temporary = tempfile::tempdir().unwrap();
    let done =
        tacit(&["demo", "--once", "--scale", "0.001"]).env("TMPDIR", temporary.path()).output().unwrap();
    let out = text(&done.stdout);
    assert!(done.status.success(), "{out}\n{}", text(&done.stderr));
    assert_eq!(text(&done.stderr), "");
    assert!(!out.contains('\u{1b}'));
    for line in out.lines() {
        assert!(line.chars().count() <= 80, "{} columns: {line}", line.chars().count());
    }
    for step in 1..=14 {
        assert!(out.contains(&format!("\n{step:>2}  ")), "no step {step}: {out}");
    }
    assert!(out.contains("As promised: 15 of 15 steps"), "{out}");
    assert!(!out.contains("NOT AS"), "{out}");
    assert!(files_below(temporary.path()).is_empty(), "a temporary folder was left");
}

#[test]
fn a_folder_with_something_in_it_is_named_and_not_touched() {
    let temporary = tempfile::tempdir().unwrap();
    std::fs::write(temporary.path().join("mine.txt"), "mine").unwrap();
    let done = run(&["demo", "--once", "--dir", temporary.path().to_str().unwrap()]);
    assert_eq!(done.status.code(), Some(2), "{}", text(&done.stderr));
    assert!(text(&done.stderr).contains("is not empty"), "{}", text(&done.stderr));
    assert_eq!(files_below(temporary.path()).len(), 1);
}

#[test]
fn it_keeps_running_until_it_is_asked_to_stop_and_answers_meanwhile() {
    use std::io::{BufRead as _, BufReader, Read as _, Write as _};
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path().join("federation");
    let mut running = tacit(&["demo", "--json", "--scale", "0.001", "--dir", folder.to_str().unwrap()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(running.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let summary: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(summary["ok"], true, "{line}");
    let code = summary["steps"][3]["facts"]["code"].as_str().unwrap();
    let config = folder.join("procurement.toml");
    let asked = run(&[
        "check",
        code,
        "--list",
        "court/judgment-defaulters",
        "--purpose",
        "public-procurement-eligibility",
        "--case",
        "TENDER-2026-0148",
        "--config",
        config.to_str().unwrap(),
    ]);
    assert!(asked.status.success(), "{}\n{}", text(&asked.stdout), text(&asked.stderr));

    // Its three desks let a person in.
    let web = summary["steps"].as_array().unwrap().last().unwrap();
    for desk in web["facts"]["desks"].as_array().unwrap() {
        let at = desk["url"].as_str().unwrap().trim_start_matches("http://").trim_end_matches('/');
        let mut socket = std::net::TcpStream::connect(at).unwrap();
        write!(socket, "GET /en/login HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\r\n").unwrap();
        let mut page = String::new();
        socket.read_to_string(&mut page).unwrap();
        assert!(
            page.starts_with("HTTP/1.1 200") && page.contains("Who do you want to be?"),
            "{desk}: {page}"
        );
    }

    let id = running.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    let status = running.wait().unwrap();
    assert_eq!((status.code(), status.signal()), (Some(0), None));
}
