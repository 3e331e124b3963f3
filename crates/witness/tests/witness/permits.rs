//! The rules for permits that every member shares.

use tacit_identity::PeerIdentity;
use tacit_ledger::record::Enrollment;
use tacit_model::{Millis, Reason};
use tacit_witness::Witness;

use crate::support::*;

/// Presents the permit at `index` under the newest checkpoint.
async fn present(
    witness: &Witness,
    history: &History,
    index: u64,
    peer: &PeerIdentity,
) -> Result<u64, Reason> {
    let size = history.size();
    let permits = [history.logged(index, size)];
    let checked = witness.check_permits(history.checkpoint(size).note(), &permits, peer).await.unwrap();
    checked.into_iter().next().unwrap().map(|permit| permit.index())
}

async fn setting(count: usize) -> (World, Witness, History) {
    let world = World::new().await;
    let witness = world.witness().await;
    let history = world.permits(count);
    world.bring(&witness, &history, 0, history.size()).await;
    (world, witness, history)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_permit_is_good_for_the_requester_and_certificate_it_names_alone() {
    let (world, witness, history) = setting(3).await;
    assert_eq!(present(&witness, &history, 1, &world.peer).await, Ok(1));
    let mut other = world.peer.clone();
    other.spki_sha256[0] ^= 1;
    assert_eq!(present(&witness, &history, 1, &other).await, Err(Reason::CertificateMismatch));
    let mut other = world.peer.clone();
    other.spiffe.member = "tax".parse().unwrap();
    assert_eq!(present(&witness, &history, 1, &other).await, Err(Reason::PermitForOther));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_permit_is_good_from_its_time_until_it_expires() {
    let (world, witness, history) = setting(1).await;
    let time = start_time().0;
    for (now, due) in [
        (time - 5_001, Err(Reason::PermitNotYetValid)),
        (time - 5_000, Ok(0)),
        (time, Ok(0)),
        (time + 59_999, Ok(0)),
        (time + 60_000, Err(Reason::PermitExpired)),
        (time + 500_000, Err(Reason::PermitExpired)),
    ] {
        // Set back and right again first; then time passes.
        if now <= time {
            world.clock.jump_to(Millis(now))
        } else {
            world.clock.set(Millis(now))
        }
        assert_eq!(present(&witness, &history, 0, &world.peer).await, due, "at {now}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_set_back_does_not_bring_expired_permits_back() {
    // Permit n was made n seconds after the start and lives for sixty.
    let (world, witness, history) = setting(100).await;
    world.clock.advance_ms(80_000);
    assert_eq!(present(&witness, &history, 10, &world.peer).await, Err(Reason::PermitExpired));
    assert_eq!(present(&witness, &history, 80, &world.peer).await, Ok(80));
    world.clock.set(Millis(start_time().0 + 21_000));
    assert_eq!(present(&witness, &history, 10, &world.peer).await, Err(Reason::PermitExpired));
    assert_eq!(present(&witness, &history, 19, &world.peer).await, Err(Reason::PermitExpired));
    assert_eq!(present(&witness, &history, 20, &world.peer).await, Err(Reason::PermitExpired));
    // What ends after the time that others have reached is served.
    assert_eq!(present(&witness, &history, 21, &world.peer).await, Ok(21));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_of_another_kind_is_no_permit() {
    let world = World::new().await;
    let witness = world.witness().await;
    let history = world.permits(1).with(Enrollment {
        id: "01KAQ8A1B2C3D4E5F6G7H8J9K3".to_owned(),
        time_ms: start_time().0,
        custodian: "custodian".to_owned(),
        requester: "procurement".to_owned(),
        epoch: 3,
        count: 5,
    });
    world.bring(&witness, &history, 0, 2).await;
    assert_eq!(present(&witness, &history, 1, &world.peer).await, Err(Reason::PermitNotLogged));
    assert_eq!(present(&witness, &history, 0, &world.peer).await, Ok(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_permit_of_a_batch_has_its_own_outcome() {
    let (world, witness, history) = setting(100).await;
    world.clock.advance_ms(70_500);
    let note = history.checkpoint(100);
    let mut permits: Vec<_> = (0..100).map(|index| history.logged(index, 100)).collect();
    permits[60].index = 61;
    let checked = witness.check_permits(note.note(), &permits, &world.peer).await.unwrap();
    for (place, outcome) in (0..).zip(checked) {
        let outcome = outcome.map(|permit| (permit.index(), permit.access().query));
        match place {
            0..=10 => assert_eq!(outcome, Err(Reason::PermitExpired), "{place}"),
            60 => assert_eq!(outcome, Err(Reason::PermitNotLogged)),
            11..=75 => assert_eq!(outcome, Ok((place, [2; 32]))),
            _ => assert_eq!(outcome, Err(Reason::PermitNotYetValid), "{place}"),
        }
    }
}
