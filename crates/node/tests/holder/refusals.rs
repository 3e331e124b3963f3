//! Every reason for which a question is not answered, by its name.

use tacit_identity::Role;
use tacit_ledger::record::Access;
use tacit_model::Reason;
use tacit_node::records::RemovalReason;
use tacit_wire::holder::EvaluateItem;
use tonic::Code;

use super::support::asker::{Asker, Blind, item};
use super::support::{LIST, TICK_MS, World, codes, list};

/// A sealed list, and somebody who may ask about it.
async fn scene() -> (World, Asker, Vec<String>) {
    let world = World::new().await;
    let codes = codes(30, 1);
    world.import_codes(&codes).await;
    world.tick().await;
    let asker = world.asker("procurement");
    (world, asker, codes)
}

/// The reason for which a permit with this change is refused; `None` when it is answered.
async fn refused(world: &World, asker: &mut Asker, change: impl FnOnce(&mut Access)) -> Option<Reason> {
    let blind = Blind::of(&codes(1, 9)[0]);
    let mut record = world.access(asker, blind.hash());
    change(&mut record);
    let (checkpoint, permits) = world.permits(vec![record]);
    let response = asker.present(checkpoint, permits, &[blind]).await.unwrap();
    assert_eq!(response.items[0].refusal.is_some(), response.lists.is_empty());
    response.items[0].refusal.as_ref().map(|refusal| refusal.reason.parse().unwrap())
}

#[tokio::test]
async fn a_permit_for_somebody_else_is_refused() {
    let (world, mut asker, _) = scene().await;
    assert_eq!(refused(&world, &mut asker, |_| ()).await, None);
    let other = |record: &mut Access| record.requester = "customs".to_owned();
    assert_eq!(refused(&world, &mut asker, other).await, Some(Reason::PermitForOther));
    let elsewhere = |record: &mut Access| {
        record.holder = "customs".to_owned();
        record.lists[0].list = "customs/importers".to_owned();
    };
    assert_eq!(refused(&world, &mut asker, elsewhere).await, Some(Reason::PermitForOther));
    let certificate = |record: &mut Access| record.cnf = [9; 32];
    assert_eq!(refused(&world, &mut asker, certificate).await, Some(Reason::CertificateMismatch));
    // A foreign certificate that presents a good permit of another.
    let mut thief = world.asker("customs");
    let as_owner = |record: &mut Access| record.requester = "procurement".to_owned();
    assert_eq!(refused(&world, &mut thief, as_owner).await, Some(Reason::PermitForOther));
}

#[tokio::test]
async fn a_permit_outside_its_time_is_refused() {
    let (world, mut asker, _) = scene().await;
    let earlier = |ms: u64| {
        move |record: &mut Access| {
            record.time_ms -= ms;
            record.expires_ms -= ms;
        }
    };
    assert_eq!(refused(&world, &mut asker, earlier(59_999)).await, None);
    assert_eq!(refused(&world, &mut asker, earlier(60_000)).await, Some(Reason::PermitExpired));
    let later = |ms: u64| {
        move |record: &mut Access| {
            record.time_ms += ms;
            record.expires_ms += ms;
        }
    };
    assert_eq!(refused(&world, &mut asker, later(5_001)).await, Some(Reason::PermitNotYetValid));
    assert_eq!(refused(&world, &mut asker, later(5_000)).await, None);
}

#[tokio::test]
async fn what_no_agreement_covers_is_refused_by_the_holder_itself() {
    let (world, mut asker, _) = scene().await;
    let purpose = |record: &mut Access| record.purpose = "research".to_owned();
    assert_eq!(refused(&world, &mut asker, purpose).await, Some(Reason::NotPermitted));
    let unknown = |record: &mut Access| record.purpose = "anything".to_owned();
    assert_eq!(refused(&world, &mut asker, unknown).await, Some(Reason::UnknownPurpose));
    let mut stranger = world.asker("customs");
    assert_eq!(refused(&world, &mut stranger, |_| ()).await, Some(Reason::NotPermitted));
    let list = |record: &mut Access| record.lists[0].list = "court/nothing".to_owned();
    assert_eq!(refused(&world, &mut asker, list).await, Some(Reason::UnknownList));
    // An agreement that ends is over here too, whatever the coordinator says.
    world.clock.advance_ms(5 * 86_400_000);
    world.tick().await;
    assert_eq!(refused(&world, &mut asker, |_| ()).await, Some(Reason::NotPermitted));
}

