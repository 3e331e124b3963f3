//! What became of requests whose process ended.

use tacit_client::Deadlines;

use crate::support::{World, codes, question, subjects, words};

const HASTY: Deadlines = Deadlines { call_ms: 1_000, patience_ms: 150 };

#[tokio::test(flavor = "multi_thread")]
async fn records_of_a_lost_request_are_found_and_named() {
    let world = World::new().await;
    let all = codes(4, 30);
    world.seal("court/defaulters", 1, &all);
    // The coordinator records, and then cannot be reached for good.
    world.faults.plan("after authorize", u32::MAX);
    let requester = world.requester_with(HASTY);
    let outcomes = requester.check_batch(&question(&["court/defaulters"]), subjects(&all)).await;
    assert_eq!(words(&outcomes[0]), ["lost unavailable"]);
    assert!(outcomes[0].unanswered.is_empty(), "not known yet");
    assert_eq!(world.hub.kinds("access"), 4);

    world.faults.plan("before recall", u32::MAX);
    let recovery = requester.recover().await.unwrap();
    assert_eq!((recovery.unanswered.len(), recovery.still_open), (0, 1));

    world.faults.plan("before recall", 0);
    // Another process takes over.
    let requester = world.requester_with(HASTY);
    let recovery = requester.recover().await.unwrap();
    assert_eq!(recovery.unanswered.iter().map(|it| it.row).collect::<Vec<_>>(), [0, 1, 2, 3]);
    assert_eq!(recovery.still_open, 0);
    assert_eq!(requester.unanswered("2026-117").await.unwrap(), recovery.unanswered);
    assert_eq!(requester.recover().await.unwrap(), Default::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_was_never_taken_up_leaves_nothing() {
    let world = World::new().await;
    let all = codes(4, 31);
    world.seal("court/defaulters", 1, &all);
    world.faults.plan("before authorize", u32::MAX);
    let requester = world.requester_with(HASTY);
    requester.check_batch(&question(&["court/defaulters"]), subjects(&all)).await;
    world.faults.plan("before authorize", 0);
    assert_eq!(requester.recover().await.unwrap(), Default::default());
    assert!(requester.unanswered("2026-117").await.unwrap().is_empty());
    let outcomes = requester.check_batch(&question(&["court/defaulters"]), subjects(&all)).await;
    assert_eq!(words(&outcomes[3]), ["listed"]);
    assert_eq!(world.hub.kinds("access"), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subject_blinded_before_a_stop_keeps_its_blinding() {
    let world = World::new().await;
    let all = codes(4, 32);
    world.seal("court/defaulters", 1, &all);
    world.faults.plan("after subjects", u32::MAX);
    let requester = world.requester_with(HASTY);
    let outcomes = requester.check_batch(&question(&["court/defaulters"]), subjects(&all)).await;
    assert_eq!(words(&outcomes[0]), ["row unavailable"]);
    assert_eq!(requester.counts().await.unwrap().pending, 4);

    world.faults.plan("after subjects", 0);
    world.keeper.with(|state| state.quota = 0);
    let requester = world.requester_with(HASTY);
    let outcomes = requester.check_batch(&question(&["court/defaulters"]), subjects(&all)).await;
    assert!(outcomes.iter().all(|outcome| words(outcome) == ["listed"]), "it costs no quota");
    assert_eq!(requester.counts().await.unwrap().pending, 0);
}
