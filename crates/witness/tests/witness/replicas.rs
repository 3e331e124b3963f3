//! Two replicas of one member over one database.

use tacit_ledger::checkpoint::VerifiedCheckpoint;
use tacit_model::Reason;

use crate::support::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_replicas_of_one_holder_share_what_they_witnessed() {
    let world = World::new().await;
    let history = world.permits(200);
    world.script.answer(Answers::Proofs(history.clone()));
    let replicas = [world.witness().await, world.witness().await];
    world.script.wait_opened(2).await;
    // Both follow the same stream, and each finds the row where the other left it.
    world.bring(&replicas[0], &history, 0, 10).await;
    for size in 11..=150 {
        world.script.send(history.message(size - 1, size)).await;
    }
    for replica in &replicas {
        world.bring(replica, &history, 150, 150).await;
        assert_eq!((newest(replica), replica.standing().stopped), (150, None));
        replica.witness(history.checkpoint(77).note()).await.unwrap();
    }
    let mut conn = world.db.read().await.unwrap();
    let saved = tacit_store::witness::load(&mut conn).await.unwrap().unwrap();
    assert_eq!(VerifiedCheckpoint::open(&saved, &log_key()).unwrap(), history.checkpoint(150));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_replica_that_is_shown_another_branch_finds_what_the_other_stored() {
    let world = World::new().await;
    let history = world.permits(40);
    let fork = history.forked(15);
    let first = world.witness().await;
    world.bring(&first, &history, 0, 10).await;
    let second = world.witness().await;
    world.script.wait_opened(2).await;
    world.script.answer(Answers::Proofs(history.clone()));
    first.witness(history.checkpoint(30).note()).await.unwrap();
    // To the second one the coordinator proves the other branch, rightly continuing the ten.
    world.script.answer(Answers::Proofs(fork.clone()));
    assert_eq!(second.witness(fork.checkpoint(30).note()).await, Err(Reason::LogFrozen));
    let evidence = second.frozen().unwrap();
    let restated = evidence.fork().map(|fork| fork.verify(&log_key()).is_ok());
    assert_eq!(restated, Some(true));
    // The first one learns of it when it wants to store the next checkpoint.
    world.script.answer(Answers::Proofs(history.clone()));
    assert_eq!(first.witness(history.checkpoint(40).note()).await, Err(Reason::LogFrozen));
}
