//! What an answer rests on is durable before the answer is given.

use std::time::Duration;

use tacit_ledger::checkpoint::VerifiedCheckpoint;
use tacit_model::Reason;
use tacit_store::{Group, GroupTx, GroupWork, Reads, StoreError};
use tacit_wire::coordinator::StreamedCheckpoint;
use tacit_witness::{Ground, Witness};

use crate::support::*;

/// A writer that takes grounds along, as holders and the custodian do; and fails when told to.
struct Uses;

impl GroupWork for Uses {
    type Job = (Ground, bool);
    /// Whether it was taken along.
    type Done = bool;

    async fn apply(
        &mut self,
        tx: &mut GroupTx<'_>,
        jobs: Vec<(Ground, bool)>,
    ) -> Result<Vec<bool>, StoreError> {
        let (ground, fails) = &jobs[0];
        let mut reads = Reads::new(tx.dialect());
        let carried = ground.carry(&mut reads);
        reads.add("SELECT 1", |row| row);
        let mut rows = tx.fetch(reads).await?;
        let carried = carried.map_or(Ok(false), |carried| carried.write(&mut rows, tx))?;
        if *fails {
            return Err(StoreError::Stopped);
        }
        Ok(vec![carried])
    }
}

async fn saved(world: &World) -> u64 {
    let mut conn = world.db.read().await.unwrap();
    let saved = tacit_store::witness::load(&mut conn).await.unwrap().unwrap();
    VerifiedCheckpoint::open(&saved, &log_key()).unwrap().size()
}

/// Lets the stream bring a checkpoint that is not to be cosigned.
async fn quietly(world: &World, witness: &Witness, history: &History, from: u64, size: u64) {
    let quiet = StreamedCheckpoint { cosign: false, ..history.message(from, size) };
    world.script.send(quiet).await;
    for _ in 0..300 {
        if newest(witness) >= size {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("size {size} was not taken");
}

/// A permit of a checkpoint is accepted; what does it rest on?
async fn ground(world: &World, witness: &Witness, history: &History, size: u64) -> Ground {
    let permits = [history.logged(0, size)];
    let checked = witness.check_permits(history.checkpoint(size).note(), &permits, &world.peer).await;
    checked.unwrap().remove(0).unwrap().ground().clone()
}

/// A member that saved 10 and was quietly shown 20, with a permit under it.
async fn setting() -> (World, Witness, History, Ground) {
    let world = World::new().await;
    let witness = world.witness().await;
    let history = world.permits(40);
    world.script.answer(Answers::Proofs(history.clone()));
    world.bring(&witness, &history, 0, 10).await;
    world.script.wait_cosigned(10).await;
    quietly(&world, &witness, &history, 10, 20).await;
    let ground = ground(&world, &witness, &history, 20).await;
    assert_eq!((ground.size(), saved(&world).await), (20, 10));
    (world, witness, history, ground)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_answer_rests_on_is_durable_before_it_is_given() {
    let (world, witness, history, ground) = setting().await;
    ground.settled().await.unwrap();
    assert_eq!(saved(&world).await, 20);
    // Who asks for no permit but for the checkpoint itself has it saved too.
    quietly(&world, &witness, &history, 20, 30).await;
    witness.witness(history.checkpoint(30).note()).await.unwrap();
    assert_eq!(saved(&world).await, 30);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_checkpoint_is_saved_with_the_commit_that_uses_a_permit_under_it() {
    let (world, _witness, _, ground) = setting().await;
    let uses = Group::start(world.db.clone(), Uses, 4, 4);
    assert!(uses.submit((ground.clone(), false)).await.unwrap());
    assert_eq!(saved(&world).await, 20);
    // Nothing is left to write: nobody else could now.
    let writer = world.db.write().await.unwrap();
    let settled = tokio::time::timeout(Duration::from_millis(500), ground.settled()).await;
    assert_eq!(settled.unwrap(), Ok(()));
    drop(writer);
    assert!(!uses.submit((ground, false)).await.unwrap(), "it is durable");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_fails_saves_no_checkpoint_and_claims_none() {
    let (world, _witness, _, ground) = setting().await;
    let uses = Group::start(world.db.clone(), Uses, 4, 4);
    assert!(uses.submit((ground.clone(), true)).await.is_err());
    assert_eq!(saved(&world).await, 10);
    ground.settled().await.unwrap();
    assert_eq!(saved(&world).await, 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_another_replica_saved_is_compared_before_anything_rests_on_it() {
    let (world, witness, history, ground) = setting().await;
    let other = world.witness().await;
    world.script.wait_opened(2).await;
    other.witness(history.checkpoint(30).note()).await.unwrap();
    assert_eq!((newest(&witness), saved(&world).await), (20, 30));
    let uses = Group::start(world.db.clone(), Uses, 4, 4);
    assert!(!uses.submit((ground.clone(), false)).await.unwrap(), "it overwrites nothing");
    assert_eq!(saved(&world).await, 30);
    ground.settled().await.unwrap();
    assert_eq!((newest(&witness), saved(&world).await), (30, 30));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_replica_on_another_branch_answers_nothing() {
    let (world, witness, history, _) = setting().await;
    let other = world.witness().await;
    world.script.wait_opened(2).await;
    other.witness(history.checkpoint(30).note()).await.unwrap();
    // To the first one the coordinator proves another branch, rightly continuing the twenty.
    let fork = history.forked(25);
    world.script.answer(Answers::Proofs(fork.clone()));
    let ground = ground(&world, &witness, &fork, 30).await;
    let uses = Group::start(world.db.clone(), Uses, 4, 4);
    assert!(!uses.submit((ground.clone(), false)).await.unwrap());
    assert_eq!(ground.settled().await, Err(Reason::LogFrozen));
    assert!(witness.frozen().is_some());
    assert_eq!(saved(&world).await, 30);
}
