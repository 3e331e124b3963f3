//! Registry versions that the operator hands to running coordinators.

use std::time::Duration;

use tacit_coordinator::offers::{Offers, Standing};
use tacit_identity::Role;
use tacit_ledger::record::Record;
use tacit_store::Dialect;
use tacit_wire::coordinator::{self as pb, registry_service_client::RegistryServiceClient};

use crate::support::*;

/// What became of an offered version, once that is settled.
pub(crate) async fn settled(offers: &Offers, hash: &[u8; 32]) -> Standing {
    for _ in 0..400 {
        let standing = offers.standing(hash).await.unwrap();
        if matches!(standing, Standing::Refused(_) | Standing::Counts { .. }) {
            return standing;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    offers.standing(hash).await.unwrap()
}

pub(crate) async fn number_at(world: &World, running: &Running) -> u64 {
    let channel = world.channel(running, Role::Node, "tax").await;
    let request = pb::GetRegistryRequest::default();
    RegistryServiceClient::new(channel).get_registry(request).await.unwrap().into_inner().in_force_number
}

/// The registry that the newest access record names.
async fn decided_by(world: &World, running: &Running) -> [u8; 32] {
    let records = entries(world, running).await;
    let access = records.iter().rev().find_map(|record| match record {
        Record::Access(access) => Some(access.registry),
        _ => None,
    });
    access.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_version_handed_over_once_is_in_force_at_every_replica_and_named_by_its_records() {
    let world = World::new();
    let (a, b) = (world.start_with_lists().await, world.start().await);
    world.witness(&a, &WITNESSES[..2]).await;
    let mut at_a = Requester::new(&world, &a, "procurement").await;
    let enrolled = at_a.enroll(0, 1).await;
    let mut at_b = Requester::new(&world, &b, "procurement").await;
    (at_b.credentials, at_b.channel) =
        (at_a.credentials.clone(), world.channel_with(&b, at_a.credentials.clone()).await);
    at_a.ask(LISTS[0], COURT, &enrolled[0]).await.unwrap();
    assert_eq!(decided_by(&world, &a).await, world.registry.hash());
    let mut draft = Draft { number: 2, ..Draft::default() };
    draft.agreements.remove(&CUSTOMS);
    let (bytes, second) = draft.sign();
    let offers = Offers::open(&world.url()).await.unwrap();
    let hash = offers.offer(&bytes, &world.clock).await.unwrap();
    let standing = settled(&offers, &hash).await;
    assert!(matches!(standing, Standing::Counts { .. }), "{standing:?}");
    // Over PostgreSQL no replica decides by an older version from then on; over SQLite there is one process.
    if world.db().await.dialect() == Dialect::Postgres {
        for requester in [&mut at_a, &mut at_b] {
            requester.ask(LISTS[0], COURT, &enrolled[0]).await.unwrap();
            assert_eq!(decided_by(&world, &a).await, second.hash());
        }
    }
    for running in [&a, &b] {
        for _ in 0..200 {
            if number_at(&world, running).await == 2 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(number_at(&world, running).await, 2);
    }
    for requester in [&mut at_a, &mut at_b] {
        requester.ask(LISTS[0], COURT, &enrolled[0]).await.unwrap();
        assert_eq!(decided_by(&world, &a).await, second.hash());
        assert!(requester.ask(LISTS[2], CUSTOMS, &enrolled[0]).await.is_err(), "its agreement is gone");
    }
    assert_eq!(count(&world, &a, "registry").await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_offer_that_may_not_follow_is_refused_with_its_reason_and_leaves_no_record() {
    let world = World::new();
    let running = world.start().await;
    world.witness(&running, &WITNESSES[..2]).await;
    let offers = Offers::open(&world.url()).await.unwrap();
    let mut other_log = Draft { number: 2, ..Draft::default() };
    other_log.members.get_mut("coordinator").unwrap().keys.log = Some(public("another log"));
    let mut no_terms = Draft { number: 2, ..Draft::default() };
    no_terms.agreements.get_mut(&COURT).unwrap().quotas.checks_per_day += 1;
    let mut changed = Draft { number: 2, ..Draft::default() };
    changed.agreements.remove(&TAX);
    let mut forged = changed.sign().0;
    let place = forged.len() - 20;
    forged[place] ^= 1;
    for (bytes, why) in [
        (other_log.sign().0, "another key of the log"),
        (no_terms.sign().0, "an agreement never changes"),
        (forged, "registry"),
    ] {
        let hash = offers.offer(&bytes, &world.clock).await.unwrap();
        let standing = settled(&offers, &hash).await;
        assert!(matches!(&standing, Standing::Refused(said) if said.contains(why)), "{why}: {standing:?}");
    }
    assert_eq!((number_at(&world, &running).await, count(&world, &running, "registry").await), (1, 1));
}
