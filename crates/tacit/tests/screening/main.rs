//! The real case: one agency holds a list made from real codes, another screens the whole file.
//!
//! Every role is a process of its own; codes come from `../shared/data`, beside the repository.

mod broken;
mod canary;
mod consents;
mod records;
mod redress;
mod support;

use std::{collections::HashSet, path::Path, time::Duration};

use serde_json::Value;
use tacit_model::{Clock as _, SystemClock};

use support::{Federation, codes, listed_codes, read_result, sample_with_quota, write_codes, write_records};

const LIST: &str = "court/judgment-defaulters";

/// Kinds of records of the verified log.
fn verified_kinds(federation: &Federation) -> Value {
    let verified = federation.tacit_json(&["log", "verify", "--config", &federation.file("auditor-a.toml")]);
    assert_eq!(verified["verified"], true, "{verified}");
    verified["kinds"].clone()
}

fn batch_arguments<'a>(input: &'a str, out: &'a str, config: &'a str) -> Vec<&'a str> {
    vec![
        "check",
        "--batch",
        input,
        "--out",
        out,
        "--list",
        LIST,
        "--purpose",
        "screening",
        "--case",
        "SCREEN-2026-1",
        "--officer",
        "officer-7",
        "--yes",
        "--config",
        config,
    ]
}

#[test]
fn a_whole_register_is_screened_and_a_killed_coordinator_loses_nothing() {
    let Some(all) = codes() else { return };
    let mut federation = Federation::found(include_str!("../../../federation/samples/procurement.toml"), &[]);
    federation.start_all();
    let listed: HashSet<String> = listed_codes(&all).into_iter().collect();
    let records = write_records(&federation, &listed_codes(&all));
    let court = federation.file("court.toml");
    let imported = federation.tacit_json(&["list", "import", LIST, &records, "--config", &court]);
    assert_eq!(imported["imported"], 10_000, "{imported}");
    federation.tacit_json(&["list", "seal", LIST, "--config", &court]);

    let input = write_codes(&federation, "all.csv", &all);
    let out = federation.file("out.csv");
    let config = federation.file("procurement.toml");
    let arguments = batch_arguments(&input, &out, &config);
    let batch = federation.spawn_batch(&arguments);
    // In the middle of the batch: some thousand rows are answered, the rest is to come.
    federation.wait_for_rows(&out, 3_000);
    federation.kill("coordinator");
    std::thread::sleep(Duration::from_secs(2));
    federation.start("coordinator");
    support::end_batch(batch);
    // Whatever the first run left open is asked by the next one.
    for _ in 0..5 {
        let done = federation.tacit(&arguments);
        if done.status.success() {
            break;
        }
    }

    let rows = read_result(Path::new(&out));
    assert_eq!(rows.reasons, Vec::<String>::new(), "every row is answered");
    assert_eq!(rows.answered.len(), all.len());
    assert_eq!(rows.listed, listed, "exactly the listed codes are found, none other");
    let unanswered = federation.not_answered(&out);
    assert!(unanswered.is_disjoint(&rows.records), "a record is answered or not, never both");
    let kinds = verified_kinds(&federation);
    let access = kinds["access"].as_u64().unwrap();
    assert_eq!(
        access,
        20_000 + unanswered.len() as u64,
        "every access record is a row's, or marked not answered"
    );
    let queries = federation.queries(access);
    assert_eq!(queries.len() as u64, access, "the holder never sees a point twice");

    federation.stop_all();
    let canaries: Vec<&str> = all.iter().map(String::as_str).collect();
    federation.assert_nothing_holds("coordinator", &canaries);
    federation.assert_nothing_holds("custodian", &canaries);
    federation.assert_nothing_holds("procurement", &canaries);
    let unlisted: Vec<&str> = all.iter().filter(|code| !listed.contains(*code)).map(String::as_str).collect();
    federation.assert_nothing_holds("court", &unlisted);
    federation.assert_no_log_holds(&canaries);
}

#[test]
fn a_sweep_stops_at_the_quota_of_new_subjects_with_parallel_batches_too() {
    let Some(all) = codes() else { return };
    let sample = sample_with_quota(5_000);
    let mut federation = Federation::found(&sample, &[]);
    federation.start_all();
    let records = write_records(&federation, &listed_codes(&all)[..200]);
    let court = federation.file("court.toml");
    federation.tacit_json(&["list", "import", LIST, &records, "--config", &court]);
    federation.tacit_json(&["list", "seal", LIST, "--config", &court]);
    let config = federation.file("procurement.toml");
    let halves = all.split_at(all.len() / 2);
    let batches: Vec<_> = [("one", halves.0), ("two", halves.1)]
        .into_iter()
        .map(|(name, part)| {
            let input = write_codes(&federation, &format!("{name}.csv"), part);
            let out = federation.file(&format!("{name}-out.csv"));
            let batch = federation.spawn_batch(&batch_arguments(&input, &out, &config));
            (out, batch)
        })
        .collect();
    let mut answered = 0;
    for (out, batch) in batches {
        support::end_batch(batch);
        let rows = read_result(Path::new(&out));
        answered += rows.answered.len();
        assert!(
            rows.reasons.iter().all(|reason| reason == "quota_new_subjects"),
            "refused for the quota only"
        );
    }
    assert_eq!(answered, 5_000, "not one more, not one less");
    assert_eq!(verified_kinds(&federation)["access"], 5_000);
}

#[test]
fn a_batch_across_a_change_of_epoch_is_answered_completely() {
    let Some(all) = codes() else { return };
    let epoch_ms = 8_000;
    let options = ["--epoch-ms", &epoch_ms.to_string(), "--tick-ms", "1000"];
    let mut federation = Federation::found(&sample_with_quota(100_000), &options);
    federation.start_all();
    let listed: HashSet<String> = listed_codes(&all).into_iter().collect();
    let records = write_records(&federation, &listed_codes(&all));
    let court = federation.file("court.toml");
    federation.tacit_json(&["list", "import", LIST, &records, "--config", &court]);
    federation.tacit_json(&["list", "seal", LIST, "--config", &court]);
    let input = write_codes(&federation, "all.csv", &all);
    let out = federation.file("out.csv");
    let config = federation.file("procurement.toml");
    let arguments = batch_arguments(&input, &out, &config);
    // Epochs begin at multiples of their length. The batch begins a second before one does, and lasts for several.
    let into_epoch = SystemClock.now().0 % epoch_ms;
    let due = epoch_ms - 1_000;
    std::thread::sleep(Duration::from_millis((due + epoch_ms - into_epoch) % epoch_ms));
    for _ in 0..5 {
        if federation.tacit(&arguments).status.success() {
            break;
        }
    }
    let rows = read_result(Path::new(&out));
    assert_eq!(rows.reasons, Vec::<String>::new());
    assert_eq!(rows.answered.len(), all.len());
    assert_eq!(rows.listed, listed);
    let epochs = federation.epochs_asked();
    assert!(epochs.len() > 1, "the batch went over a change of epoch: {epochs:?}");
}
