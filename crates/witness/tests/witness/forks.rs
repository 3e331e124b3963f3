//! Two histories are never both accepted, whoever brings them and in whatever order.

use std::time::Duration;

use tacit_ledger::evidence::ForkEvidence;
use tacit_model::Reason;

use crate::support::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_equivocating_coordinator_freezes_every_holder_and_the_evidence_verifies_offline() {
    let world = World::new().await;
    let history = world.permits(20);
    let fork = history.forked(5);
    world.script.answer(Answers::Proofs(fork.clone()));
    let members = [world.witness().await, world.another("customs.db").await, world.another("tax.db").await];
    world.script.wait_opened(3).await;
    for member in &members {
        world.bring(member, &history, 0, 10).await;
    }
    for member in &members {
        assert_eq!(member.standing().stopped, None);
        // To this one the log also shows another history of the same length: by a permit.
        let (note, other) = (history.checkpoint(10), fork.checkpoint(10));
        assert_eq!(member.witness(other.note()).await, Err(Reason::LogFrozen));
        assert_eq!(member.standing().stopped, Some(Reason::LogFrozen));
        // What was good before is not answered any more either.
        assert_eq!(member.witness(note.note()).await, Err(Reason::LogFrozen));
        let permits = [history.logged(3, 10)];
        let refused = member.check_permits(note.note(), &permits, &world.peer).await;
        assert_eq!(refused.unwrap_err(), Reason::LogFrozen);
        // The file convinces anyone who has the public key of the log.
        let text = member.frozen().unwrap().fork().unwrap().to_text();
        let found = ForkEvidence::parse(&text).unwrap().verify(&log_key()).unwrap();
        assert_eq!((found.size, found.first, found.second), (10, *note.root(), *other.root()));
    }
    drop(members);
    // Nobody cosigns any more, also after a restart.
    let before = world.script.cosigned().len();
    let again = world.witness().await;
    assert_eq!(again.standing().stopped, Some(Reason::LogFrozen));
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(world.script.cosigned().len(), before);
    drop(again);
    // Only an operator has it go on.
    let kept = tacit_witness::evidence::load(&world.db).await.unwrap().unwrap();
    assert!(kept.fork().is_some());
    assert!(tacit_witness::evidence::clear(&world.db, &log_key()).await.unwrap());
    assert!(!tacit_witness::evidence::clear(&world.db, &log_key()).await.unwrap());
    let again = world.witness().await;
    world.bring(&again, &history, 10, 20).await;
    assert_eq!(again.standing().stopped, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_false_proof_of_the_coordinator_s_own_freezes() {
    let world = World::new().await;
    let witness = world.witness().await;
    let history = world.permits(30);
    world.bring(&witness, &history, 0, 10).await;
    world.script.send(history.forked(5).message(10, 20)).await;
    for _ in 0..300 {
        if witness.frozen().is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let evidence = witness.frozen().unwrap();
    assert_eq!(evidence.proof, Some(history.forked(5).consistency(10, 20)));
    assert!(evidence.fork().is_none(), "that the coordinator served it is known only here");
    assert_eq!((newest(&witness), witness.standing().stopped), (10, Some(Reason::LogFrozen)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lying_requester_freezes_nobody() {
    let world = World::new().await;
    let witness = world.witness().await;
    let history = world.permits(30);
    let fork = history.forked(5);
    world.bring(&witness, &history, 0, 20).await;
    // Of a size that was never seen here: what the coordinator proves is not about it.
    world.script.answer(Answers::Proofs(history.clone()));
    for size in [15, 25] {
        let refused = witness.witness(fork.checkpoint(size).note()).await;
        assert_eq!(refused, Err(Reason::LogInconsistent), "size {size}");
    }
    assert_eq!((witness.frozen(), witness.standing().stopped), (None, None));
    world.bring(&witness, &history, 20, 30).await;
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
    world.script.send(history.message(10, 12)).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(witness.newest().unwrap(), fork.checkpoint(15));
    // And permits of it, whatever the coordinator proves now.
    for answers in [Answers::Proofs(history.clone()), Answers::Proofs(fork.clone())] {
        world.script.answer(answers);
        for size in [12, 15, 20, 30] {
            let refused = witness.witness(history.checkpoint(size).note()).await;
            assert_eq!(refused, Err(Reason::LogFrozen), "size {size}");
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
        let newest = witness.newest().unwrap();
        let (brought, streamed) = (newest == fork.checkpoint(20), newest == history.checkpoint(15));
        assert_ne!(brought, streamed, "one of the branches is in the view");
        // The other one may have stopped the member before what was brought was saved.
        assert!(brought || !asked, "both branches were accepted");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_malformed_proof_of_the_coordinator_leaves_the_view_as_it_was() {
    let world = World::new().await;
    let witness = world.witness().await;
    let history = world.permits(30);
    world.bring(&witness, &history, 0, 10).await;
    for message in [
        tacit_wire::coordinator::StreamedCheckpoint {
            consistency: vec![0; 33].into(),
            ..history.message(10, 20)
        },
        tacit_wire::coordinator::StreamedCheckpoint {
            consistency: Default::default(),
            ..history.message(10, 20)
        },
        tacit_wire::coordinator::StreamedCheckpoint {
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
