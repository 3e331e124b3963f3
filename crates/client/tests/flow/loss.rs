//! Answers that are lost on the way.

use tacit_client::{Deadlines, Outcome};

use crate::support::{World, codes, question, subjects, words};

const PATIENT: Deadlines = Deadlines { call_ms: 10_000, patience_ms: 5_000 };

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_costs_no_second_record() {
    for fault in [
        "before subjects",
        "after subjects",
        "before register",
        "before authorize",
        "after authorize",
        "before evaluate",
        "after evaluate",
        "permit not logged",
        "before buckets",
        "during buckets",
    ] {
        let world = World::new().await;
        let all = codes(12, 20);
        world.seal("court/defaulters", 1, &all[..6]);
        world.faults.plan(fault, 2);
        let requester = world.requester_with(PATIENT);
        let outcomes = requester.check_batch(&question(&["court/defaulters"]), subjects(&all)).await;
        let listed = outcomes.iter().filter(|outcome| words(outcome) == ["listed"]).count();
        assert_eq!(listed, 6, "{fault}");
        assert!(outcomes.iter().all(|outcome| outcome.unanswered.is_empty()), "{fault}");
        assert_eq!(world.hub.kinds("access"), 12, "{fault}");
        assert_eq!(
            world.keeper.with(|state| state.known.len()),
            12,
            "{fault}: the same blinding costs nothing"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holder_that_stays_away_leaves_named_records() {
    let world = World::new().await;
    let all = codes(3, 21);
    world.seal("court/defaulters", 1, &all);
    world.faults.plan("before evaluate", u32::MAX);
    let requester = world.requester_with(Deadlines { call_ms: 1_000, patience_ms: 200 });
    let outcomes = requester.check_batch(&question(&["court/defaulters"]), subjects(&all)).await;
    for outcome in &outcomes {
        assert!(matches!(outcome.outcome, Outcome::NotAnswered(_)));
        assert_eq!(outcome.unanswered.len(), 1);
    }
    let lost = requester.unanswered("2026-117").await.unwrap();
    assert_eq!(lost.iter().map(|it| it.row).collect::<Vec<_>>(), [0, 1, 2]);
    assert!(requester.receipt(lost[0].record.id).await.unwrap().is_none());

    world.faults.plan("before evaluate", 0);
    let outcomes = requester.check_batch(&question(&["court/defaulters"]), subjects(&all)).await;
    assert!(outcomes.iter().all(|outcome| words(outcome) == ["listed"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_coordinator_that_forgot_a_subject_gets_it_again() {
    let world = World::new().await;
    let all = codes(5, 22);
    world.seal("court/defaulters", 1, &all);
    let requester = world.requester();
    let lists = question(&["court/defaulters"]);
    requester.check_batch(&lists, subjects(&all)).await;
    world.hub.with(|state| state.pseudonyms.clear());
    let outcomes = requester.check_batch(&lists, subjects(&all)).await;
    assert!(outcomes.iter().all(|outcome| words(outcome) == ["listed"]));
    assert_eq!(world.keeper.with(|state| state.known.len()), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_a_durable_receipt_is_withheld() {
    let world = World::new().await;
    let all = codes(2, 23);
    world.seal("court/defaulters", 1, &all);
    world.store.with(|state| state.refuse_to_settle = true);
    let outcomes = world.requester().check_batch(&question(&["court/defaulters"]), subjects(&all)).await;
    assert_eq!(words(&outcomes[0]), ["lost internal"]);
    assert_eq!(outcomes[0].unanswered.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_whose_caller_goes_away_is_carried_out() {
    let world = World::new().await;
    let all = codes(50, 24);
    world.seal("court/defaulters", 1, &all);
    let requester = world.requester();
    let lists = question(&["court/defaulters"]);
    requester.check_batch(&lists, subjects(&all[..1])).await;
    {
        let asking = requester.check_batch(&lists, subjects(&all));
        let _ = tokio::time::timeout(std::time::Duration::from_millis(1), asking).await;
    }
    let settled = || world.store.with(|state| state.records.len());
    for _ in 0..100 {
        if settled() == 51 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(settled(), 51);
}
