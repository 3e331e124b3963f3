//! Nothing is decided without a fresh quorum, and only what is durable is cosigned.

use std::time::Duration;

use tacit_ledger::checkpoint::VerifiedCheckpoint;
use tacit_model::{Clock as _, Reason};
use tacit_witness::{Witness, WitnessConfig};

use crate::support::*;

async fn present(world: &World, witness: &Witness, history: &History, index: u64) -> Result<u64, Reason> {
    let size = history.size();
    let permits = [history.logged(index, size)];
    let checked = witness.check_permits(history.checkpoint(size).note(), &permits, &world.peer).await?;
    checked.into_iter().next().unwrap().map(|permit| permit.index())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_fresh_quorum_nobody_answers() {
    let world = World::new().await;
    let witness = world.witness().await;
    // Permit n was made n seconds after the start.
    let history = world.permits(700);
    world.script.send(history.message(0, 700)).await;
    world.script.wait_cosigned(700).await;
    assert_eq!(
        present(&world, &witness, &history, 0).await,
        Err(Reason::QuorumStale),
        "nobody stands behind it"
    );
    // One of two witnesses is no quorum.
    let alone = {
        let checkpoint = history.checkpoint(700);
        let line = cosigner("court/witness").cosign(&checkpoint, world.clock.now().0 / 1000).unwrap();
        let note = String::from_utf8(checkpoint.note().to_vec()).unwrap();
        tacit_ledger::note::attach_line(&note, &line).unwrap().into_bytes()
    };
    world.script.send_cosigned(alone.into()).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(present(&world, &witness, &history, 0).await, Err(Reason::QuorumStale));
    world.script.send_cosigned(history.cosigned(700, world.clock.now())).await;
    assert_eq!(present(&world, &witness, &history, 0).await, Ok(0));
    // Ten minutes are the limit.
    world.clock.advance_ms(600_000);
    assert_eq!(present(&world, &witness, &history, 599).await, Ok(599));
    world.clock.advance_ms(1_000);
    assert_eq!(present(&world, &witness, &history, 600).await, Err(Reason::QuorumStale));
    world.script.send_cosigned(history.cosigned(700, world.clock.now())).await;
    assert_eq!(present(&world, &witness, &history, 600).await, Ok(600));
    assert_eq!(world.script.asked(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_replica_of_the_coordinator_gets_the_cosignature() {
    let world = World::new().await;
    let replicas = vec![world.coordinator.clone()];
    let _witness = world.started(WitnessConfig { replicas, ..world.config() }).await;
    world.script.wait_opened(2).await;
    world.script.send(world.permits(10).message(0, 10)).await;
    for _ in 0..300 {
        if world.script.cosigned().len() == 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let sizes: Vec<u64> = world.script.cosigned().iter().map(|(size, _)| *size).collect();
    assert_eq!(sizes, [10, 10]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn shuffled_permits_with_64_in_flight_are_all_accepted() {
    const PERMITS: u64 = 276;
    let world = World::new().await;
    let witness = world.witness().await;
    let history = world.permits(20).grown(PERMITS);
    world.script.answer(Answers::Proofs(history.clone()));
    world.bring(&witness, &history, 0, 10).await;
    // The stream limps behind the permits, and leaves most checkpoints out.
    let (script, slow) = (world.script.clone(), history.clone());
    let stream = tokio::spawn(async move {
        let mut sent = 10;
        for size in (30..=PERMITS).step_by(64) {
            tokio::time::sleep(Duration::from_millis(200)).await;
            script.send(slow.message(sent, size)).await;
            sent = size;
        }
    });
    // Each permit under a checkpoint of its own, in an order without sense.
    let sizes: Vec<u64> = (0..PERMITS - 20).map(|n| 20 + (n * 181) % (PERMITS - 20)).collect();
    let mut refused = Vec::new();
    for flight in sizes.chunks(64) {
        let waiting: Vec<_> = flight
            .iter()
            .map(|size| {
                let (witness, peer, size) = (witness.clone(), world.peer.clone(), *size);
                let (note, permits) = (history.checkpoint(size), [history.logged(0, size)]);
                tokio::spawn(async move {
                    let checked = witness.check_permits(note.note(), &permits, &peer).await;
                    (size, checked.map(|permits| permits[0].is_ok()))
                })
            })
            .collect();
        for one in waiting {
            let (size, outcome) = one.await.unwrap();
            if outcome != Ok(true) {
                refused.push((size, outcome));
            }
        }
    }
    stream.await.unwrap();
    assert_eq!((refused, witness.standing().stopped), (Vec::new(), None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_cosigned_is_durable_and_the_largest() {
    let world = World::new().await;
    let witness = world.witness().await;
    let history = world.permits(60);
    world.script.answer(Answers::Proofs(history.clone()));
    for (from, size) in [(0, 10), (10, 20), (20, 21), (21, 40)] {
        world.script.send(history.message(from, size)).await;
    }
    world.script.wait_cosigned(40).await;
    // One that asks for nothing is not cosigned, and one that is not the largest neither; the same again is.
    let quiet = tacit_wire::coordinator::StreamedCheckpoint { cosign: false, ..history.message(40, 50) };
    world.script.send(quiet).await;
    world.script.send(history.message(10, 45)).await;
    world.script.send(history.message(50, 50)).await;
    world.script.wait_cosigned(50).await;
    let cosigned = world.script.cosigned();
    assert_eq!(cosigned.iter().map(|(size, _)| *size).collect::<Vec<_>>(), [10, 20, 21, 40, 50]);
    for (size, line) in cosigned {
        let verifier = cosigner("court/witness").verifier().clone();
        let time_s = verifier.verify_line(&history.checkpoint(size), &line).unwrap().time_s();
        assert_eq!(time_s, world.clock.now().0 / 1000);
    }
    let mut conn = world.db.read().await.unwrap();
    let saved = tacit_store::witness::load(&mut conn).await.unwrap().unwrap();
    assert_eq!(VerifiedCheckpoint::open(&saved, &log_key()).unwrap().size(), newest(&witness));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_restarts_never_cosigns_another_branch() {
    let world = World::new().await;
    let history = world.permits(40);
    let fork = history.forked(15);
    let witness = world.witness().await;
    world.script.send(history.message(0, 20)).await;
    world.script.wait_cosigned(20).await;
    drop(witness);
    let again = world.witness().await;
    world.script.wait_opened(2).await;
    assert_eq!(world.script.opened(), [0, 20]);
    world.script.answer(Answers::Proofs(fork.clone()));
    world.script.send(fork.message(0, 20)).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(again.standing().stopped, Some(Reason::LogFrozen));
    drop(again);
    let again = world.witness().await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!((world.script.opened().len(), again.standing().stopped), (2, Some(Reason::LogFrozen)));
    assert_eq!(world.script.cosigned().len(), 1, "the branch was not cosigned");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_member_waits_and_catches_up() {
    let world = World::new().await;
    let history = world.permits(200);
    let witness = world.witness().await;
    world.bring(&witness, &history, 0, 10).await;
    drop(witness);
    // The backup was taken at 10; 100 was cosigned since, of which the custodian knows.
    tacit_witness::evidence::mark_restored(&world.db, world.clock.now()).await.unwrap();
    *world.script.peer.lock().unwrap() = history.cosigned(100, world.clock.now());
    world.script.answer(Answers::Proofs(history.clone()));
    let before = world.script.cosigned().len();
    let witness = world.witness().await;
    for _ in 0..300 {
        if newest(&witness) == 100 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(newest(&witness), 100, "it learned from another member what it had seen");
    world.bring(&witness, &history, 100, 200).await;
    assert_eq!(present(&world, &witness, &history, 10).await, Err(Reason::LogBehind));
    assert_eq!(world.script.cosigned().len(), before, "nothing is cosigned before it has waited");
    world.clock.advance_ms(119_000);
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    assert_eq!(present(&world, &witness, &history, 119).await, Err(Reason::LogBehind));
    world.clock.advance_ms(1_000);
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    assert_eq!(present(&world, &witness, &history, 119).await, Ok(119));
    world.script.send(history.message(200, 200)).await;
    world.script.wait_cosigned(200).await;
    // Once: the next start is an ordinary one.
    drop(witness);
    assert_eq!(world.witness().await.standing().stopped, Some(Reason::QuorumStale));
}
