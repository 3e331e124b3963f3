//! The log as members see it, starting and stopping.

use std::time::Duration;

use tacit_coordinator::StartError;
use tacit_identity::Role;
use tacit_ledger::{
    checkpoint::VerifiedCheckpoint,
    note::{NoteSigner, NoteVerifier},
    record::Record,
};
use tacit_model::{Clock as _, Reason};
use tacit_store::StoreError;
use tacit_wire::coordinator::{
    self as pb, log_service_client::LogServiceClient, registry_service_client::RegistryServiceClient,
};

use crate::support::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_checkpoint_comes_to_those_who_watch_with_its_proof_also_over_a_restart() {
    let world = World::new();
    let running = world.start_with_lists().await;
    let mut seen: Vec<VerifiedCheckpoint> = Vec::new();
    let mut requester = Requester::new(&world, &running, "procurement").await;
    let enrolled = requester.enroll(0, 1).await;
    let mut running = Some(running);
    for round in 0..2 {
        if round > 0 {
            running.take().unwrap().stop().await;
            running = Some(world.start().await);
        }
        let running = running.as_ref().unwrap();
        requester.channel = world.channel_with(running, requester.credentials.clone()).await;
        let channel = world.channel(running, Role::Custodian, "custodian").await;
        let mut stream = Stream::open(channel, seen.last()).await.unwrap();
        for _ in 0..5 {
            requester.ask(LISTS[0], COURT, &enrolled[0]).await.unwrap();
        }
        let size = entries(&world, running).await.len() as u64;
        while seen.last().is_none_or(|last| last.size() < size) {
            let message = stream.checkpoint().await;
            let checkpoint = VerifiedCheckpoint::open(&message.checkpoint, &log_key()).unwrap();
            if seen.last() == Some(&checkpoint) {
                // It is only to be cosigned.
                assert!(message.cosign && message.from_size == checkpoint.size());
                continue;
            }
            assert_eq!(message.from_size, seen.last().map_or(0, VerifiedCheckpoint::size));
            if let Some(last) = seen.last() {
                let proof = tacit_wire::chunks32("consistency", &message.consistency, 64).unwrap();
                checkpoint.verify_extends(last, &proof).unwrap();
            }
            seen.push(checkpoint);
        }
    }
    // One by one, because each check was a commit of its own.
    let sizes: Vec<u64> = seen.iter().map(VerifiedCheckpoint::size).collect();
    assert_eq!(sizes, [4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14]);
    // And between any two of them the proof can be had.
    let running = running.unwrap();
    let channel = world.channel(&running, Role::Auditor, "audit-office").await;
    let mut client = LogServiceClient::new(channel);
    for old in &seen {
        for new in seen.iter().filter(|new| new.size() >= old.size()) {
            let request = pb::GetConsistencyRequest { from_size: old.size(), to_size: new.size() };
            let response = client.get_consistency(request).await.unwrap().into_inner();
            let proof = tacit_wire::chunks32("consistency", &response.consistency, 64).unwrap();
            new.verify_extends(old, &proof).unwrap();
        }
    }
    for (from_size, to_size) in [(0, 0), (0, 3), (5, 4), (4, 1000), (1000, 0)] {
        let status =
            client.get_consistency(pb::GetConsistencyRequest { from_size, to_size }).await.unwrap_err();
        assert_eq!(tacit_wire::reason_of(&status), Some(Reason::LogBehind), "{from_size}..{to_size}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_saw_more_than_the_log_has_is_told_so() {
    let world = World::new();
    let running = world.start().await;
    let channel = world.channel(&running, Role::Custodian, "custodian").await;
    // A mere claim seals nothing.
    let status = Stream::claim(channel.clone(), 1000, Vec::new()).await.unwrap_err();
    assert_eq!(tacit_wire::reason_of(&status), Some(Reason::LogBehind));
    let status = Stream::claim(channel, 1000, b"not a note".to_vec()).await.unwrap_err();
    assert_eq!(tacit_wire::reason_of(&status), Some(Reason::LogBehind));
    let list = &manifest(LISTS[0], LIST_EPOCH, 1);
    let outcome = world.publish(&running, list).await;
    assert!(matches!(outcome, pb::publish_manifest_response::Outcome::Logged(_)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entries_are_read_from_anywhere_and_past_the_end_there_are_none() {
    let world = World::new();
    let running = world.start_with_lists().await;
    let mut requester = Requester::new(&world, &running, "procurement").await;
    let enrolled = requester.enroll(0, 1024).await;
    for _ in 0..2 {
        let drafts: Vec<_> = enrolled.iter().map(|of| (requester.draft(LISTS[0], COURT), of)).collect();
        let checks = requester.prove(drafts);
        requester.authorize(&checks).await;
    }
    let all = entries(&world, &running).await;
    assert_eq!(all.len(), 4 + 2048);
    let channel = world.channel(&running, Role::Auditor, "audit-office").await;
    let mut client = LogServiceClient::new(channel);
    for (start, count, due) in
        [(0, 1, 1), (5, 1500, 1500), (2000, 0, 52), (2051, 5, 1), (2052, 0, 0), (u64::MAX, u64::MAX, 0)]
    {
        let request = pb::GetEntriesRequest { start, count };
        let mut stream = client.get_entries(request).await.unwrap().into_inner();
        let mut read = Vec::new();
        while let Some(page) = stream.message().await.unwrap() {
            assert!(page.records.len() <= 1024);
            assert_eq!(page.start, start + read.len() as u64);
            read.extend(page.records.iter().map(|record| Record::parse(record).unwrap()));
        }
        assert_eq!(read.len(), due, "{start}+{count}");
        if due > 0 {
            let start = usize::try_from(start).unwrap();
            assert_eq!(read, all[start..start + due]);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn open_streams_do_not_keep_it_from_stopping() {
    let world = World::new();
    let running = world.start().await;
    let channel = world.channel(&running, Role::Node, "customs").await;
    let mut checkpoints = Stream::open(channel.clone(), None).await.unwrap();
    let mut consents = tacit_wire::coordinator::consent_service_client::ConsentServiceClient::new(channel)
        .watch_consents(pb::WatchConsentsRequest {})
        .await
        .unwrap()
        .into_inner();
    checkpoints.checkpoint().await;
    tokio::time::timeout(Duration::from_secs(5), running.stop()).await.expect("it hangs");
    checkpoints.ended().await;
    assert!(consents.message().await.is_ok_and(|end| end.is_none()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_registry_in_force_is_in_the_log_once_and_never_falls_back() {
    let first = World::new();
    let running = first.start().await;
    let channel = first.channel(&running, Role::Node, "tax").await;
    let response = RegistryServiceClient::new(channel)
        .get_registry(pb::GetRegistryRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(response.registry, first.registry_bytes);
    let record = verified(response.record.as_ref().unwrap(), &response.checkpoint);
    let Record::Registry(record) = record.record() else { panic!() };
    assert_eq!((record.number, record.registry), (1, first.registry.hash()));
    running.stop().await;
    // Again, then a newer one: it is logged, and decides once a quorum of the first one's witnesses cosigned it.
    first.start().await.stop().await;
    let second = World { folder: first.folder, ..World::with(|draft| draft.number = 2) };
    second.ca.save(second.folder.path()).unwrap();
    let running = second.try_start().await.unwrap();
    let in_force = async |after| {
        let channel = second.channel(&running, Role::Node, "tax").await;
        let request = pb::GetRegistryRequest { after, ..Default::default() };
        RegistryServiceClient::new(channel).get_registry(request).await.unwrap().into_inner()
    };
    assert_eq!(in_force(0).await.in_force_number, 1);
    second.witness(&running, &WITNESSES[..2]).await;
    let until = tokio::time::Instant::now() + Duration::from_secs(20);
    while in_force(1).await.in_force_number == 1 {
        assert!(tokio::time::Instant::now() < until, "the second version never counts");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let next = in_force(1).await;
    assert_eq!((&next.registry, next.in_force_number), (&second.registry_bytes.clone().into(), 2));
    assert!(in_force(2).await.registry.is_empty(), "nothing follows the one in force");
    let log = NoteVerifier::new("coordinator/log", key("coordinator/log").verifying_key()).unwrap();
    let now_s = second.clock.now().0 / 1000;
    assert!(second.registry.witnesses().unwrap().open(&next.checkpoint, &log, now_s).is_ok());
    verified(next.record.as_ref().unwrap(), &next.checkpoint);
    assert_eq!(count(&second, &running, "registry").await, 2);
    running.stop().await;
    // With the older file it goes on with the newest version.
    let first = World { folder: second.folder, ..World::new() };
    first.ca.save(first.folder.path()).unwrap();
    let running = first.start().await;
    let channel = first.channel(&running, Role::Node, "tax").await;
    let request = pb::GetRegistryRequest::default();
    let response = RegistryServiceClient::new(channel).get_registry(request).await.unwrap().into_inner();
    assert_eq!((response.in_force_number, response.registry), (2, second.registry_bytes.into()));
    running.stop().await;
    // Nor does another file with the same number take its place.
    let other = World {
        folder: first.folder,
        ..World::with(|draft| {
            draft.number = 2;
            draft.agreements.remove(&TAX);
        })
    };
    other.ca.save(other.folder.path()).unwrap();
    assert!(matches!(other.try_start().await, Err(StartError::RegistryOld)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_does_not_start_on_what_does_not_belong_together() {
    let world = World::new();
    world.start().await.stop().await;
    // A log key that the registry does not name.
    let start = |signer: NoteSigner| {
        let deps = tacit_coordinator::CoordinatorDeps { log_signer: signer, ..world.deps() };
        async move { tacit_coordinator::Coordinator::start(deps).await.map(|_| ()) }
    };
    let signer = NoteSigner::new("coordinator/log", key("another")).unwrap();
    assert!(matches!(start(signer).await, Err(StartError::LogKey(_))));
    let signer = NoteSigner::new("other/log", key("coordinator/log")).unwrap();
    assert!(matches!(start(signer).await, Err(StartError::LogKey(_))));
    // A clock far behind the log.
    world.clock.set(tacit_model::Millis(now().0 - 300_001));
    let deps = world.deps();
    let started = tacit_coordinator::Coordinator::start(deps).await;
    assert!(matches!(started, Err(StartError::ClockBehind { .. })));
    world.clock.set(now());
    // A record that somebody changed.
    let db = world.db().await;
    let mut conn = db.write().await.unwrap();
    sqlx::query("UPDATE log_entry SET record = $1 WHERE idx = 0")
        .bind(b"another".as_slice())
        .execute(&mut *conn)
        .await
        .unwrap();
    drop(conn);
    let started = tacit_coordinator::Coordinator::start(world.deps()).await;
    let Err(StartError::Store(StoreError::Corrupt { table: "log_entry", .. })) = started else {
        panic!("a changed record is not found")
    };
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn record_times_do_not_run_backwards_when_the_clock_does() {
    let world = World::new();
    let running = world.start_with_lists().await;
    let mut requester = Requester::new(&world, &running, "procurement").await;
    let enrolled = requester.enroll(0, 1).await;
    requester.ask(LISTS[0], COURT, &enrolled[0]).await.unwrap();
    world.clock.set(tacit_model::Millis(now().0 - 10_000));
    requester.ask(LISTS[0], COURT, &enrolled[0]).await.unwrap();
    running.stop().await;
    let running = world.start().await;
    requester.channel = world.channel_with(&running, requester.credentials.clone()).await;
    requester.ask(LISTS[0], COURT, &enrolled[0]).await.unwrap();
    let times: Vec<u64> = entries(&world, &running).await.iter().map(Record::time_ms).collect();
    assert!(times.is_sorted(), "{times:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_custodian_reports_how_many_subjects_a_requester_has() {
    let world = World::new();
    let running = world.start().await;
    let channel = world.channel(&running, Role::Custodian, "custodian").await;
    let mut client = LogServiceClient::new(channel);
    let report = |requester: &str| pb::ReportEnrollmentRequest {
        requester: requester.to_owned(),
        epoch: PSEUDONYM_EPOCH,
        count: 17,
    };
    let response = client.report_enrollment(report("tax")).await.unwrap().into_inner();
    let record = verified(response.record.as_ref().unwrap(), &response.checkpoint);
    let Record::Enrollment(record) = record.record() else { panic!() };
    assert_eq!((record.requester.as_str(), record.epoch, record.count), ("tax", PSEUDONYM_EPOCH, 17));
    for unknown in ["nobody", "", "Tax", "tax "] {
        let status = client.report_enrollment(report(unknown)).await.unwrap_err();
        assert_eq!(tacit_wire::reason_of(&status), Some(Reason::UnknownMember));
    }
}
