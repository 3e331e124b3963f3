//! Two replicas of a node over one database.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use tacit_ledger::record::Access;
use tacit_model::Reason;
use tacit_wire::holder::EvaluateResponse;
use tokio::sync::Barrier;

use super::support::asker::{Asker, Blind};
use super::support::registry::Terms;
use super::support::{World, codes};

/// Who presents each permit, all at the same moment.
const PRESENTERS: usize = 64;
/// The queries that a permit is presented for, each by as many at either replica.
const QUERIES: usize = 8;

/// How many permits: `TACIT_SOAK_RUNS`, or all of them in a soak.
fn permit_count() -> usize {
    let given = std::env::var("TACIT_SOAK_RUNS").ok().and_then(|runs| runs.parse().ok());
    given.unwrap_or(if std::env::var_os("TACIT_SOAK").is_some() { 1_000 } else { 24 })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_permit_is_answered_for_one_query_whichever_replica_is_asked() {
    let count = permit_count();
    let mut world = World::with(Terms::default()).await;
    let codes = codes(QUERIES, 1);
    world.import_codes(&codes).await;
    world.tick().await;
    // A connection each, all under the certificate that the permits are for.
    let half = |world: &World| (0..PRESENTERS / 2).map(|_| world.asker("procurement")).collect::<Vec<_>>();
    let at_first = half(&world);
    let _first = world.start_replica().await;
    let at_second = half(&world);
    // Each record id stands for eight queries; the log has all of them, as a dishonest coordinator would.
    let blinds: Arc<[Blind]> = codes.iter().map(|code| Blind::of(code)).collect();
    let records = (0..count).flat_map(|_| {
        let record = world.access(&at_first[0], blinds[0].hash());
        blinds.iter().map(move |blind| Access { query: blind.hash(), ..record.clone() }).collect::<Vec<_>>()
    });
    let (checkpoint, permits) = world.permits(records.collect());
    let permits: Arc<[_]> = permits.into();
    let together = Arc::new(Barrier::new(PRESENTERS));
    let presenters = at_first.into_iter().enumerate().chain(at_second.into_iter().enumerate());
    let presenters = presenters.map(|(n, mut asker)| {
        let (blinds, permits, together) = (Arc::clone(&blinds), Arc::clone(&permits), Arc::clone(&together));
        let (query, checkpoint) = (n % QUERIES, checkpoint.clone());
        tokio::spawn(async move {
            let mut said = Vec::with_capacity(count);
            for n in 0..count {
                let (permit, blind) = (permits[n * QUERIES + query].clone(), &blinds[query]);
                together.wait().await;
                let answer = asker.present(checkpoint.clone(), vec![permit], std::slice::from_ref(blind));
                // One that fails must not leave the others waiting.
                said.push(answer.await.map(outcome));
            }
            (query, said)
        })
    });
    let begun = Instant::now();
    let presented = futures::future::join_all(presenters).await;
    let took = begun.elapsed();
    let presented: Vec<(usize, Vec<_>)> = presented
        .into_iter()
        .map(Result::unwrap)
        .map(|(query, said)| (query, said.into_iter().map(Result::unwrap).collect()))
        .collect();
    let mut answers = [0; 2];
    for n in 0..count {
        let answered: BTreeSet<_> = presented
            .iter()
            .filter_map(|(query, said)| Some((*query, said[n].as_ref().ok()?.to_vec())))
            .collect();
        assert_eq!(answered.len(), 1, "a permit is answered for one query, with one answer");
        let winner = answered.first().unwrap().0;
        for (query, said) in &presented {
            let said = said[n].as_ref().map(drop).map_err(String::as_str);
            // Whoever repeats the request that was answered gets the answer too.
            let due = if *query == winner { Ok(()) } else { Err(Reason::PermitUsed.as_str()) };
            assert_eq!(said, due);
            answers[usize::from(said.is_err())] += 1;
        }
    }
    let due = i64::try_from(count).unwrap();
    assert_eq!(world.count("SELECT COUNT(*) FROM used_permit").await, due);
    assert_eq!(world.count("SELECT answers FROM answer_count").await, due, "no repetition is counted");
    let database = if tacit_store::conformance::on_postgres() { "PostgreSQL" } else { "SQLite" };
    let [answered, refused] = answers;
    eprintln!(
        "SOAK: a permit presented by {PRESENTERS} at once over two replicas of a holder, {database} | {count} | 0 | \
         {count} uses; {answered} presenters of the query that was answered got the same answer, {refused} got \
         `permit_used`; {:.0} presentations/s",
        (count * PRESENTERS) as f64 / took.as_secs_f64()
    );
}

/// What was evaluated for the one query, or why nothing was.
fn outcome(mut answer: EvaluateResponse) -> Result<Bytes, String> {
    match answer.items.remove(0).refusal {
        Some(refusal) => Err(refusal.reason),
        None => Ok(answer.lists.remove(0).evaluated),
    }
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
