//! Buckets against permits: exactly as many, once, the same again.

use tacit_blind::table::verify_bucket;
use tacit_model::Reason;
use tacit_wire::chunks32;
use tacit_wire::common::LoggedRecord;
use tacit_wire::custodian::fetch_buckets_response::Part;
use tacit_wire::custodian::{Bucket, FetchBucketsRequest, ListBuckets};

use crate::support::table::{Table, reason, trouble};
use crate::support::{Party, World, eventually};

const LIST: &str = "court/defaulters";
const OTHER: &str = "court/mediators";

pub(crate) type Fetched = Vec<(String, u64, u64, Vec<Bucket>)>;

/// Fetches with permits under the newest checkpoint: (list, epoch, buckets).
pub(crate) async fn fetch(
    world: &World,
    party: &Party,
    permits: &[LoggedRecord],
    lists: &[(&str, u64, &[u32])],
) -> Result<Fetched, Reason> {
    let (checkpoint, permits) = world.log.prove(permits);
    let wanted = |(list, epoch, buckets): &(&str, u64, &[u32])| ListBuckets {
        list_id: (*list).to_owned(),
        epoch: *epoch,
        buckets: buckets.to_vec(),
    };
    send(party, FetchBucketsRequest { checkpoint, permits, lists: lists.iter().map(wanted).collect() }).await
}

async fn send(party: &Party, request: FetchBucketsRequest) -> Result<Fetched, Reason> {
    let mut stream =
        party.buckets().fetch_buckets(request).await.map_err(|status| trouble(&status))?.into_inner();
    let mut fetched = Vec::new();
    while let Some(message) = stream.message().await.map_err(|status| trouble(&status))? {
        match message.part.unwrap() {
            Part::Chunk(chunk) => fetched.push((chunk.list_id, chunk.epoch, chunk.version, chunk.buckets)),
            Part::Refusal(refusal) => return Err(reason(Some(refusal)).unwrap()),
        }
    }
    Ok(fetched)
}

