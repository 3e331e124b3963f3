//! A federation that lost most of its witnesses for good.

use std::time::Duration;

use tacit_coordinator::offers::{Offers, Standing};
use tacit_model::Reason;
use tacit_policy::{
    Registry,
    registry::{
        draft::Draft as NextDraft,
        entry::{Entry, Role as MemberRole},
        recovery::Underway,
        signed::Signer,
    },
};

use crate::{
    support::*,
    versions::{number_at, settled},
};

/// Four holders, and the custodian: three are a quorum.
fn five_witnesses() -> World {
    World::with(|draft| {
        for name in ["land", "mint"] {
            draft.members.insert(name, holder(name));
        }
    })
}

fn holder(name: &str) -> tacit_policy::registry::entry::Member {
    let mut holder = Draft::default().members["court"].clone();
    holder.id = id(name);
    holder.keys.signing = public(name);
    holder.keys.manifest = Some(public(&format!("{name}/manifest")));
    holder.keys.witness = Some(public(&format!("{name}/witness")));
    holder
}

/// The version of this number without these members, countersigned by all who must.
fn recovered(in_force: &[u8], number: u64, removed: &[&str]) -> (Vec<u8>, Registry) {
    let removed: Vec<_> = removed.iter().map(|name| id(name)).collect();
    let (draft, _) = NextDraft::recover(in_force, number, &removed).unwrap();
    let alone = draft.finish(now(), &key("coordinator")).unwrap();
    let pins = pins(str::to_owned);
    let signed = ["custodian", "audit-office"]
        .iter()
        .fold(Underway::read(&alone, &pins).unwrap().unwrap(), |underway, name| {
            underway.countersign(Signer { id: &id(name), key: &key(name) }).unwrap()
        });
    let bytes = signed.to_file().unwrap();
    let registry = Registry::parse(&bytes, &pins).unwrap();
    (bytes, registry)
}

