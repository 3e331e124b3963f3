//! An agreement that allows so many checks a minute: a batch waits, a single question is told.

use std::time::Duration;

use futures::StreamExt as _;
use tacit_client::{Answer, Outcome, RowOutcome};
use tacit_model::Millis;

use crate::support::registry::{EPOCH, agreement_id, registry_with};
use crate::support::{World, codes, question, subjects, words};

const BURST: u64 = 20;
const MINUTE_MS: u64 = 60_000;
/// Longer than who waits takes to look again.
const LOOKS: Duration = Duration::from_millis(700);

async fn world() -> World {
    World::with(registry_with(EPOCH, Some(BURST))).await
}

fn is_answered(outcome: &RowOutcome) -> bool {
    words(outcome)[0].ends_with("listed") && outcome.unanswered.is_empty()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_asks_as_much_as_a_minute_allows_waits_and_goes_on() {
    let world = world().await;
    let all = codes(70, 21);
    world.seal("court/defaulters", 1, &all[..7]);
    let requester = world.requester();
    let plan =
        requester.plan(&question(&["court/defaulters"]), futures::stream::iter(all.clone())).await.unwrap();
    assert_eq!(plan.limits[0].checks_per_minute, Some(BURST));
    let rows = futures::stream::iter(subjects(&all));
    let mut outcomes = requester.check_many(question(&["court/defaulters"]), rows, 3).boxed();
    let mut row = 0;
    for (minute, due) in [20, 20, 20, 10].into_iter().enumerate() {
        for _ in 0..due {
            let outcome = outcomes.next().await.unwrap();
            assert_eq!(words(&outcome), [if row < 7 { "listed" } else { "not listed" }], "{row}");
            assert_eq!(outcome.row, row);
            row += 1;
        }
        let next = tokio::time::timeout(LOOKS, outcomes.next()).await;
        // The stream ends with its last row; before that it waits for the clock.
        assert_eq!(next.is_ok(), minute == 3, "minute {minute}");
        assert_eq!(world.hub.kinds("access") as u64, row);
        world.clock.advance_ms(MINUTE_MS);
    }
    assert_eq!(world.hub.kinds("refused"), 0, "nothing is asked in vain");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_used_is_waited_for_once_the_coordinator_says_so() {
    let world = world().await;
    let all = codes(BURST as usize, 22);
    world.seal("court/defaulters", 1, &all[..1]);
    world.hub.with(|state| state.use_minute(agreement_id(1), world.now(), 15));
    let requester = world.requester();
    let rows = futures::stream::iter(subjects(&all));
    let lists = question(&["court/defaulters"]);
    let batch = tokio::spawn(requester.check_many(lists, rows, 1).collect::<Vec<_>>());
    let until = tokio::time::Instant::now() + Duration::from_secs(20);
    while world.hub.kinds("refused") < 15 && tokio::time::Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tokio::time::sleep(LOOKS).await;
    assert_eq!((world.hub.kinds("access"), world.hub.kinds("refused")), (5, 15), "each was asked once");
    world.clock.advance_ms(MINUTE_MS);
    let outcomes = batch.await.unwrap();
    assert!(outcomes.len() == all.len() && outcomes.iter().all(is_answered), "{outcomes:?}");
    assert_eq!((world.hub.kinds("access"), world.hub.kinds("refused")), (20, 15));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_question_is_told_when_to_ask_again() {
    let world = world().await;
    let all = codes(1, 23);
    world.seal("court/defaulters", 1, &all);
    world.hub.with(|state| state.use_minute(agreement_id(1), world.now(), BURST));
    let requester = world.requester();
    let lists = question(&["court/defaulters"]);
    let outcome = requester.check_batch(&lists, subjects(&all)).await.remove(0);
    assert_eq!(words(&outcome), ["quota_rate"]);
    let Outcome::Answers(answers) = &outcome.outcome else { panic!() };
    let Answer::Refused(refusal) = &answers[0].answer else { panic!() };
    let next = Millis((world.now().0 / MINUTE_MS + 1) * MINUTE_MS);
    assert_eq!((refusal.resets_at, answers[0].record.is_some()), (Some(next), true));
    assert_eq!((world.hub.kinds("refused"), outcome.unanswered.len()), (1, 0), "asked once");
    world.clock.set(next);
    assert!(is_answered(&requester.check_batch(&lists, subjects(&all)).await[0]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_nobody_waits_for_asks_no_further_minute() {
    let world = world().await;
    let all = codes(60, 24);
    world.seal("court/defaulters", 1, &all[..1]);
    let requester = world.requester();
    let rows = futures::stream::iter(subjects(&all));
    let mut outcomes = requester.check_many(question(&["court/defaulters"]), rows, 3).boxed();
    for _ in 0..BURST {
        assert!(is_answered(&outcomes.next().await.unwrap()));
    }
    drop(outcomes);
    world.clock.advance_ms(MINUTE_MS);
    tokio::time::sleep(LOOKS).await;
    assert_eq!(world.hub.kinds("access") as u64, BURST);
    // Who asks anew has the whole minute.
    let rows = futures::stream::iter(subjects(&all[20..40]));
    let again: Vec<_> = requester.check_many(question(&["court/defaulters"]), rows, 3).collect().await;
    assert!(again.iter().all(is_answered));
    assert_eq!(world.hub.kinds("refused"), 0);
}