#[tokio::test]
async fn epochs_and_versions_that_are_not_current_are_refused() {
    let (world, mut asker, codes) = scene().await;
    let epoch = |by: i64| {
        move |record: &mut Access| {
            record.lists[0].epoch = record.lists[0].epoch.saturating_add_signed(by);
        }
    };
    assert_eq!(refused(&world, &mut asker, epoch(-1)).await, Some(Reason::EpochOver));
    assert_eq!(refused(&world, &mut asker, epoch(1)).await, Some(Reason::EpochNotCurrent));
    let version = |version| move |record: &mut Access| record.lists[0].version = version;
    assert_eq!(refused(&world, &mut asker, version(2)).await, Some(Reason::ListNotReady));
    let not_sealed = |record: &mut Access| record.lists[0].list = "court/mediators".to_owned();
    assert_eq!(refused(&world, &mut asker, not_sealed).await, Some(Reason::ListNotReady));
    for code in &codes[..3] {
        world.records().remove(&list(), code, RemovalReason::Fulfilled, "clerk-7").await.unwrap();
        world.tick().await;
    }
    assert_eq!(world.log.newest(LIST).unwrap().manifest().version, 4);
    assert_eq!(refused(&world, &mut asker, version(4)).await, None);
    assert_eq!(refused(&world, &mut asker, version(3)).await, None);
    assert_eq!(refused(&world, &mut asker, version(2)).await, None, "replaced one tick ago");
    world.clock.advance_ms(TICK_MS);
    assert_eq!(refused(&world, &mut asker, version(2)).await, Some(Reason::VersionOld));
    assert_eq!(refused(&world, &mut asker, version(1)).await, Some(Reason::VersionOld));
}

#[tokio::test]
async fn after_the_overlap_the_old_epoch_is_over() {
    let (world, mut asker, _) = scene().await;
    let old = world.log.newest(LIST).unwrap().manifest().clone();
    let of_old =
        |record: &mut Access| (record.lists[0].epoch, record.lists[0].version) = (old.epoch, old.version);
    world.clock.set(old.until);
    world.court().holder.tick().await.unwrap();
    assert_eq!(world.log.newest(LIST).unwrap().manifest().epoch, old.epoch + 1);
    world.clock.set(old.until.plus_ms(69_999));
    assert_eq!(refused(&world, &mut asker, of_old).await, None);
    // By the clock, not by the tick that erases the seed.
    world.clock.set(old.until.plus_ms(70_000));
    assert_eq!(refused(&world, &mut asker, of_old).await, Some(Reason::EpochOver));
    assert_eq!(refused(&world, &mut asker, |_| ()).await, None);
}

#[tokio::test]
async fn identity_and_non_canonical_points_are_refused_even_when_recorded() {
    let (world, mut asker, _) = scene().await;
    let mut negative = [0xff_u8; 32];
    negative[31] = 0x7f;
    for (bytes, reason) in
        [([0; 32], Reason::Malformed), (negative, Reason::Malformed), ([0xff; 32], Reason::Malformed)]
    {
        let record = world.access(&asker, tacit_blind::commit::blinded_query(&bytes));
        let (checkpoint, permits) = world.permits(vec![record]);
        let response = asker.evaluate(checkpoint, vec![item(permits[0].clone(), &bytes)]).await.unwrap();
        assert_eq!(response.items[0].refusal.as_ref().unwrap().reason, reason.as_str());
    }
    let blind = Blind::of(&codes(1, 3)[0]);
    let other = Blind::of(&codes(1, 4)[0]);
    let (checkpoint, permits) = world.permits(vec![world.access(&asker, blind.hash())]);
    let response =
        asker.evaluate(checkpoint, vec![item(permits[0].clone(), other.query.as_bytes())]).await.unwrap();
    assert_eq!(response.items[0].refusal.as_ref().unwrap().reason, Reason::QueryMismatch.as_str());
}