/// Fetches with fresh permits, and verifies every bucket against the table's manifest.
pub(crate) async fn fetch_and_verify(world: &World, party: &Party, table: &Table, buckets: &[u32]) {
    let manifest = &table.manifest;
    let at = (table.list.as_str(), manifest.epoch, manifest.version);
    let permits: Vec<_> = buckets.iter().map(|_| world.permit(party, &[at])).collect();
    let fetched = fetch(world, party, &permits, &[(at.0, at.1, buckets)]).await.unwrap();
    let mut numbers = Vec::new();
    for (list, epoch, version, buckets) in &fetched {
        assert_eq!((list.as_str(), *epoch, *version), at);
        for bucket in buckets {
            let path = chunks32("path", &bucket.path, 16).unwrap();
            verify_bucket(manifest, bucket.bucket, &bucket.entries, &path).unwrap();
            numbers.push(bucket.bucket);
        }
    }
    assert_eq!(numbers, buckets);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_request_gets_the_same_buckets_and_no_other_request_any() {
    let mut world = World::new().await;
    let (court, asker) = (world.node("court"), world.node("procurement"));
    let mut table = Table::new(LIST, 100, 3, 128);
    table.publish(&world, &court).await;
    let permits = [world.permit(&asker, &[(LIST, 100, 1)]), world.permit(&asker, &[(LIST, 100, 1)])];
    let first = fetch(&world, &asker, &permits, &[(LIST, 100, &[1, 5])]).await.unwrap();
    assert_eq!(fetch(&world, &asker, &permits, &[(LIST, 100, &[1, 5])]).await.unwrap(), first);
    world.restart().await;
    let (court, asker) = (world.node("court"), world.node("procurement"));
    let reversed = [permits[1].clone(), permits[0].clone()];
    assert_eq!(fetch(&world, &asker, &reversed, &[(LIST, 100, &[1, 5])]).await.unwrap(), first);
    let used = Some(Reason::PermitUsed);
    assert_eq!(fetch(&world, &asker, &permits, &[(LIST, 100, &[1, 6])]).await.err(), used);
    assert_eq!(fetch(&world, &asker, &permits[..1], &[(LIST, 100, &[1])]).await.err(), used);
    let mixed = [permits[0].clone(), world.permit(&asker, &[(LIST, 100, 1)])];
    assert_eq!(fetch(&world, &asker, &mixed, &[(LIST, 100, &[1, 5])]).await.err(), used);
    // The refused request used up nothing.
    assert!(fetch(&world, &asker, &mixed[1..], &[(LIST, 100, &[1])]).await.is_ok());
    // After a tick the same request gets the newest version of the same buckets.
    table.publish_tick(&world, &court).await;
    let again = fetch(&world, &asker, &permits, &[(LIST, 100, &[1, 5])]).await.unwrap();
    assert_eq!(again[0].2, 2);
    assert_eq!(again[0].3.iter().map(|bucket| bucket.bucket).collect::<Vec<_>>(), [1, 5]);
    assert_ne!(again, first);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parallel_requests_with_one_permit_get_one_bucket_between_them() {
    let world = World::new().await;
    let (court, asker) = (world.node("court"), world.node("procurement"));
    Table::new(LIST, 100, 3, 128).publish(&world, &court).await;
    let permit = [world.permit(&asker, &[(LIST, 100, 1)])];
    let numbers: Vec<[u32; 1]> = (0..8).map(|number| [number]).collect();
    let wanted: Vec<[(&str, u64, &[u32]); 1]> =
        numbers.iter().map(|number| [(LIST, 100, &number[..])]).collect();
    let requests = wanted.iter().map(|wanted| fetch(&world, &asker, &permit, wanted));
    let outcomes = futures::future::join_all(requests).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert!(outcomes.iter().flat_map(|outcome| outcome.as_ref().err()).all(|r| *r == Reason::PermitUsed));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn there_are_exactly_as_many_distinct_buckets_as_permits_or_all() {
    let world = World::new().await;
    let (court, asker) = (world.node("court"), world.node("procurement"));
    Table::new(LIST, 100, 2, 128).publish(&world, &court).await;
    let permits: Vec<_> = (0..6).map(|_| world.permit(&asker, &[(LIST, 100, 1)])).collect();
    let got = async |permits: &[LoggedRecord], buckets: &[u32]| {
        fetch(&world, &asker, permits, &[(LIST, 100, buckets)]).await.err()
    };
    assert_eq!(got(&permits[..2], &[1]).await, Some(Reason::BatchMismatch));
    assert_eq!(got(&permits[..2], &[1, 2, 3]).await, Some(Reason::BatchMismatch));
    assert_eq!(got(&permits, &[0, 1, 2]).await, Some(Reason::BatchMismatch));
    for malformed in [&[][..], &[2, 1], &[1, 1], &[3, 4]] {
        assert_eq!(got(&permits[..2], malformed).await, Some(Reason::Malformed));
    }
    assert_eq!(got(&[permits[0].clone(), permits[0].clone()], &[1, 2]).await, Some(Reason::Malformed));
    assert_eq!(got(&[], &[1]).await, Some(Reason::Malformed));
    // None of this used a permit.
    assert_eq!(got(&permits, &[0, 1, 2, 3]).await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_permit_serves_each_list_that_it_names_once_and_no_other() {
    let world = World::new().await;
    let (court, asker) = (world.node("court"), world.node("procurement"));
    Table::new(LIST, 100, 3, 128).publish(&world, &court).await;
    Table::new(OTHER, 7, 1, 128).publish(&world, &court).await;
    Table::new("customs/importers", 1, 1, 128).publish(&world, &world.node("customs")).await;
    let both = [world.permit(&asker, &[(LIST, 100, 1), (OTHER, 7, 1)])];
    assert!(fetch(&world, &asker, &both, &[(LIST, 100, &[1])]).await.is_ok());
    assert!(fetch(&world, &asker, &both, &[(OTHER, 7, &[1])]).await.is_ok());
    let one =
        [world.permit(&asker, &[(LIST, 100, 1)]), world.permit(&asker, &[(LIST, 100, 1), (OTHER, 7, 1)])];
    let fetched = fetch(&world, &asker, &one, &[(LIST, 100, &[1, 2]), (OTHER, 7, &[0])]).await.unwrap();
    assert_eq!(fetched.iter().map(|chunk| chunk.3.len()).collect::<Vec<_>>(), [2, 1]);
    let permit = [world.permit(&asker, &[(LIST, 100, 1)])];
    for (list, epoch) in [(OTHER, 7), ("customs/importers", 1), (LIST, 99), (LIST, 101)] {
        let other = fetch(&world, &asker, &permit, &[(list, epoch, &[0])]).await.err();
        assert_eq!(other, Some(Reason::PermitForOther), "{list}@{epoch}");
    }
    let twice = [(LIST, 100, &[1][..]), (LIST, 100, &[2])];
    assert_eq!(fetch(&world, &asker, &permit, &twice).await.err(), Some(Reason::Malformed));
    assert!(fetch(&world, &asker, &permit, &[(LIST, 100, &[1])]).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn permits_of_others_expired_or_not_logged_get_nothing() {
    let world = World::new().await;
    let (court, asker, other) = (world.node("court"), world.node("procurement"), world.node("customs"));
    Table::new(LIST, 100, 3, 128).publish(&world, &court).await;
    let got = async |party: &Party, permit: LoggedRecord| {
        fetch(&world, party, &[permit], &[(LIST, 100, &[1])]).await.err()
    };
    let permit = world.permit(&asker, &[(LIST, 100, 1)]);
    assert_eq!(got(&other, permit.clone()).await, Some(Reason::PermitForOther));
    let foreign = world.permit_with(&asker, &[(LIST, 100, 1)], |access| access.cnf = other.cnf);
    assert_eq!(got(&asker, foreign).await, Some(Reason::CertificateMismatch));
    let (checkpoint, mut permits) = world.log.prove(std::slice::from_ref(&permit));
    permits[0].record =
        String::from_utf8(permits[0].record.to_vec()).unwrap().replace("@100.1", "@100.2").into();
    let wanted = vec![ListBuckets { list_id: LIST.to_owned(), epoch: 100, buckets: vec![1] }];
    let changed = FetchBucketsRequest { checkpoint, permits, lists: wanted };
    assert_eq!(send(&asker, changed).await.err(), Some(Reason::PermitNotLogged));
    let future = world.permit_with(&asker, &[(LIST, 100, 1)], |access| access.time_ms += 6_000);
    assert_eq!(got(&asker, future).await, Some(Reason::PermitNotYetValid));
    world.clock.advance_ms(60_000);
    assert_eq!(got(&asker, permit).await, Some(Reason::PermitExpired));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn versions_more_than_one_behind_and_lists_that_are_not_held_are_refused() {
    let world = World::new().await;
    let (court, asker) = (world.node("court"), world.node("procurement"));
    let mut table = Table::new(LIST, 100, 3, 128);
    table.publish(&world, &court).await;
    let permits: Vec<_> = (0..2).map(|_| [world.permit(&asker, &[(LIST, 100, 1)])]).collect();
    table.publish_tick(&world, &court).await;
    assert!(fetch(&world, &asker, &permits[0], &[(LIST, 100, &[1])]).await.is_ok());
    table.publish_tick(&world, &court).await;
    assert_eq!(
        fetch(&world, &asker, &permits[1], &[(LIST, 100, &[1])]).await.err(),
        Some(Reason::VersionOld)
    );
    let unknown = [world.permit(&asker, &[("court/nowhere", 1, 1)])];
    assert_eq!(
        fetch(&world, &asker, &unknown, &[("court/nowhere", 1, &[0])]).await.err(),
        Some(Reason::UnknownList)
    );
    let past = [world.permit(&asker, &[(LIST, 99, 1)])];
    assert_eq!(fetch(&world, &asker, &past, &[(LIST, 99, &[0])]).await.err(), Some(Reason::EpochOver));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_permit_for_a_version_about_to_be_activated_waits_for_it() {
    let world = World::new().await;
    let (court, asker) = (world.node("court"), world.node("procurement"));
    let mut table = Table::new(LIST, 100, 3, 128);
    table.publish(&world, &court).await;
    let permit = [world.permit(&asker, &[(LIST, 100, 2)])];
    let wanted = [(LIST, 100, &[1][..])];
    let late = async {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        table.publish_tick(&world, &court).await;
    };
    let (fetched, ()) = futures::join!(fetch(&world, &asker, &permit, &wanted), late);
    assert_eq!(fetched.unwrap()[0].2, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_expiry_nothing_is_kept_about_a_permit() {
    let mut world = World::new().await;
    let (court, asker) = (world.node("court"), world.node("procurement"));
    Table::new(LIST, 100, 3, 128).publish(&world, &court).await;
    let permit = world.permit(&asker, &[(LIST, 100, 1)]);
    let text = String::from_utf8(permit.record.to_vec()).unwrap();
    let id = text.lines().find_map(|line| line.strip_prefix("id ")).unwrap().to_owned();
    assert!(fetch(&world, &asker, &[permit], &[(LIST, 100, &[1])]).await.is_ok());
    let is_kept =
        |world: &World| world.database_bytes().windows(id.len()).any(|bytes| bytes == id.as_bytes());
    assert!(is_kept(&world));
    world.clock.advance_ms(71_000);
    eventually("the use is removed", async || world.uses().await == 0).await;
    world.restart().await;
    assert_eq!(world.uses().await, 0);
}
