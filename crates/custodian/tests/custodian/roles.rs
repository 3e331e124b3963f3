//! Who has no right to call gets nothing, everywhere.

use tacit_identity::Role;
use tacit_model::Reason;
use tacit_wire::custodian::*;

use crate::support::World;
use crate::support::table::trouble;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_without_rights_is_refused_everywhere() {
    let world = World::new().await;
    let none = &[Role::Coordinator, Role::Custodian, Role::Auditor][..];
    for role in none {
        let party = world.party(*role, "somebody");
        let fetched = party.buckets().fetch_buckets(FetchBucketsRequest::default()).await;
        let mut refused = vec![fetched.map(drop).unwrap_err()];
        // An auditor has codes evaluated that nobody has, and nothing else.
        if *role != Role::Auditor {
            refused.push(party.pseudonyms().evaluate(EvaluateRequest::default()).await.unwrap_err());
        }
        refused.extend(mirror_calls(&world, *role).await);
        for status in refused {
            assert_eq!(trouble(&status), Reason::WrongRole, "{role}");
        }
    }
    // An authority evaluates and fetches, but holds no lists.
    for status in mirror_calls(&world, Role::Authority).await {
        assert_eq!(trouble(&status), Reason::WrongRole);
    }
}

async fn mirror_calls(world: &World, role: Role) -> Vec<tonic::Status> {
    let mut mirror = world.party(role, "somebody").mirror();
    vec![
        mirror.put_table(futures::stream::iter([PutTableRequest::default()])).await.unwrap_err(),
        mirror.put_changes(PutChangesRequest::default()).await.unwrap_err(),
        mirror.activate(ActivateRequest::default()).await.unwrap_err(),
        mirror.get_status(GetStatusRequest::default()).await.unwrap_err(),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn empty_and_random_messages_are_refused_with_a_reason() {
    let world = World::new().await;
    let party = world.node("court");
    let noise = bytes::Bytes::from_static(&[0xa5; 300]);
    let logged = tacit_wire::common::LoggedRecord { record: noise.clone(), index: 7, path: noise.clone() };
    let changes = PutChangesRequest { manifest: noise.clone(), changes: vec![BucketChange::default()] };
    let mut mirror = party.mirror();
    let refusal = mirror.put_changes(changes).await.unwrap().into_inner().refusal.unwrap();
    assert_eq!(refusal.reason, "manifest_rejected");
    let activate = ActivateRequest { record: Some(logged.clone()), checkpoint: noise.clone() };
    let refusal = mirror.activate(activate).await.unwrap().into_inner().refusal.unwrap();
    assert_eq!(refusal.reason, "permit_not_logged");
    let refusal = mirror.activate(ActivateRequest::default()).await.unwrap().into_inner().refusal.unwrap();
    assert_eq!(refusal.reason, "malformed");
    let fetch = FetchBucketsRequest {
        checkpoint: noise,
        permits: vec![logged],
        lists: vec![ListBuckets { list_id: "nothing".to_owned(), epoch: 1, buckets: vec![1] }],
    };
    let mut answer = party.buckets().fetch_buckets(fetch).await.unwrap().into_inner();
    let Some(fetch_buckets_response::Part::Refusal(refusal)) = answer.message().await.unwrap().unwrap().part
    else {
        panic!("a refusal")
    };
    assert_eq!(refusal.reason, "permit_not_logged");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_beyond_its_limit_is_refused_by_the_transport() {
    const KIB: usize = 1 << 10;
    const MIB: usize = 1 << 20;

    let world = World::new().await;
    let party = world.node("court");
    let bytes = |count: usize| bytes::Bytes::from(vec![0; count]);
    // A field of this many bytes makes a message that is a little longer; the limit counts the message.
    let evaluate = async |count: usize| {
        let request = EvaluateRequest { blinded: bytes(count), ..EvaluateRequest::default() };
        party.pseudonyms().evaluate(request).await.map(drop).map_err(|status| status.code())
    };
    let changes = async |count: usize| {
        let request = PutChangesRequest { manifest: bytes(count), changes: Vec::new() };
        party.mirror().put_changes(request).await.map(drop).map_err(|status| status.code())
    };
    let fetch = async |count: usize| {
        let request = FetchBucketsRequest { checkpoint: bytes(count), ..FetchBucketsRequest::default() };
        party.buckets().fetch_buckets(request).await.map(drop).map_err(|status| status.code())
    };
    let beyond = Err(tonic::Code::OutOfRange);
    assert_eq!((evaluate(64 * KIB - 8).await, evaluate(64 * KIB).await), (Ok(()), beyond));
    assert_eq!((changes(32 * MIB - 8).await, changes(32 * MIB).await), (Ok(()), beyond));
    assert_eq!((fetch(12 * MIB - 8).await, fetch(12 * MIB).await), (Ok(()), beyond));
}