#[tokio::test]
async fn a_permit_that_is_not_in_the_log_is_refused() {
    let (world, mut asker, codes) = scene().await;
    let blind = Blind::of(&codes[0]);
    let (checkpoint, permits) = world.permits(vec![world.access(&asker, blind.hash())]);
    // Purpose, list, epoch or case changed after authorization.
    for (from, to) in [("screening", "screenins"), (LIST, "court/mediators"), ("matter AgIC", "matter AwIC")]
    {
        let mut forged = permits[0].clone();
        let text = String::from_utf8(forged.record.to_vec()).unwrap();
        assert!(text.contains(from));
        forged.record = text.replace(from, to).into();
        let response =
            asker.evaluate(checkpoint.clone(), vec![item(forged, blind.query.as_bytes())]).await.unwrap();
        assert_eq!(response.items[0].refusal.as_ref().unwrap().reason, Reason::PermitNotLogged.as_str());
    }
    // Under a checkpoint that the coordinator did not sign nothing is even looked at.
    let forged = String::from_utf8(checkpoint.to_vec()).unwrap().replace("hub/log\n", "hub/lox\n");
    let items = vec![item(permits[0].clone(), blind.query.as_bytes())];
    let status = asker.evaluate(forged.into(), items.clone()).await.unwrap_err();
    assert_eq!(tacit_wire::reason_of(&status), Some(Reason::PermitNotLogged));
    let response = asker.evaluate(checkpoint, items).await.unwrap();
    assert_eq!(response.items[0].refusal, None);
}

#[tokio::test]
async fn malformed_calls_and_wrong_roles_are_trouble_with_a_reason() {
    let (world, mut asker, codes) = scene().await;
    let blind = Blind::of(&codes[0]);
    let (checkpoint, permits) = world.permits(vec![world.access(&asker, blind.hash())]);
    let status = asker.evaluate(checkpoint.clone(), Vec::new()).await.unwrap_err();
    assert_eq!(
        (status.code(), tacit_wire::reason_of(&status)),
        (Code::InvalidArgument, Some(Reason::Malformed))
    );
    let many = vec![item(permits[0].clone(), blind.query.as_bytes()); 1025];
    let status = asker.evaluate(checkpoint.clone(), many).await.unwrap_err();
    assert_eq!(tacit_wire::reason_of(&status), Some(Reason::TooMany));
    let nothing = EvaluateItem { permit: None, blinded_query: bytes::Bytes::new() };
    let good = item(permits[0].clone(), blind.query.as_bytes());
    let response = asker.evaluate(checkpoint.clone(), vec![nothing, good.clone()]).await.unwrap();
    assert_eq!(response.items[0].refusal.as_ref().unwrap().reason, Reason::Malformed.as_str());
    assert_eq!(response.items[1].refusal, None);
    for role in [Role::Coordinator, Role::Custodian, Role::Auditor] {
        let mut peer = world.asker_as(role, "procurement");
        let status = peer.evaluate(checkpoint.clone(), vec![good.clone()]).await.unwrap_err();
        assert_eq!(
            (status.code(), tacit_wire::reason_of(&status)),
            (Code::PermissionDenied, Some(Reason::WrongRole))
        );
    }
}

#[tokio::test]
async fn a_message_beyond_its_limit_is_refused_by_the_transport() {
    let (world, mut asker, _) = scene().await;
    let blind = Blind::of(&codes(1, 9)[0]);
    let (_, permits) = world.permits(vec![world.access(&asker, blind.hash())]);
    let items = vec![item(permits[0].clone(), blind.query.as_bytes())];
    let within = asker.evaluate(vec![b'x'; (8 << 20) - 4096].into(), items.clone()).await.unwrap_err();
    assert_eq!(tacit_wire::reason_of(&within), Some(Reason::PermitNotLogged));
    let beyond = asker.evaluate(vec![b'x'; 8 << 20].into(), items).await.unwrap_err();
    assert_eq!(beyond.code(), Code::OutOfRange);
}
