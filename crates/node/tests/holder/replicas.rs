//! Two replicas of a node over one database.

use tacit_ledger::record::Access;
use tacit_model::Reason;

use super::support::asker::{Asker, Blind};
use super::support::registry::Terms;
use super::support::{World, codes};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_permit_is_answered_for_one_query_whichever_replica_is_asked() {
    const PERMITS: usize = 24;
    let mut world = World::with(Terms::default()).await;
    let codes = codes(5, 1);
    world.import_codes(&codes).await;
    world.tick().await;
    let first = world.asker("procurement");
    let _first = world.start_replica().await;
    let second = world.asker("procurement");
    // Each record id stands for eight queries; the log has all of them, as a dishonest coordinator would.
    let blinds: Vec<Blind> = (0..8).map(|n| Blind::of(&codes[n % 5])).collect();
    let mut presents = Vec::new();
    for _ in 0..PERMITS {
        let record = world.access(&first, blinds[0].hash());
        let records: Vec<Access> =
            blinds.iter().map(|blind| Access { query: blind.hash(), ..record.clone() }).collect();
        let (checkpoint, permits) = world.permits(records);
        for ((n, permit), blind) in permits.into_iter().enumerate().zip(&blinds) {
            let asker: &Asker = if n % 2 == 0 { &first } else { &second };
            let mut asker =
                Asker { member: asker.member.clone(), cnf: asker.cnf, client: asker.client.clone() };
            let checkpoint = checkpoint.clone();
            presents.push(async move {
                let answer =
                    asker.present(checkpoint, vec![permit], std::slice::from_ref(blind)).await.unwrap();
                answer.items[0].refusal.as_ref().map(|refusal| refusal.reason.clone())
            });
        }
    }
    let outcomes = futures::future::join_all(presents).await;
    let refused: Vec<_> = outcomes.iter().flatten().collect();
    assert_eq!(outcomes.len() - refused.len(), PERMITS, "each record id is answered for one query");
    assert!(refused.iter().all(|reason| *reason == Reason::PermitUsed.as_str()), "{refused:?}");
    // The same permit and query again: the same answer from either, and no second count.
    assert_eq!(world.count("SELECT answers FROM answer_count").await, i64::try_from(PERMITS).unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_holders_own_quota_is_exact_over_two_replicas() {
    const QUOTA: usize = 30;
    let terms = Terms { checks_per_day: QUOTA as u64, ..Terms::default() };
    let mut world = World::with(terms).await;
    let codes = codes(5, 1);
    world.import_codes(&codes).await;
    world.tick().await;
    let first = world.asker("procurement");
    let _first = world.start_replica().await;
    let second = world.asker("procurement");
    let blinds: Vec<Blind> = (0..2 * QUOTA).map(|n| Blind::of(&codes[n % 5])).collect();
    let records = blinds.iter().map(|blind| world.access(&first, blind.hash())).collect();
    let (checkpoint, permits) = world.permits(records);
    let presents = permits.into_iter().zip(&blinds).enumerate().map(|(n, (permit, blind))| {
        let asker: &Asker = if n % 2 == 0 { &first } else { &second };
        let mut asker = Asker { member: asker.member.clone(), cnf: asker.cnf, client: asker.client.clone() };
        let checkpoint = checkpoint.clone();
        async move {
            let answer = asker.present(checkpoint, vec![permit], std::slice::from_ref(blind)).await.unwrap();
            answer.items[0].refusal.is_none()
        }
    });
    let answered = futures::future::join_all(presents).await.into_iter().filter(|answered| *answered).count();
    assert_eq!(answered, QUOTA);
}