/// What the next commit with a record is refused with, if it is.
async fn publishes(world: &World, running: &Running, version: u64) -> Option<Reason> {
    let note = sign_manifest(&manifest(LISTS[0], LIST_EPOCH, version));
    let channel = world.channel(running, tacit_identity::Role::Node, "court").await;
    let request = tacit_wire::coordinator::PublishManifestRequest { manifest: note.into_bytes().into() };
    let mut client = tacit_wire::coordinator::log_service_client::LogServiceClient::new(channel);
    client.publish_manifest(request).await.err().and_then(|status| tacit_wire::reason_of(&status))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn after_a_restart_without_a_quorum_those_who_remain_carry_a_recovery_version_and_then_all_goes_on() {
    let world = five_witnesses();
    let running = world.start_with_lists().await;
    running.stop().await;
    let running = world.try_start().await.unwrap();
    // Of five, the custodian and one holder: nothing is appended any more.
    world.witness(&running, &["custodian"]).await;
    assert_eq!(publishes(&world, &running, 2).await, Some(Reason::QuorumStale));
    let offers = Offers::open(&world.url()).await.unwrap();
    // What needs the quorum stands before it, and does not stand in its way.
    let ordinary =
        NextDraft::after(&world.registry_bytes).unwrap().finish(now(), &key("coordinator")).unwrap();
    let before = offers.offer(&ordinary, &world.clock).await.unwrap();
    let (bytes, next) = recovered(&world.registry_bytes, 2, &["customs", "land", "mint"]);
    let hash = offers.offer(&bytes, &world.clock).await.unwrap();
    // The custodian alone confirms nothing, and the version is not even logged.
    tokio::time::sleep(Duration::from_millis(2_000)).await;
    assert_eq!(offers.standing(&hash).await.unwrap(), Standing::Waiting);
    assert_eq!(count(&world, &running, "registry").await, 1);
    world.witness(&running, &["court"]).await;
    let standing = settled(&offers, &hash).await;
    assert!(matches!(standing, Standing::Counts { .. }), "{standing:?}");
    assert_eq!(number_at(&world, &running).await, 2);
    assert_eq!(count(&world, &running, "registry").await, 2);
    let standing = settled(&offers, &before).await;
    assert!(matches!(&standing, Standing::Refused(why) if why.contains("numbers only rise")), "{standing:?}");
    assert_eq!(next.witnesses().unwrap().quorum(), 2);
    // Without a restart, and by the witnesses of the new version.
    assert_eq!(publishes(&world, &running, 2).await, None);
    // An ordinary version counts with the quorum that it names.
    let ordinary = NextDraft::after(&bytes).unwrap().finish(now(), &key("coordinator")).unwrap();
    let hash = offers.offer(&ordinary, &world.clock).await.unwrap();
    assert!(matches!(settled(&offers, &hash).await, Standing::Counts { .. }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_version_that_waits_for_the_lost_quorum_is_overtaken_by_a_recovery_version() {
    let world = five_witnesses();
    let running = world.start_with_lists().await;
    world.witness(&running, &["custodian", "court"]).await;
    let offers = Offers::open(&world.url()).await.unwrap();
    let mut ordinary = NextDraft::after(&world.registry_bytes).unwrap();
    let taken_out = ordinary.remove_agreement(ulid(TAX)).unwrap();
    assert_eq!(taken_out.len(), 1);
    let ordinary = ordinary.finish(now(), &key("coordinator")).unwrap();
    let waits = offers.offer(&ordinary, &world.clock).await.unwrap();
    for _ in 0..100 {
        if matches!(offers.standing(&waits).await.unwrap(), Standing::Logged { .. }) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // Another ordinary version has to wait behind it for ever; a recovery version of its number is refused.
    let third = NextDraft::after(&ordinary).unwrap().finish(now(), &key("coordinator")).unwrap();
    let behind = offers.offer(&third, &world.clock).await.unwrap();
    let (same, _) = recovered(&world.registry_bytes, 2, &["customs", "land", "mint"]);
    let same = offers.offer(&same, &world.clock).await.unwrap();
    let standing = settled(&offers, &same).await;
    assert!(matches!(&standing, Standing::Refused(why) if why.contains("not above 2")), "{standing:?}");
    assert!(matches!(offers.standing(&waits).await.unwrap(), Standing::Logged { .. }));
    let (bytes, _) = recovered(&world.registry_bytes, 4, &["customs", "land", "mint"]);
    let hash = offers.offer(&bytes, &world.clock).await.unwrap();
    let standing = settled(&offers, &hash).await;
    assert!(matches!(standing, Standing::Counts { .. }), "{standing:?}");
    assert!(matches!(offers.standing(&waits).await.unwrap(), Standing::Overtaken { .. }));
    // What waited behind is looked at again, and comes too late.
    let standing = settled(&offers, &behind).await;
    assert!(matches!(&standing, Standing::Refused(why) if why.contains("numbers only rise")), "{standing:?}");
    assert_eq!(number_at(&world, &running).await, 4);
    // What only waited has never been in force: its agreement stands.
    let mut requester = Requester::new(&world, &running, "tax").await;
    let enrolled = requester.enroll(0, 1).await;
    assert_eq!(requester.ask(LISTS[0], TAX, &enrolled[0]).await, Ok(()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recovery_version_that_is_not_one_is_refused_with_its_reason_and_leaves_no_record() {
    let world = five_witnesses();
    let running = world.start().await;
    world.witness(&running, &["custodian", "court"]).await;
    let offers = Offers::open(&world.url()).await.unwrap();
    let removed = [id("customs"), id("land"), id("mint")];
    let draft = || NextDraft::recover(&world.registry_bytes, 2, &removed).unwrap().0;
    let alone = draft().finish(now(), &key("coordinator")).unwrap();
    let (elsewhere, _) = {
        // Drafted from a version that nobody had.
        let other =
            NextDraft::after(&world.registry_bytes).unwrap().finish(now(), &key("coordinator")).unwrap();
        recovered(&other, 3, &["customs", "land", "mint"])
    };
    let changed = {
        let mut draft = draft();
        let entries: Vec<_> = draft.entries().unwrap().into_iter().map(|(entry, _)| entry).collect();
        let court = entries.into_iter().find_map(|entry| match entry {
            Entry::Member(it) if it.has(MemberRole::Holder) && it.id == "court" => Some(it),
            _ => None,
        });
        let mut court = court.unwrap();
        court.title.push('.');
        let signer = Signer { id: &id("court"), key: &key("court") };
        draft
            .put(tacit_policy::registry::signed::sign_entry(&Entry::Member(court), &[signer]).unwrap())
            .unwrap();
        let alone = draft.finish(now(), &key("coordinator")).unwrap();
        let underway = Underway::read(&alone, &pins(str::to_owned)).unwrap().unwrap();
        let hands = ["custodian", "audit-office"];
        let signed = hands.iter().fold(underway, |underway, name| {
            underway.countersign(Signer { id: &id(name), key: &key(name) }).unwrap()
        });
        signed.to_file().unwrap()
    };
    for (bytes, why) in [
        (alone, "lacks the countersignature of [custodian, audit-office]"),
        (elsewhere, "from another version than number 1"),
        (changed, "adds or changes: member court"),
    ] {
        let hash = offers.offer(&bytes, &world.clock).await.unwrap();
        let standing = settled(&offers, &hash).await;
        assert!(matches!(&standing, Standing::Refused(said) if said.contains(why)), "{why}: {standing:?}");
    }
    assert_eq!((number_at(&world, &running).await, count(&world, &running, "registry").await), (1, 1));
}
