//! The published vectors of protocol v1 and of RFC 9497, byte for byte.

#![expect(clippy::unwrap_used, reason = "helpers of tests: clippy exempts only the test functions")]

use std::path::PathBuf;

use tacit_blind::conformance;

fn run(file: &str) -> Vec<conformance::Outcome> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors").join(file);
    conformance::run(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn assert_all_pass(file: &str, at_least: usize) {
    let outcomes = run(file);
    for outcome in &outcomes {
        assert!(outcome.result.is_ok(), "{file}: {}: {:?}", outcome.name, outcome.result);
    }
    assert!(outcomes.len() >= at_least, "{file}: only {} checks", outcomes.len());
}

#[test]
fn protocol_vectors_a_hold_byte_for_byte() {
    assert_all_pass("protocol-v1-a.json", 150);
}

#[test]
fn protocol_vectors_b_hold_byte_for_byte() {
    assert_all_pass("protocol-v1-b.json", 150);
}

#[test]
fn vectors_of_rotation_hold_byte_for_byte() {
    assert_all_pass("rotate-v1.json", 14);
}

#[test]
fn rfc_9497_vectors_hold_byte_for_byte() {
    assert_all_pass("rfc9497-allVectors.json", 20);
}

#[test]
fn a_changed_vector_file_fails_where_it_was_changed() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/protocol-v1-a.json");
    let mut value: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let hash = value["enroll"]["register_hash"].as_str().unwrap().replacen('5', "6", 1);
    value["enroll"]["register_hash"] = hash.into();
    let outcomes = conformance::run(&value.to_string()).unwrap();
    let failed: Vec<&str> = outcomes.iter().filter(|o| o.result.is_err()).map(|o| o.name.as_str()).collect();
    // Evidence commits to the registration, so both openings with evidence fail too.
    assert_eq!(failed, ["enroll.register_hash", "openings[1].evidence", "openings[2].evidence"]);
    let shown = format!("{}", outcomes.iter().find_map(|o| o.result.as_ref().err()).unwrap());
    assert_eq!(shown, "enroll.register_hash differs from what was computed");
}

#[test]
fn a_file_that_is_no_vector_file_is_an_error_and_a_file_with_holes_is_not_a_success() {
    for text in ["", "{}", "[]", "{\"protocol\": \"tacit/v2\"}", "{\"protocol\": \"tacit/v1\"}"] {
        assert!(conformance::run(text).is_err(), "{text}");
    }
    let outcomes = conformance::run("{\"protocol\": \"tacit/v1\", \"enroll\": {}}").unwrap();
    assert!(outcomes.iter().all(|o| o.result.is_err()));
}
