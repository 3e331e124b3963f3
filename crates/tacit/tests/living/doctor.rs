//! `tacit doctor` on a consent authority: what is well, and each fault by its name.

use std::fs;

use serde_json::Value;

use crate::world::{World, eventually};

/// Long enough that a slow machine reads in time, and overdue soon.
const READING_MS: &str = "5000";

/// What doctor finds of a configuration: its exit code, and verdict and words of each check.
fn look(world: &World, config: &str) -> (Option<i32>, Vec<Value>) {
    let done = world.federation.tacit(&["--json", "doctor", &world.file(config)]);
    let lines = String::from_utf8(done.stdout).unwrap();
    let findings = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    (done.status.code(), findings.filter(|it| it["who"] == config).collect())
}

/// The verdicts of one check, and all that was found by it.
fn verdict(findings: &[Value], what: &str) -> (Vec<String>, String) {
    let found: Vec<&Value> = findings.iter().filter(|it| it["what"] == what).collect();
    let text = |it: &&Value, key: &str| it[key].as_str().unwrap().to_owned();
    let words: Vec<_> = found.iter().map(|it| text(it, "found")).collect();
    (found.iter().map(|it| text(it, "verdict")).collect(), words.join("; "))
}

/// Waits until one check of the portal ends so, and tells what it found.
fn until(world: &World, what: &str, wanted: &str) -> String {
    let mut found = String::new();
    eventually(&format!("{what} is {wanted}"), || {
        let (verdicts, words) = verdict(&look(world, "portal.toml").1, what);
        found = words;
        verdicts.iter().any(|it| it == wanted)
    });
    found
}

#[test]
fn doctor_finds_an_authority_well_and_names_each_of_its_faults() {
    let mut world = World::start_with(&["--reading-ms", READING_MS]);
    until(&world, "readings", "good");
    let (exit, well) = look(&world, "portal.toml");
    assert_eq!(exit, Some(0), "{well:?}");
    for (what, words) in [
        ("configuration", "readable"),
        ("certificate", "valid for"),
        ("keys", "4 files"),
        ("database", "up to date"),
        ("readings", "the newest whole one began"),
        ("interface", "0 users"),
        ("reach", "custodian"),
        ("health", "every service is serving"),
        ("log", "verifies"),
        ("quorum", "3 of 3 witnesses"),
    ] {
        let (verdicts, found) = verdict(&well, what);
        assert!(!verdicts.is_empty() && verdicts.iter().all(|it| it == "good"), "{what}: {found}");
        assert!(found.contains(words), "{what}: {found}");
    }

    // The database of another role, which stays as it is.
    let portal = fs::read_to_string(world.file("portal.toml")).unwrap();
    let other = portal.replace("sqlite:data/portal.db", "sqlite:data/court.db");
    assert_ne!(portal, other);
    fs::write(world.file("other.toml"), other).unwrap();
    let (exit, found) = look(&world, "other.toml");
    let (verdicts, words) = verdict(&found, "database");
    assert_eq!(
        (exit, verdicts, verdict(&found, "readings").0),
        (Some(1), vec!["bad".to_owned()], vec![]),
        "{words}"
    );
    let missing = portal.replace("sqlite:data/portal.db", "sqlite:data/none.db");
    fs::write(world.file("missing.toml"), missing).unwrap();
    assert_eq!(verdict(&look(&world, "missing.toml").1, "database").0, ["warning"]);
    assert!(!fs::exists(world.file("data/none.db")).unwrap(), "it only looks");

    // A token that the authority does not know, and none.
    let tokens = world.file("tokens/portal.tokens");
    let good = fs::read_to_string(&tokens).unwrap();
    fs::write(&tokens, good.replace("cli:", "cli:0000")).unwrap();
    assert!(until(&world, "interface", "bad").contains("says 401"));
    fs::write(&tokens, good.replace("cli:", "another:")).unwrap();
    until(&world, "interface", "bad");
    fs::write(&tokens, good).unwrap();
    until(&world, "interface", "good");

    // The custodian is away.
    world.federation.kill("custodian");
    assert!(until(&world, "reach", "bad").contains("custodian"));
    world.federation.start("custodian");

    // The authority itself is: nobody asks it, and nobody reads.
    world.federation.kill("portal");
    assert!(until(&world, "interface", "warning").contains("does not answer"));
    assert!(until(&world, "readings", "bad").contains("overdue"));
    let told = world.federation.tacit(&["doctor", &world.file("portal.toml")]);
    let told = String::from_utf8(told.stdout).unwrap();
    assert!(told.lines().any(|line| line.starts_with("BAD") && line.contains("readings")), "{told}");
    world.federation.start("portal");
    until(&world, "readings", "good");
    until(&world, "quorum", "good");
    assert_eq!(look(&world, "portal.toml").0, Some(0));
}
