//! Two histories are never both accepted, whoever brings them and in whatever order.

use std::time::Duration;

use tacit_model::Reason;

use crate::support::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_roots_of_one_size_are_never_both_accepted() {
    let world = World::new().await;
    let witness = world.witness().await;
    let history = world.permits(20);
    let fork = history.forked(5);
    world.script.answer(Answers::Proofs(fork.clone()));
    world.bring(&witness, &history, 0, 10).await;
    for _ in 0..3 {
        let other = fork.checkpoint(10);
        assert_eq!(witness.witness(other.note()).await, Err(Reason::LogInconsistent));
    }
    // Nor from the coordinator itself.
    world.script.send(fork.message(0, 10)).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(witness.newest().unwrap(), history.checkpoint(10));
    // The true history goes on.
    world.bring(&witness, &history, 10, 20).await;
    witness.witness(history.checkpoint(10).note()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fork_is_found_whichever_branch_came_first() {
    // Both branches begin with the same ten records, which were seen.
    let world = World::new().await;
    let witness = world.witness().await;
    let history = world.permits(30);
    let fork = history.forked(10);
    world.bring(&witness, &history, 0, 10).await;
    // A permit brings the first branch, of which the coordinator shows a proof.
    world.script.answer(Answers::Proofs(fork.clone()));
    witness.witness(fork.checkpoint(15).note()).await.unwrap();
    // The stream brings the second one, each message rightly continuing the ten.
    for size in [12, 20] {
        world.script.send(history.message(10, size)).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(witness.newest().unwrap(), fork.checkpoint(15));
    }
    // And permits of it, whatever the coordinator proves now.
    for answers in [Answers::Proofs(history.clone()), Answers::Proofs(fork.clone())] {
        world.script.answer(answers);
        for size in [12, 15, 20, 30] {
            let refused = witness.witness(history.checkpoint(size).note()).await;
            assert_eq!(refused, Err(Reason::LogInconsistent), "size {size}");
        }
    }
    assert_eq!(witness.newest().unwrap(), fork.checkpoint(15));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_branches_brought_at_once_only_one_is_accepted() {
    for _ in 0..8 {
        let world = World::new().await;
        let witness = world.witness().await;
        let history = world.permits(30);
        let fork = history.forked(10);
        world.bring(&witness, &history, 0, 10).await;
        world.script.answer(Answers::Proofs(fork.clone()));
        // The permit's proof is under way while the stream brings the other branch.
        let (asking, note) = (witness.clone(), fork.checkpoint(20));
        let asked = tokio::spawn(async move { asking.witness(note.note()).await.is_ok() });
        tokio::time::sleep(Duration::from_millis(160)).await;
        world.script.send(history.message(10, 15)).await;
        let asked = asked.await.unwrap();
        for _ in 0..500 {
            if newest(&witness) > 10 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let streamed = witness.newest().unwrap() == history.checkpoint(15);
        assert_ne!(asked, streamed, "both branches were accepted, or none");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_false_proof_of_the_coordinator_leaves_the_view_as_it_was() {
    let world = World::new().await;
    let witness = world.witness().await;
    let history = world.permits(30);
    world.bring(&witness, &history, 0, 10).await;
    let fork = history.forked(5);
    for message in [
        fork.message(10, 20),
        tacit_wire::coordinator::WatchCheckpointsResponse {
            consistency: vec![0; 33].into(),
            ..history.message(10, 20)
        },
        tacit_wire::coordinator::WatchCheckpointsResponse {
            consistency: Default::default(),
            ..history.message(10, 20)
        },
        tacit_wire::coordinator::WatchCheckpointsResponse {
            checkpoint: b"not a note".to_vec().into(),
            ..history.message(10, 20)
        },
    ] {
        world.script.send(message).await;
        tokio::time::sleep(Duration::from_millis(150)).await;
        assert_eq!(newest(&witness), 10);
    }
    // It opens the stream again from what it knows, and goes on.
    world.bring(&witness, &history, 10, 20).await;
    assert!(world.script.opened().iter().skip(1).all(|from| *from == 10), "{:?}", world.script.opened());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lying_peer_is_only_refused() {
    let world = World::new().await;
    let witness = world.witness().await;
    let history = world.permits(20);
    world.bring(&witness, &history, 0, 20).await;
    let note = history.checkpoint(20);
    // Notes that the log did not sign.
    let text = String::from_utf8(note.note().to_vec()).unwrap();
    let other_key = {
        let signer = tacit_ledger::note::NoteSigner::new(
            "coordinator/log",
            tacit_ledger::ed25519::SigningKey::from_seed(&[9; 32]),
        );
        let fork = history.forked(3).checkpoint(20);
        fork.checkpoint().sign(&signer.unwrap()).unwrap().note().to_vec()
    };
    for lie in [text.replace("\n20\n", "\n21\n").into_bytes(), other_key, Vec::new(), vec![0xff; 100]] {
        assert_eq!(witness.witness(&lie).await, Err(Reason::PermitNotLogged));
    }
    // Records that are not where they are said to be.
    let good = history.logged(3, 20);
    let with = |change: fn(&mut tacit_wire::common::LoggedRecord)| {
        let mut record = good.clone();
        change(&mut record);
        record
    };
    let lies = [
        with(|record| record.index = 4),
        with(|record| record.index = 20),
        with(|record| record.index = u64::MAX),
        with(|record| record.path = Default::default()),
        with(|record| record.path = vec![7; record.path.len()].into()),
        with(|record| record.record = [&record.record[..], b"\n"].concat().into()),
        with(|record| record.record = Default::default()),
        history.forked(2).logged(3, 20),
        history.logged(3, 19),
    ];
    let outcomes = witness.verify(note.note(), &lies).await.unwrap();
    assert!(outcomes.iter().all(|outcome| *outcome == Err(Reason::PermitNotLogged)), "{outcomes:?}");
    let odd = with(|record| record.path = vec![0; 31].into());
    let long = with(|record| record.path = vec![0; 65 * 32].into());
    let outcomes = witness.verify(note.note(), &[odd, long, good]).await.unwrap();
    assert_eq!(outcomes[..2], [Err(Reason::Malformed), Err(Reason::Malformed)]);
    assert!(outcomes[2].is_ok(), "an honest one beside them is served");
    assert_eq!((world.script.asked(), newest(&witness)), (0, 20));
    assert!(world.script.is_followed());
}
