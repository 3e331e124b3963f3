//! Following the stream, and proofs for what it did not bring.

use std::time::{Duration, Instant};

use tacit_model::Reason;
use tacit_store::StoreError;
use tacit_witness::Witness;

use crate::support::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_checkpoint_of_the_stream_is_known_and_nothing_is_asked() {
    let world = World::new().await;
    let witness = world.witness().await;
    let history = world.permits(40);
    world.bring(&witness, &history, 0, 5).await;
    for size in 6..=40 {
        world.script.send(history.message(size - 1, size)).await;
    }
    world.bring(&witness, &history, 40, 40).await;
    for size in 5..=40 {
        let note = history.checkpoint(size);
        let records = [history.logged(0, size), history.logged(size - 1, size)];
        let verified = witness.verify(note.note(), &records).await.unwrap();
        assert!(verified.iter().all(Result::is_ok), "size {size}");
    }
    assert_eq!(world.script.asked(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_permit_that_is_ahead_of_the_stream_waits_for_it_a_moment() {
    let world = World::new().await;
    let witness = world.witness().await;
    let history = world.permits(20);
    world.bring(&witness, &history, 0, 10).await;
    let note = history.checkpoint(12);
    let (waiting, ahead) = (witness.clone(), note.clone());
    let verified = tokio::spawn(async move { waiting.witness(ahead.note()).await });
    tokio::time::sleep(Duration::from_millis(30)).await;
    world.bring(&witness, &history, 10, 12).await;
    assert_eq!(verified.await.unwrap().unwrap(), note);
    assert_eq!(world.script.asked(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_the_stream_left_out_is_proven_by_one_request_for_all_who_wait() {
    let world = World::new().await;
    let witness = world.witness().await;
    let history = world.permits(60);
    world.script.answer(Answers::Proofs(history.clone()));
    world.bring(&witness, &history, 0, 10).await;
    world.bring(&witness, &history, 10, 50).await;
    // Between, and before everything that was seen, and ahead; each by many at once.
    for (asked, size) in (1..).zip([30, 3, 55]) {
        let waiting: Vec<_> = (0..40)
            .map(|_| {
                let (witness, note) = (witness.clone(), history.checkpoint(size));
                tokio::spawn(async move { witness.witness(note.note()).await.map(|_| ()) })
            })
            .collect();
        for one in waiting {
            assert_eq!(one.await.unwrap(), Ok(()), "size {size}");
        }
        assert_eq!(world.script.asked(), asked);
    }
    assert_eq!(newest(&witness), 55);
    // The stream, which is behind now, goes on with its own proof and is followed.
    world.bring(&witness, &history, 50, 60).await;
    assert!(world.script.is_followed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_waits_for_an_unreachable_coordinator_does_not_wait_in_turn() {
    let world = World::new().await;
    let witness = world.witness().await;
    let history = world.permits(60);
    world.bring(&witness, &history, 0, 50).await;
    world.script.answer(Answers::Unreachable(Duration::from_millis(400)));
    let start = Instant::now();
    let waiting: Vec<_> = (0..20)
        .map(|n| {
            let (witness, note) = (witness.clone(), history.checkpoint(1 + n));
            tokio::spawn(async move { witness.witness(note.note()).await.map(|_| ()) })
        })
        .collect();
    for one in waiting {
        assert_eq!(one.await.unwrap(), Err(Reason::LogBehind));
    }
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    // What is known is still good, and when the coordinator is back so is the rest.
    witness.witness(history.checkpoint(50).note()).await.unwrap();
    world.script.answer(Answers::Proofs(history.clone()));
    witness.witness(history.checkpoint(7).note()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_restart_it_goes_on_from_what_was_saved() {
    let world = World::new().await;
    let history = world.permits(30);
    let witness = world.witness().await;
    world.bring(&witness, &history, 0, 10).await;
    world.bring(&witness, &history, 10, 20).await;
    world.script.wait_cosigned(20).await;
    drop(witness);
    let witness = world.witness().await;
    world.script.wait_opened(2).await;
    assert_eq!(newest(&witness), 20);
    world.bring(&witness, &history, 20, 30).await;
    assert_eq!(world.script.opened(), [0, 20]);
    // What contradicts what was saved is refused, and is evidence.
    let fork = history.forked(5).checkpoint(20);
    assert_eq!(witness.witness(fork.note()).await, Err(Reason::LogFrozen));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_saved_is_believed_only_with_the_signature_of_the_log() {
    let world = World::new().await;
    let history = world.permits(30);
    let witness = world.witness().await;
    world.bring(&witness, &history, 0, 10).await;
    drop(witness);
    for change in [
        "UPDATE witness_state SET note = CAST(replace(CAST(note AS TEXT), '\n10\n', '\n11\n') AS BLOB)",
        "UPDATE witness_state SET note = x'00'",
    ] {
        let mut conn = world.db.write().await.unwrap();
        sqlx::query(change).execute(&mut *conn).await.unwrap();
        drop(conn);
        let started = Witness::start(world.config()).await;
        assert!(matches!(started, Err(StoreError::Corrupt { table: "witness_state", .. })));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn following_ends_with_the_last_clone() {
    let world = World::new().await;
    let history = world.permits(30);
    let witness = world.witness().await;
    let clone = witness.clone();
    world.bring(&witness, &history, 0, 10).await;
    drop(witness);
    world.bring(&clone, &history, 10, 11).await;
    drop(clone);
    for _ in 0..100 {
        if !world.script.is_followed() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the stream is still read");
}
