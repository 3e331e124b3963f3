//! Questions that go well, and those that rules refuse.

use futures::StreamExt as _;
use tacit_client::{Answer, Outcome, Question};

use crate::support::table::label;
use crate::support::{World, codes, question, subjects, words};

#[tokio::test(flavor = "multi_thread")]
async fn exactly_the_listed_subjects_are_found() {
    let world = World::new().await;
    let all = codes(300, 1);
    world.seal("court/defaulters", 1, &all[..120]);
    let requester = world.requester();
    let outcomes = requester.check_batch(&question(&["court/defaulters"]), subjects(&all)).await;
    assert_eq!(outcomes.len(), 300);
    for (place, outcome) in outcomes.iter().enumerate() {
        assert_eq!(outcome.row, place as u64);
        assert_eq!(words(outcome), [if place < 120 { "listed" } else { "not listed" }], "{place}");
        let Outcome::Answers(answers) = &outcome.outcome else { panic!() };
        assert!(answers[0].record.is_some() && outcome.unanswered.is_empty());
        if let Answer::Listed(found) = &answers[0].answer {
            assert!(*found == label(place as u64 + 1));
        }
    }
    assert_eq!(world.hub.kinds("access"), 300);
    assert_eq!(requester.counts().await.unwrap().enrolled, 300);

    // Once enrolled, nobody is enrolled again, and every question is a record of its own.
    let calls = world.keeper.with(|state| state.calls);
    let again = requester.check_batch(&question(&["court/defaulters"]), subjects(&all)).await;
    assert_eq!(words(&again[0]), ["listed"]);
    assert_eq!(world.keeper.with(|state| state.calls), calls);
    assert_eq!(world.hub.kinds("access"), 600);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_row_can_ask_many_lists_of_many_holders() {
    let world = World::new().await;
    let all = codes(6, 2);
    world.seal("court/defaulters", 1, &all[..2]);
    world.seal("court/mediators", 4, &all[1..3]);
    world.seal("customs/importers", 2, &all);
    let lists = ["court/mediators", "customs/importers", "court/defaulters"];
    let outcomes = world.requester().check_batch(&question(&lists), subjects(&all)).await;
    let expected = [("not listed", "listed"), ("listed", "listed"), ("listed", "not listed")];
    for (outcome, (mediators, defaulters)) in outcomes.iter().zip(expected) {
        assert_eq!(words(outcome), [mediators, "consent_required", defaulters]);
    }
    // Two lists of one holder stand in one record; the refused holder has a record of its own.
    assert_eq!((world.hub.kinds("access"), world.hub.kinds("refused")), (6, 6));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_question_is_on_record() {
    let world = World::new().await;
    let all = codes(2, 3);
    world.seal("court/defaulters", 1, &all);
    let wrong = Question { purpose: "research".parse().unwrap(), ..question(&["court/defaulters"]) };
    let outcomes = world.requester().check_batch(&wrong, subjects(&all)).await;
    let Outcome::Answers(answers) = &outcomes[0].outcome else { panic!() };
    assert_eq!(words(&outcomes[0]), ["not_permitted"]);
    assert!(answers[0].record.is_some());
    assert_eq!(world.hub.kinds("refused"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_question_reaches_nobody() {
    let world = World::new().await;
    let all = codes(1, 4);
    let requester = world.requester();
    let good = question(&["court/defaulters"]);
    for (bad, word) in [
        (Question { case: String::new(), ..good.clone() }, "case_required"),
        (Question { officer: "x".repeat(201), ..good.clone() }, "too_large"),
        (Question { purpose: "hunting".parse().unwrap(), ..good.clone() }, "unknown_purpose"),
        (question(&["court/unknown"]), "unknown_list"),
        (question(&["court/defaulters", "court/defaulters"]), "malformed"),
        (question(&["court/people"]), "code_not_this_scheme"),
        (question(&[]), "unknown_list"),
    ] {
        let outcomes = requester.check_batch(&bad, subjects(&all)).await;
        assert_eq!(words(&outcomes[0]), [format!("row {word}")]);
    }
    // A list without a table is refused by itself.
    let never = requester.check_batch(&question(&["court/sealed-never"]), subjects(&all)).await;
    assert_eq!(words(&never[0]), ["list_not_ready"]);
    assert_eq!(world.hub.with(|state| state.records.len()), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_stops_exactly_at_the_quota() {
    let world = World::new().await;
    let all = codes(2_000, 5);
    world.seal("court/defaulters", 1, &all[..10]);
    world.keeper.with(|state| state.quota = 700);
    let requester = world.requester();
    let plan =
        requester.plan(&question(&["court/defaulters"]), futures::stream::iter(all.clone())).await.unwrap();
    assert_eq!((plan.checks, plan.new_subjects, plan.limits.len()), (2_000, 2_000, 1));
    let outcomes = requester.check_batch(&question(&["court/defaulters"]), subjects(&all)).await;
    let refused = |outcome: &&_| words(outcome) == ["row quota_new_subjects"];
    assert_eq!(outcomes.iter().filter(refused).count(), 1_300);
    assert!(outcomes[..700].iter().all(|outcome| !refused(&outcome)), "in the order of the rows");
    let counts = requester.counts().await.unwrap();
    assert_eq!((counts.enrolled, counts.pending), (700, 0));
    // The rest of the day nobody is asked in vain; old subjects go on.
    let calls = world.keeper.with(|state| state.calls);
    let again = requester.check_batch(&question(&["court/defaulters"]), subjects(&all[690..710])).await;
    assert_eq!(again.iter().filter(refused).count(), 10);
    assert_eq!(world.keeper.with(|state| state.calls), calls);
}

#[tokio::test(flavor = "multi_thread")]
async fn parallel_batches_share_one_quota_and_one_blinding() {
    let world = World::new().await;
    let all = codes(400, 6);
    world.seal("court/defaulters", 1, &all[..1]);
    world.keeper.with(|state| state.quota = 250);
    let requester = world.requester();
    let lists = question(&["court/defaulters"]);
    let parts = [&all[..200], &all[100..300], &all[200..]];
    let batches = parts.map(|part| requester.check_batch(&lists, subjects(part)));
    let outcomes: Vec<_> = futures::future::join_all(batches).await.into_iter().flatten().collect();
    let passed = outcomes.iter().filter(|outcome| words(outcome)[0].ends_with("listed")).count();
    assert!(passed >= 250, "{passed}");
    assert_eq!(world.keeper.with(|state| (state.known.len(), state.quota)), (250, 0));
    assert_eq!(requester.counts().await.unwrap().enrolled, 250);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_answered_in_order_and_a_repeated_row_too() {
    let world = World::new().await;
    let mut all = codes(2_500, 7);
    all[2_400] = all[3].clone();
    all[4] = all[3].clone();
    world.seal("court/defaulters", 1, &all[3..4]);
    let requester = world.requester();
    let rows = futures::stream::iter(subjects(&all));
    let outcomes: Vec<_> = requester.check_many(question(&["court/defaulters"]), rows, 3).collect().await;
    assert!(outcomes.iter().enumerate().all(|(place, outcome)| outcome.row == place as u64));
    let listed = outcomes.iter().enumerate().filter(|(_, it)| words(it) == ["listed"]);
    assert_eq!(listed.map(|(place, _)| place).collect::<Vec<_>>(), [3, 4, 2_400]);
    assert_eq!(requester.counts().await.unwrap().enrolled, 2_498);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_fetches_as_many_buckets_as_it_has_permits() {
    let world = World::new().await;
    let all = codes(20, 8);
    world.seal("court/defaulters", 1, &all);
    let requester = world.requester();
    requester.check_batch(&question(&["court/defaulters"]), subjects(&all)).await;
    let last = world.keeper.with(|state| state.last.clone());
    assert_eq!((last.len(), last[0].1.len(), last[0].2), (1, 20, 20));
    assert!(last[0].1.is_sorted());
    requester.check_batch(&question(&["court/defaulters"]), subjects(&all[..1])).await;
    assert_eq!(world.keeper.with(|state| state.last[0].1.len()), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_epoch_change_goes_unnoticed() {
    let world = World::new().await;
    let all = codes(40, 9);
    world.seal("court/defaulters", 1, &all[..10]);
    let requester = world.requester();
    let lists = question(&["court/defaulters"]);
    assert_eq!(words(&requester.check_batch(&lists, subjects(&all)).await[9]), ["listed"]);
    // The coordinator knows the new epoch first, then the holder ends the old one in the middle of a question.
    world.clock.advance_ms(1_000);
    world.seal("court/defaulters", 2, &all[5..15]);
    let outcomes = requester.check_batch(&lists, subjects(&all)).await;
    let listed = outcomes.iter().enumerate().filter(|(_, it)| words(it) == ["listed"]);
    assert_eq!(listed.map(|(place, _)| place).collect::<Vec<_>>(), (5..15).collect::<Vec<_>>());
    assert!(outcomes.iter().all(|outcome| outcome.unanswered.is_empty()), "refused ones wait for no answer");

    world.clock.advance_ms(1_000);
    world.faults.plan("epoch over", 1);
    let outcomes = requester.check_batch(&lists, subjects(&all)).await;
    assert!(outcomes.iter().all(|outcome| words(outcome)[0].ends_with("listed")));
    assert!(outcomes.iter().all(|outcome| outcome.unanswered.len() == 1), "the first record has no answer");
    let lost = requester.unanswered("2026-117").await.unwrap();
    let mut named: Vec<_> = outcomes.iter().flat_map(|outcome| outcome.unanswered.clone()).collect();
    named.sort_by_key(|record| record.index);
    assert_eq!(lost.iter().map(|it| it.record).collect::<Vec<_>>(), named);
    assert!(requester.unanswered("another case").await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_version_is_found_and_verified() {
    let world = World::new().await;
    let all = codes(10, 10);
    world.seal("court/defaulters", 1, &all[..5]);
    let requester = world.requester();
    let lists = question(&["court/defaulters"]);
    requester.check_batch(&lists, subjects(&all)).await;
    world.seal("court/defaulters", 1, &all[4..]);
    let outcomes = requester.check_batch(&lists, subjects(&all)).await;
    assert_eq!(words(&outcomes[0]), ["not listed"]);
    assert_eq!(words(&outcomes[9]), ["listed"]);
    let Outcome::Answers(answers) = &outcomes[9].outcome else { panic!() };
    assert_eq!(answers[0].version.unwrap().version, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_holds_no_code() {
    let world = World::new().await;
    let all = codes(5, 11);
    world.seal("court/defaulters", 1, &all);
    world.requester().check_batch(&question(&["court/defaulters"]), subjects(&all)).await;
    world.store.with(|state| {
        let mut kept: Vec<&[u8]> = Vec::new();
        kept.extend(state.subjects.iter().flat_map(|(key, row)| [key.as_slice(), &row.sealed]));
        kept.extend(state.requests.values().flat_map(|(row, _)| [row.sealed.as_slice(), &row.case]));
        kept.extend(state.answers.values().map(Vec::as_slice));
        kept.extend(state.buckets.iter().flat_map(|(key, sealed)| [key.as_slice(), sealed]));
        assert!(kept.len() > 10);
        let secrets = all.iter().map(|code| code.expose_code()).chain(["2026-117", "officer-3"]);
        for secret in secrets {
            let shows = |bytes: &&[u8]| bytes.windows(secret.len()).any(|part| part == secret.as_bytes());
            assert!(!kept.iter().any(shows));
        }
    });
    let shown = format!("{:?}", world.requester());
    assert!(!shown.contains("key"), "{shown}");
}
