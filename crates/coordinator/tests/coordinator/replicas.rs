//! Two replicas of the coordinator over one database.

use tacit_blind::enroll::Enrolled;
use tacit_ledger::record::Record;
use tacit_policy::ConsentState;
use tacit_store::Dialect;
use tacit_wire::coordinator::{
    self as pb, consent_service_client::ConsentServiceClient, publish_manifest_response,
};

use crate::{consents::Portal, support::*};

/// The same requester, with the same certificate, at another replica.
async fn at(world: &World, running: &Running, of: &Requester) -> Requester {
    let channel = world.channel_with(running, of.credentials.clone()).await;
    let mut there = Requester::new(world, running, "procurement").await;
    (there.credentials, there.channel) = (of.credentials.clone(), channel);
    there
}

/// Permitted checks in the log, this one more included: who appends has seen what the other appended.
async fn settled(world: &World, running: &Running, at: &mut Requester, of: &Enrolled) -> usize {
    at.ask(LISTS[0], COURT, of).await.unwrap();
    count(world, running, "access").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_request_is_decided_once_and_a_nonce_used_once_whichever_replica_is_asked() {
    let world = World::new();
    let (a, b) = (world.start_with_lists().await, world.start().await);
    let mut first = Requester::new(&world, &a, "procurement").await;
    let enrolled = first.enroll(0, 2).await;
    let second = at(&world, &b, &first).await;
    for _ in 0..10 {
        let before = settled(&world, &a, &mut first, &enrolled[0]).await;
        let check = first.check(LISTS[0], COURT, &enrolled[0]);
        let request = first.request(std::slice::from_ref(&check));
        let (one, two) = tokio::join!(first.send(request.clone()), second.send(request.clone()));
        let (one, two) = (taken_up(one), taken_up(two));
        assert_eq!(words(&one), [Ok(())]);
        let bytes =
            |answer| raw_records(answer).iter().map(|it| (it.index, it.record.clone())).collect::<Vec<_>>();
        assert_eq!(bytes(&one), bytes(&two));
        // Each proves it under a checkpoint of its own.
        assert_eq!(records(&one).len() + records(&two).len(), 2);
        // The same check inside other requests, to both at once: its nonce is used.
        let other = first.check(LISTS[0], COURT, &enrolled[1]);
        let another = first.check(LISTS[0], COURT, &enrolled[1]);
        let (one, two) = (first.request(&[check.clone(), other]), first.request(&[another, check]));
        let (one, two) = tokio::join!(first.send(one), second.send(two));
        let (one, two) = (words(&taken_up(one)), words(&taken_up(two)));
        assert_eq!((one[1].clone(), two[0].clone()), (Ok(()), Ok(())));
        assert!(one[0].is_err() && two[1].is_err(), "{one:?} {two:?}");
        assert_eq!(settled(&world, &a, &mut first, &enrolled[0]).await, before + 4);
    }
    a.stop().await;
    b.stop().await;
    world.start().await.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_watches_is_told_of_a_withdrawal_whichever_replica_took_it() {
    let why = "changes at another coordinator: over SQLite there is one";
    if tacit_store::conformance::is_skipped(Dialect::Postgres, why) {
        return;
    }
    let world = World::new();
    let (a, b) = (world.start_with_lists().await, world.start().await);
    let mut requester = Requester::new(&world, &a, "procurement").await;
    let enrolled = requester.enroll(0, 1).await;
    let mut watching = ConsentServiceClient::new(requester.channel.clone());
    let mut told = watching.watch_consents(pb::WatchConsentsRequest {}).await.unwrap().into_inner();
    let portal = Portal::new(&world, &b).await;
    portal.put(&portal.consent(9, enrolled[0].pseudonym())).await.unwrap();
    portal.change(9, ConsentState::Withdrawn, 2).await.unwrap();
    let mut last = 0;
    while last < 2 {
        let next = tokio::time::timeout(std::time::Duration::from_secs(20), told.message());
        let consent = next.await.expect("nothing is told").unwrap().unwrap().consent.unwrap();
        assert!(consent.state_number >= last);
        last = consent.state_number;
        assert_eq!(consent.state, if last == 2 { "withdrawn" } else { "given" });
    }
    a.stop().await;
    b.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn quotas_are_exact_and_there_is_one_log_over_two_replicas() {
    const QUOTA: u64 = 50;
    let world = World::with(|draft| {
        draft.agreements.get_mut(&COURT).unwrap().quotas.checks_per_day = QUOTA;
    });
    let (a, b) = (world.start_with_lists().await, world.start().await);
    let mut first = Requester::new(&world, &a, "procurement").await;
    let enrolled = first.enroll(0, 100).await;
    let mut second = at(&world, &b, &first).await;
    // Each has counted before, and has to learn that the other goes on counting.
    first.ask(LISTS[0], COURT, &enrolled[0]).await.unwrap();
    second.ask(LISTS[0], COURT, &enrolled[1]).await.unwrap();
    let mut sends = Vec::new();
    for (n, group) in enrolled.chunks(5).enumerate() {
        let drafts: Vec<(_, &Enrolled)> = group.iter().map(|of| (first.draft(LISTS[0], COURT), of)).collect();
        let checks = first.prove(drafts);
        let (request, of) = (first.request(&checks), if n % 2 == 0 { &first } else { &second });
        let mut client = of.authorization();
        sends.push(tokio::spawn(async move {
            let answer = taken_up(client.authorize(request).await.unwrap().into_inner().outcome.unwrap());
            assert_eq!(records(&answer).len(), 5);
            words(&answer).into_iter().filter(Result::is_ok).count() as u64
        }));
    }
    let mut permitted = 2;
    for send in sends {
        permitted += send.await.unwrap();
    }
    assert_eq!(permitted, QUOTA);
    if world.db().await.dialect() == Dialect::Postgres {
        // Each shows what the other appended, without having appended anything since.
        for running in [&a, &b] {
            let mut seen = 0;
            for _ in 0..100 {
                seen = count(&world, running, "access").await;
                if seen as u64 == QUOTA {
                    break;
                }
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
            assert_eq!(seen as u64, QUOTA);
        }
    }
    a.stop().await;
    b.stop().await;
    // Opening compares every record with its leaf.
    let running = world.start().await;
    assert_eq!(count(&world, &running, "access").await as u64, QUOTA);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_record_names_the_newest_manifest_whichever_replica_logged_it() {
    let world = World::new();
    let (a, b) = (world.start_with_lists().await, world.start().await);
    let mut first = Requester::new(&world, &a, "procurement").await;
    let enrolled = first.enroll(0, 1).await;
    let mut second = at(&world, &b, &first).await;
    for version in 2..=7 {
        let by = if version % 3 == 0 { &b } else { &a };
        let outcome = world.publish(by, &manifest(LISTS[0], LIST_EPOCH, version)).await;
        assert!(matches!(outcome, publish_manifest_response::Outcome::Logged(_)), "{outcome:?}");
        for requester in [&mut first, &mut second] {
            let check = requester.check(LISTS[0], COURT, &enrolled[0]);
            let answer = requester.authorize(&[check]).await;
            let record = records(&answer).remove(0);
            let Record::Access(access) = record.record() else { panic!("{record:?}") };
            assert_eq!(access.lists[0].version, version);
        }
    }
    a.stop().await;
    b.stop().await;
}
