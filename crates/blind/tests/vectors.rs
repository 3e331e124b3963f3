//! The published vectors of protocol v1 and of RFC 9497, byte for byte.

#![expect(clippy::unwrap_used, reason = "helpers of tests: clippy exempts only the test functions")]

use std::path::PathBuf;

use tacit_blind::{
    audit_box::AuditorSecretKey,
    case_evidence::{CaseEvidence, Demanded},
    conformance, letter, opening,
};
use tacit_ledger::ed25519::SigningKey;
use tacit_model::MemberId;

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

fn vectors(file: &str) -> serde_json::Value {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors").join(file);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn array<const N: usize>(text: &str) -> [u8; N] {
    hex::decode(text).unwrap().try_into().unwrap()
}

/// tests/independent/check_letter.py makes them, from the RFCs.
#[test]
fn vectors_of_letters_open_to_each_recipient_and_to_nobody_else() {
    let value = vectors("letter-v1.json");
    let letters = value["letters"].as_array().unwrap();
    assert_eq!(letters.len(), 2);
    for case in letters {
        let text = |field: &str| case[field].as_str().unwrap();
        let (sender, member) = (text("sender").parse().unwrap(), text("member").parse().unwrap());
        let pseudonym = array(text("pseudonym"));
        let envelope = letter::Envelope { sender: &sender, member: &member, pseudonym: &pseudonym };
        let sealed = hex::decode(text("sealed")).unwrap();
        assert_eq!(hex::encode(letter::letter_hash(&sealed)), text("hash"));
        let signing = SigningKey::from_seed(&array(text("signing_seed"))).verifying_key();
        let recipients = case["recipients"].as_array().unwrap();
        let names: Vec<_> =
            recipients.iter().map(|it| it["id"].as_str().unwrap().parse::<MemberId>().unwrap()).collect();
        assert_eq!(letter::recipients(&sealed).unwrap(), names);
        for (name, it) in names.iter().zip(recipients) {
            let (secret, public) = letter::LetterSecretKey::derive(&array(it["seed"].as_str().unwrap()));
            assert_eq!(hex::encode(public.encode()), it["public"].as_str().unwrap());
            let opened = letter::open(&sealed, &envelope, name, &secret, &signing).unwrap();
            assert_eq!(
                (opened.content(), hex::encode(opened.key())),
                (text("content").as_bytes(), text("key").to_owned())
            );
            let other = letter::LetterSecretKey::derive(&[9; 32]).0;
            assert!(letter::open(&sealed, &envelope, name, &other, &signing).is_err());
        }
    }
}

/// tests/independent/check_audit.py makes them, from the RFCs.
#[test]
fn vectors_of_what_auditors_sign_and_are_handed_hold_byte_for_byte() {
    let value = vectors("audit-v1.json");
    let text = |kind: &str, field: &str| value[kind][field].as_str().unwrap();
    let signs = |kind: &str, message: &[u8]| {
        let signing = SigningKey::from_seed(&array(text(kind, "signing_seed")));
        assert_eq!(hex::encode(signing.sign(message)), text(kind, "signature"), "{kind}");
    };
    let ground = text("request", "ground");
    let commitment = opening::ground(&array(text("request", "salt")), ground);
    assert_eq!(hex::encode(commitment), text("request", "commitment"));
    signs("request", &opening::request_message(text("request", "about"), ground).unwrap());

    let registration = array(text("approval", "register_hash"));
    let inner = hex::decode(text("approval", "inner")).unwrap();
    signs(
        "approval",
        &opening::approval_message(text("approval", "opening"), &registration, &inner).unwrap(),
    );

    let sealed = hex::decode(text("evidence", "sealed")).unwrap();
    let of = Demanded { demand: text("evidence", "demand"), record: text("evidence", "about") };
    let (secret, public) = AuditorSecretKey::derive(&array(text("evidence", "seed")));
    assert_eq!(hex::encode(public.encode()), text("evidence", "public"));
    let opened = CaseEvidence::open(&sealed, &of, &secret).unwrap();
    assert_eq!((&*opened.case, &*opened.officer), (text("evidence", "case"), text("evidence", "officer")));
    assert!(opened.opens(&array(text("evidence", "matter"))));
}
