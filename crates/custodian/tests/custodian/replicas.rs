//! Two replicas of the custodian over one database.

use tacit_model::Reason;

use crate::evaluate::{evaluate, points, request};
use crate::fetch::fetch;
use crate::support::table::Table;
use crate::support::{QUOTA, World};

const LIST: &str = "court/defaulters";

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_permit_takes_one_bucket_whichever_replica_is_asked() {
    const PERMITS: usize = 16;
    let mut world = World::new().await;
    Table::new(LIST, 100, 3, 128).publish(&world, &world.node("court")).await;
    let first = world.node("procurement");
    let _first = world.start_replica().await;
    let second = world.node("procurement");
    let permits: Vec<_> = (0..PERMITS).map(|_| [world.permit(&first, &[(LIST, 100, 1)])]).collect();
    // Eight presenters of each permit, each wants another bucket.
    let numbers: Vec<[u32; 1]> = (0..8).map(|number| [number]).collect();
    let wanted: Vec<[(&str, u64, &[u32]); 1]> =
        numbers.iter().map(|number| [(LIST, 100, &number[..])]).collect();
    let (world, first, second) = (&world, &first, &second);
    let requests = permits.iter().flat_map(|permit| {
        wanted.iter().enumerate().map(move |(n, wanted)| {
            let party = if n % 2 == 0 { first } else { second };
            fetch(world, party, permit, wanted)
        })
    });
    let outcomes = futures::future::join_all(requests).await;
    for (permit, outcomes) in permits.iter().zip(outcomes.chunks(8)) {
        let good: Vec<usize> = (0..8).filter(|n| outcomes[*n].is_ok()).collect();
        assert_eq!(good.len(), 1, "one bucket for one permit");
        let refused = outcomes.iter().flat_map(|outcome| outcome.as_ref().err());
        assert!(refused.into_iter().all(|reason| *reason == Reason::PermitUsed));
        // The same request again is no second use, at the other replica either.
        for party in [first, second] {
            assert_eq!(fetch(world, party, permit, &wanted[good[0]]).await, outcomes[good[0]]);
        }
    }
    assert_eq!(world.uses().await, i64::try_from(PERMITS).unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_quota_of_new_subjects_is_exact_over_two_replicas() {
    let mut world = World::new().await;
    let first = world.node("procurement");
    let _first = world.start_replica().await;
    let second = world.node("procurement");
    let parties = [&first, &second];
    let batches: Vec<_> = (0..16).map(|n| (parties[n % 2], request(&points(3)))).collect();
    let outcomes =
        futures::future::join_all(batches.into_iter().map(|(party, request)| evaluate(party, request))).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count() as u64, QUOTA / 3);
    let subjects = "SELECT CAST(SUM(subjects) AS BIGINT) FROM new_subjects";
    assert_eq!(world.count(subjects).await.unsigned_abs(), QUOTA / 3 * 3);
}
