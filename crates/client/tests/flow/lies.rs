//! Parties that lie, and receipts that do not.

use tacit_blind::audit_box::{self, Registered};
use tacit_blind::group::Point;
use tacit_client::{Outcome, Receipt};

use crate::support::registry::auditor;
use crate::support::{World, codes, log_key, question, subjects, words};

async fn asked_with(fault: &str) -> Vec<String> {
    let world = World::new().await;
    let all = codes(8, 40);
    world.seal("court/defaulters", 1, &all);
    world.seal("court/defaulters", 1, &all);
    world.faults.plan(fault, u32::MAX);
    let outcomes = world.requester().check_batch(&question(&["court/defaulters"]), subjects(&all)).await;
    let mut all: Vec<String> = outcomes.iter().flat_map(words).collect();
    all.dedup();
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_list_key_is_noticed() {
    assert_eq!(asked_with("wrong list key").await, ["proof_invalid"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_that_swaps_buckets_is_noticed() {
    assert_eq!(asked_with("swapped bucket").await, ["bucket_rejected"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_that_replays_an_old_table_is_noticed() {
    assert_eq!(asked_with("old table").await, ["lost version_old"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_about_something_else_is_noticed() {
    assert_eq!(asked_with("other purpose").await, ["lost permit_not_logged"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_proves_its_answer_offline() {
    let world = World::new().await;
    let all = codes(30, 41);
    world.seal("court/defaulters", 1, &all[..10]);
    world.seal("court/mediators", 7, &all[9..20]);
    let requester = world.requester();
    let lists = question(&["court/defaulters", "court/mediators"]);
    let outcomes = requester.check_batch(&lists, subjects(&all)).await;
    for (place, expected) in
        [(0, [true, false]), (9, [true, true]), (15, [false, true]), (29, [false, false])]
    {
        let Outcome::Answers(answers) = &outcomes[place].outcome else { panic!() };
        let record = answers[0].record.unwrap();
        let receipt = requester.receipt(record.id).await.unwrap().unwrap();
        let bytes = receipt.to_bytes();
        let receipt = Receipt::from_bytes(&bytes).unwrap();
        let proven = receipt.verify(&log_key(), &world.registry).unwrap();
        let listed: Vec<bool> = proven.answers.iter().map(|answer| answer.label.is_some()).collect();
        assert_eq!(listed, expected, "{place}");
        assert_eq!((proven.case.as_str(), proven.access.id.parse().unwrap()), ("2026-117", record.id));
        assert!(!format!("{receipt:?}{proven:?}").contains("Label"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_receipt_proves_nothing() {
    let world = World::new().await;
    let all = codes(3, 42);
    world.seal("court/defaulters", 1, &all);
    let requester = world.requester();
    let outcomes = requester.check_batch(&question(&["court/defaulters"]), subjects(&all)).await;
    let Outcome::Answers(answers) = &outcomes[0].outcome else { panic!() };
    let receipt = requester.receipt(answers[0].record.unwrap().id).await.unwrap().unwrap();
    let bytes = receipt.to_bytes().to_vec();
    let length = bytes.len();
    let mut proven = 0;
    for at in (0..length).step_by(61).chain(length - 40..length) {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        if let Ok(receipt) = Receipt::from_bytes(&changed) {
            proven += usize::from(receipt.verify(&log_key(), &world.registry).is_ok());
        }
        assert!(Receipt::from_bytes(&bytes[..at]).is_err());
    }
    assert_eq!(proven, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_box_opens_to_the_truth() {
    let world = World::new().await;
    let all = codes(3, 43);
    world.seal("court/defaulters", 1, &all);
    world.requester().check_batch(&question(&["court/defaulters"]), subjects(&all)).await;
    let boxes = world.hub.with(|state| state.boxes.clone());
    assert_eq!(boxes.len(), 3);
    for (entry, code) in boxes.iter().zip(&all) {
        let point = |bytes: &[u8]| Point::decode_slice(bytes).unwrap();
        let [blinded_subject, evaluated, pseudonym] =
            [&entry.blinded_subject, &entry.evaluated, &entry.pseudonym].map(|bytes| point(bytes));
        let registered =
            Registered { blinded_subject: &blinded_subject, evaluated: &evaluated, pseudonym: &pseudonym };
        let inner = audit_box::open_outer(&entry.audit_box, &registered, &auditor(2)).unwrap();
        let opened = audit_box::open_inner(&inner, &registered, &auditor(1)).unwrap();
        audit_box::check_opened(&opened, &registered).unwrap();
        assert_eq!(opened.expose_code(), code.expose_code());
        assert_eq!((opened.case(), opened.officer()), ("2026-117", "officer-3"));
    }
}
