//! What auditors get beyond the records: on record first, within their bounds, and nothing for one person alone.

use tacit_identity::Role;
use tacit_ledger::record::Record;
use tacit_model::{Basis, Reason};
use tacit_wire::coordinator::{
    self as pb, audit_service_client::AuditServiceClient, demand_case_response::Outcome as Demanded,
    request_opening_response::Outcome as Asked,
};
use tonic::{Status, transport::Channel};

use crate::support::*;

/// An auditor's end.
async fn auditor(world: &World, running: &Running) -> AuditServiceClient<Channel> {
    AuditServiceClient::new(world.channel(running, Role::Auditor, "audit-office").await)
}

fn reason(status: &Status) -> Reason {
    tacit_wire::reason_of(status).unwrap()
}

/// The parts of what is on record about the pseudonym of a record.
async fn follow(
    client: &mut AuditServiceClient<Channel>,
    index: u64,
) -> Result<Vec<pb::FollowResponse>, Status> {
    let mut stream = client.follow(pb::FollowRequest { index }).await?.into_inner();
    let mut parts = Vec::new();
    while let Some(part) = stream.message().await? {
        parts.push(part);
    }
    Ok(parts)
}

/// Three subjects, each asked about once, the first twice; the indexes of the records.
async fn asked(world: &World, running: &Running) -> Vec<u64> {
    let mut requester = Requester::new(world, running, "procurement").await;
    let enrolled = requester.enroll(0, 3).await;
    let mut indexes = Vec::new();
    for of in [0, 1, 2, 0] {
        let drafts = vec![(requester.draft_of(&LISTS[..1], Basis::Agreement(ulid(COURT))), &enrolled[of])];
        let checks = requester.prove(drafts);
        let answer = requester.authorize(&checks).await;
        indexes.push(raw_records(&answer)[0].index);
    }
    indexes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_auditor_follows_is_on_record_and_bounded_by_the_day() {
    let mut world = World::new();
    world.limits.audits_per_day = 2;
    let running = world.start_with_lists().await;
    let indexes = asked(&world, &running).await;
    let mut office = auditor(&world, &running).await;
    let before = entries(&world, &running).await.len() as u64;
    let parts = follow(&mut office, indexes[0]).await.unwrap();
    let chain: Vec<u64> = parts
        .iter()
        .flat_map(|part| &part.part.as_ref().unwrap().entries)
        .map(|entry| entry.record.as_ref().unwrap().index)
        .collect();
    // Both records about the first subject, the newest first, and none about another.
    assert_eq!(chain, [indexes[3], indexes[0]]);
    let Some(Record::Audit(audit)) = entries(&world, &running).await.pop() else { panic!() };
    assert_eq!((audit.reader.as_str(), audit.pseudonyms, audit.from), ("audit-office", 1, before));
    // A watch counts as well; what does not fit is no record.
    let wanted = pb::WatchPseudonymsRequest { pseudonyms: vec![vec![7; 32].into(), vec![8; 32].into()] };
    let refused = office.watch_pseudonyms(wanted).await.unwrap_err();
    assert_eq!(reason(&refused), Reason::QuotaReads);
    assert!(follow(&mut office, indexes[1]).await.is_ok());
    assert_eq!(reason(&follow(&mut office, indexes[2]).await.unwrap_err()), Reason::QuotaReads);
    assert_eq!(count(&world, &running, "audit").await, 2);
    // Nothing behind records of other kinds and beyond the end, and it costs nothing.
    for index in [0, 1 << 40] {
        assert_eq!(reason(&follow(&mut office, index).await.unwrap_err()), Reason::NotFound);
    }
    world.clock.advance_ms(86_400_000);
    assert!(follow(&mut office, indexes[2]).await.is_ok());
    assert_eq!(count(&world, &running, "audit").await, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_one_member_has_both_box_keys_no_box_is_opened() {
    let world = World::new();
    let running = world.start_with_lists().await;
    let indexes = asked(&world, &running).await;
    let mut office = auditor(&world, &running).await;
    let request = pb::RequestOpeningRequest {
        index: indexes[0],
        ground: "a sample".to_owned(),
        signature: vec![0; 64].into(),
    };
    let outcome = office.request_opening(request.clone()).await.unwrap().into_inner().outcome.unwrap();
    assert!(matches!(outcome, Asked::Refusal(refusal) if refusal.reason == "not_permitted"));
    for ground in [String::new(), "x".repeat(501), "a\nb".to_owned()] {
        let request = pb::RequestOpeningRequest { ground, ..request.clone() };
        assert_eq!(reason(&office.request_opening(request).await.unwrap_err()), Reason::Malformed);
    }
    let unknown = pb::GetOpeningRequest { id: ulid(5).to_string() };
    let refusal = office.get_opening(unknown).await.unwrap().into_inner().refusal.unwrap();
    assert_eq!(refusal.reason, "not_found");
    assert_eq!(count(&world, &running, "box-opened").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_demand_is_answered_by_its_requester_once_and_read_by_its_auditor_alone() {
    let world = World::new();
    let running = world.start_with_lists().await;
    let indexes = asked(&world, &running).await;
    let mut office = auditor(&world, &running).await;
    let demand = |index, within_s| pb::DemandCaseRequest { index, within_s };
    for within_s in [0, 2_592_001] {
        let refused = office.demand_case(demand(indexes[0], within_s)).await.unwrap_err();
        assert_eq!(reason(&refused), Reason::Malformed);
    }
    let outcome = office.demand_case(demand(0, 60)).await.unwrap().into_inner().outcome.unwrap();
    assert!(matches!(outcome, Demanded::Refusal(refusal) if refusal.reason == "not_found"));
    let outcome = office.demand_case(demand(indexes[0], 60)).await.unwrap().into_inner().outcome.unwrap();
    let Demanded::Logged(logged) = outcome else { panic!() };
    // A repetition makes no second record.
    let again = office.demand_case(demand(indexes[0], 60)).await.unwrap().into_inner().outcome.unwrap();
    let Demanded::Logged(again) = again else { panic!() };
    assert_eq!(again.record.unwrap().record, logged.record.as_ref().unwrap().record);
    let record = verified(&logged.record.unwrap(), &logged.checkpoint);
    let Record::Demand(record) = record.record().clone() else { panic!() };
    assert_eq!((record.auditor.as_str(), record.requester.as_str()), ("audit-office", "procurement"));
    assert_eq!(record.due_ms, record.time_ms + 60_000);

    let end = async |member| AuditServiceClient::new(world.channel(&running, Role::Node, member).await);
    let (mut procurement, mut customs) = (end("procurement").await, end("customs").await);
    let listed = async |client: &mut AuditServiceClient<Channel>, open| {
        client.list_demands(pb::ListDemandsRequest { open }).await.unwrap().into_inner().demands
    };
    assert!(listed(&mut customs, true).await.is_empty());
    assert_eq!(listed(&mut procurement, true).await.len(), 1);
    let answer = |byte: u8, length: usize| pb::AnswerDemandRequest {
        id: record.id.clone(),
        answer: vec![byte; length].into(),
    };
    let refused = customs.answer_demand(answer(1, 2048)).await.unwrap().into_inner().refusal.unwrap();
    assert_eq!(refused.reason, "not_found");
    let wrong = procurement.answer_demand(answer(1, 2047)).await.unwrap_err();
    assert_eq!(reason(&wrong), Reason::Malformed);
    for byte in [1, 2] {
        assert_eq!(procurement.answer_demand(answer(byte, 2048)).await.unwrap().into_inner().refusal, None);
    }
    assert!(listed(&mut procurement, true).await.is_empty());
    // The first answer stays, and only the auditor gets it.
    assert!(listed(&mut procurement, false).await[0].answer.is_empty());
    let read = listed(&mut office, false).await;
    assert_eq!((read[0].answer[0], read[0].answer.len()), (1, 2048));
    assert_eq!(read[0].answered_ms, world.now().0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counts_are_those_of_the_records_and_out_of_range_they_are_refused() {
    let world = World::new();
    let running = world.start_with_lists().await;
    asked(&world, &running).await;
    let mut office = auditor(&world, &running).await;
    let size = entries(&world, &running).await.len() as u64;
    let asking = |from, until, repeats| pb::GetSignalsRequest { from, until, repeats };
    for wrong in [asking(0, size + 1, 2), asking(2, 1, 2), asking(0, size, 1)] {
        assert_eq!(reason(&office.get_signals(wrong).await.unwrap_err()), Reason::Malformed);
    }
    assert_eq!(count(&world, &running, "audit").await, 0);
    let told = office.get_signals(asking(0, size, 2)).await.unwrap().into_inner().requesters;
    let it = told.iter().find(|it| it.requester == "procurement").unwrap();
    assert_eq!((it.checks, it.subjects, it.erased), (4, 3, 0));
    assert_eq!((it.most_of_one, it.repeated, it.most_lists), (2, 1, 1));
    assert_eq!((it.enrolled, it.without_consent), (3, 3));
    let Some(Record::Audit(audit)) = entries(&world, &running).await.pop() else { panic!() };
    assert_eq!((audit.reader.as_str(), audit.pseudonyms), ("audit-office", 3));
}
