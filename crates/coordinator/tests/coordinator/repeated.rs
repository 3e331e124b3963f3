//! The same request again, and parts of a request again.

use tacit_blind::{check::prove_checks, enroll::Enrolled};
use tacit_ledger::record::Record;
use tacit_model::entropy;
use tacit_wire::coordinator as pb;

use crate::support::*;

async fn enrolled(world: &World, running: &Running) -> (Requester, Vec<Enrolled>) {
    let mut requester = Requester::new(world, running, "procurement").await;
    let enrolled = requester.enroll(0, 2).await;
    (requester, enrolled)
}

fn bytes(answer: &pb::Authorized) -> Vec<(u64, Vec<u8>)> {
    raw_records(answer).iter().map(|record| (record.index, record.record.to_vec())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_bytes_get_the_same_records_and_no_second_one() {
    let world = World::new();
    let running = world.start_with_lists().await;
    let (mut requester, enrolled) = enrolled(&world, &running).await;
    let permitted = requester.check(LISTS[0], COURT, &enrolled[0]);
    let refused = requester.check(LISTS[0], TAX, &enrolled[1]);
    let request = requester.request(&[permitted, refused]);
    let first = taken_up(requester.send(request.clone()).await);
    assert_eq!(words(&first), [Ok(()), Err("not_permitted".to_owned())]);
    let size = entries(&world, &running).await.len();
    // Also later, as long as the permit lives, although it is no longer fresh, and beside other requests.
    requester.ask(LISTS[0], COURT, &enrolled[1]).await.unwrap();
    world.clock.advance_ms(59_999);
    let again = taken_up(requester.send(request.clone()).await);
    assert_eq!(bytes(&again), bytes(&first));
    assert_eq!(words(&again), words(&first));
    records(&again);
    assert_eq!(entries(&world, &running).await.len(), size + 1);
    // Then it is over, and still leaves no record.
    world.clock.advance_ms(1);
    assert_eq!(crate::support::refused(requester.send(request).await), "not_fresh");
    assert_eq!(entries(&world, &running).await.len(), size + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_same_bytes_at_the_same_time_get_one_record() {
    let world = World::new();
    let running = world.start_with_lists().await;
    let (mut requester, enrolled) = enrolled(&world, &running).await;
    for _ in 0..10 {
        let size = entries(&world, &running).await.len();
        let check = requester.check(LISTS[0], COURT, &enrolled[0]);
        let request = requester.request(&[check]);
        let sends = (0..16).map(|_| {
            let (mut client, request) = (requester.authorization(), request.clone());
            tokio::spawn(async move { client.authorize(request).await.unwrap().into_inner() })
        });
        let mut answers = Vec::new();
        for send in sends.collect::<Vec<_>>() {
            answers.push(taken_up(send.await.unwrap().outcome.unwrap()));
        }
        assert_eq!(words(&answers[0]), [Ok(())]);
        for answer in &answers {
            assert_eq!(bytes(answer), bytes(&answers[0]));
            records(answer);
        }
        assert_eq!(entries(&world, &running).await.len(), size + 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_bytes_after_a_restart_get_the_same_records() {
    let world = World::new();
    let running = world.start_with_lists().await;
    let (mut requester, enrolled) = enrolled(&world, &running).await;
    let check = requester.check(LISTS[0], COURT, &enrolled[0]);
    let request = requester.request(&[check]);
    let first = taken_up(requester.send(request.clone()).await);
    running.stop().await;
    let running = world.start().await;
    requester.channel = world.channel_with(&running, requester.credentials.clone()).await;
    let again = taken_up(requester.send(request).await);
    assert_eq!(bytes(&again), bytes(&first));
    // And what was used stays used.
    let size = entries(&world, &running).await.len();
    let mut draft = requester.draft(LISTS[0], COURT);
    draft.nonce = {
        let context = first_context(&first, &world, &running).await;
        context.nonce
    };
    let checks = requester.prove(vec![(draft, &enrolled[0])]);
    assert_eq!(words(&requester.authorize(&checks).await), [Err("nonce_reused".to_owned())]);
    assert_eq!(entries(&world, &running).await.len(), size + 1);
}

async fn first_context(
    answer: &pb::Authorized,
    world: &World,
    _: &Running,
) -> tacit_blind::check::CheckContext {
    let index = raw_records(answer)[0].index;
    let opening = crate::openings::opening(world, index).await;
    tacit_blind::check::CheckContext::parse(&opening.context).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repetition_survives_that_its_subject_was_registered_anew() {
    let world = World::new();
    let running = world.start_with_lists().await;
    let (mut requester, enrolled) = enrolled(&world, &running).await;
    let check = requester.check(LISTS[0], COURT, &enrolled[0]);
    let request = requester.request(&[check]);
    let first = taken_up(requester.send(request.clone()).await);
    let renewed = requester.enroll(0, 1).await;
    assert_eq!(renewed[0].pseudonym(), enrolled[0].pseudonym());
    assert_ne!(renewed[0].blinded_subject(), enrolled[0].blinded_subject());
    assert_eq!(bytes(&taken_up(requester.send(request).await)), bytes(&first));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_nonce_is_used_once_also_inside_one_request() {
    let world = World::new();
    let running = world.start_with_lists().await;
    let (mut requester, enrolled) = enrolled(&world, &running).await;
    let first = requester.draft(LISTS[0], COURT);
    let again = requester.draft(LISTS[0], COURT);
    let again = tacit_blind::check::CheckDraft { nonce: first.nonce, ..again };
    let elsewhere = tacit_blind::check::CheckDraft { nonce: first.nonce, ..requester.draft(LISTS[1], COURT) };
    let checks = requester.prove(vec![(first, &enrolled[0]), (again, &enrolled[1])]);
    let answer = requester.authorize(&checks).await;
    assert_eq!(words(&answer), [Ok(()), Err("nonce_reused".to_owned())]);
    assert!(matches!(records(&answer)[1].record(), Record::Refused(_)), "it is on record");
    let checks = requester.prove(vec![(elsewhere.clone(), &enrolled[0])]);
    assert_eq!(words(&requester.authorize(&checks).await), [Err("nonce_reused".to_owned())]);
    // Nonces are a requester's own.
    let mut tax = Requester::new(&world, &running, "tax").await;
    let of_tax = tax.enroll(0, 1).await;
    let draft = tacit_blind::check::CheckDraft { nonce: elsewhere.nonce, ..tax.draft(LISTS[0], TAX) };
    let checks = tax.prove(vec![(draft, &of_tax[0])]);
    assert_eq!(words(&tax.authorize(&checks).await), [Ok(())]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blinded_query_is_used_once() {
    let world = World::new();
    let running = world.start_with_lists().await;
    let (mut requester, enrolled) = enrolled(&world, &running).await;
    let mut answers = Vec::new();
    for _ in 0..3 {
        let draft = requester.draft(LISTS[0], COURT);
        // The same randomness gives the same w, and with it the same M.
        let checks = prove_checks(vec![(draft, &enrolled[0])], &mut entropy::seeded_rng([9; 32])).unwrap();
        answers.push(requester.authorize(&checks).await);
    }
    assert_eq!(words(&answers[0]), [Ok(())]);
    for answer in &answers[1..] {
        assert_eq!(words(answer), [Err("query_reused".to_owned())]);
        assert!(matches!(records(answer)[0].record(), Record::Refused(_)), "it is on record");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_became_of_a_request_is_told_to_its_requester_alone() {
    let world = World::new();
    let running = world.start_with_lists().await;
    let (mut requester, enrolled) = enrolled(&world, &running).await;
    let checks = [requester.check(LISTS[0], COURT, &enrolled[0])];
    let request = requester.request(&checks);
    let fingerprint = fingerprint(&request);
    let recall = |client: &Requester| {
        let (mut client, request_hash) = (client.authorization(), fingerprint.to_vec().into());
        async move {
            client
                .recall(pb::RecallRequest { request_hash, cosigned_size: 0 })
                .await
                .unwrap()
                .into_inner()
                .response
        }
    };
    assert_eq!(recall(&requester).await, None);
    let first = taken_up(requester.send(request).await);
    // Also long after: the answer may have been lost with the machine.
    world.clock.advance_ms(3_600_000);
    let recalled = taken_up(recall(&requester).await.unwrap().outcome.unwrap());
    assert_eq!(bytes(&recalled), bytes(&first));
    records(&recalled);
    let tax = Requester::new(&world, &running, "tax").await;
    assert_eq!(recall(&tax).await, None);
}

fn fingerprint(request: &pb::AuthorizeRequest) -> [u8; 32] {
    let checks = request.checks.iter().map(|check| tacit_blind::check::CheckIn {
        pseudonym: check.pseudonym.as_ref().try_into().unwrap(),
        context: check.context.to_vec(),
        proof: check.proof.as_ref().try_into().unwrap(),
    });
    let arrived = tacit_blind::check::AuthorizeIn {
        checks: checks.collect(),
        signature: request.signature.as_ref().try_into().unwrap(),
    };
    arrived.parse().unwrap().fingerprint()
}
