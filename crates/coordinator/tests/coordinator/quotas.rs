//! Quotas are exact, however the checks come.

use tacit_blind::enroll::Enrolled;
use tacit_wire::coordinator::{authorize_response::Outcome, item_outcome::Outcome as Item};

use crate::support::*;

/// Sends the checks of each group in one request, all requests at once; how many were permitted.
async fn at_once(
    requester: &mut Requester,
    list: &str,
    agreement: u64,
    groups: Vec<Vec<&Enrolled>>,
) -> usize {
    let mut sends = Vec::new();
    for group in groups {
        let drafts: Vec<_> = group.into_iter().map(|of| (requester.draft(list, agreement), of)).collect();
        let checks = requester.prove(drafts);
        let (mut client, request) = (requester.authorization(), requester.request(&checks));
        sends.push(tokio::spawn(async move {
            words(&taken_up(client.authorize(request).await.unwrap().into_inner().outcome.unwrap()))
        }));
    }
    let mut permitted = 0;
    for send in sends {
        for word in send.await.unwrap() {
            match word {
                Ok(()) => permitted += 1,
                Err(word) => assert!(word.starts_with("quota_"), "{word}"),
            }
        }
    }
    permitted
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_checks_of_a_day_are_exact_under_parallel_load() {
    let world = World::with(|draft| {
        draft.agreements.get_mut(&COURT).unwrap().quotas.checks_per_day = 100;
    });
    let running = world.start_with_lists().await;
    let mut requester = Requester::new(&world, &running, "procurement").await;
    let enrolled = requester.enroll(0, 160).await;
    let groups = enrolled.chunks(10).map(|group| group.iter().collect()).collect();
    assert_eq!(at_once(&mut requester, LISTS[0], COURT, groups).await, 100);
    assert_eq!(count(&world, &running, "access").await, 100);
    assert_eq!(count(&world, &running, "refused").await, 60);
    // The refusal says when more may be asked.
    let check = requester.check(LISTS[0], COURT, &enrolled[0]);
    let answer = requester.authorize(&[check]).await;
    let Some(Item::Refused(refused)) = &answer.checks[0].items[0].outcome else { panic!() };
    let refusal = refused.refusal.as_ref().unwrap();
    let midnight = (world.now().utc_day() + 1) * 86_400_000;
    assert_eq!(
        (refusal.reason.as_str(), refusal.remaining, refusal.resets_at_ms),
        ("quota_checks", 0, midnight)
    );
    // Another agreement has its own count, a restart does not forget, and at midnight UTC it begins anew.
    let mut tax = Requester::new(&world, &running, "tax").await;
    let of_tax = tax.enroll(0, 1).await;
    assert_eq!(tax.ask(LISTS[0], TAX, &of_tax[0]).await, Ok(()));
    running.stop().await;
    let running = world.start().await;
    requester.channel = world.channel_with(&running, requester.credentials.clone()).await;
    for (at, due) in [(midnight - 1, Err("quota_checks".to_owned())), (midnight, Ok(()))] {
        world.clock.set(tacit_model::Millis(at));
        requester.now = world.now();
        assert_eq!(requester.ask(LISTS[0], COURT, &enrolled[0]).await, due);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_checks_of_one_subject_are_exact_under_parallel_load() {
    let world = World::with(|draft| {
        draft.agreements.get_mut(&COURT).unwrap().quotas.per_subject_per_day = 7;
    });
    let running = world.start_with_lists().await;
    let mut requester = Requester::new(&world, &running, "procurement").await;
    let enrolled = requester.enroll(0, 3).await;
    // In requests of their own, and twice in one request.
    let groups = (0..10).map(|_| vec![&enrolled[0], &enrolled[1], &enrolled[0]]).collect();
    assert_eq!(at_once(&mut requester, LISTS[0], COURT, groups).await, 14);
    assert_eq!(requester.ask(LISTS[0], COURT, &enrolled[0]).await, Err("quota_subject".to_owned()));
    assert_eq!(requester.ask(LISTS[0], COURT, &enrolled[2]).await, Ok(()));
    requester.now = world.clock.advance_ms(86_400_000);
    assert_eq!(requester.ask(LISTS[0], COURT, &enrolled[0]).await, Ok(()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_check_costs_no_quota_and_a_repeated_one_only_once() {
    let world = World::with(|draft| {
        draft.agreements.get_mut(&COURT).unwrap().quotas.checks_per_day = 2;
    });
    let running = world.start_with_lists().await;
    let mut requester = Requester::new(&world, &running, "procurement").await;
    let enrolled = requester.enroll(0, 1).await;
    for _ in 0..3 {
        let mut draft = requester.draft(LISTS[0], COURT);
        draft.items[0].lists[0].epoch = 1;
        let checks = requester.prove(vec![(draft, &enrolled[0])]);
        assert_eq!(words(&requester.authorize(&checks).await), [Err("epoch_not_current".to_owned())]);
    }
    let check = requester.check(LISTS[0], COURT, &enrolled[0]);
    let request = requester.request(&[check]);
    for _ in 0..3 {
        assert_eq!(words(&taken_up(requester.send(request.clone()).await)), [Ok(())]);
    }
    assert_eq!(requester.ask(LISTS[0], COURT, &enrolled[0]).await, Ok(()));
    assert_eq!(requester.ask(LISTS[0], COURT, &enrolled[0]).await, Err("quota_checks".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_refusals_stops_filling_the_log_and_others_are_served() {
    let mut world = World::with(|draft| {
        draft.agreements.get_mut(&COURT).unwrap().quotas.checks_per_day = 1;
    });
    world.limits.refused_records_per_minute = 3;
    let running = world.start_with_lists().await;
    let mut flooding = Requester::new(&world, &running, "procurement").await;
    let mut honest = Requester::new(&world, &running, "tax").await;
    let (of_flooding, of_honest) = (flooding.enroll(0, 1).await, honest.enroll(0, 1).await);
    assert_eq!(flooding.ask(LISTS[0], COURT, &of_flooding[0]).await, Ok(()));
    let first = flooding.check(LISTS[0], COURT, &of_flooding[0]);
    let first = flooding.request(&[first]);
    let answered = flooding.send(first.clone()).await;
    for _ in 0..3 {
        let word = flooding.ask(LISTS[0], COURT, &of_flooding[0]).await;
        assert_eq!(word, Err("quota_checks".to_owned()));
    }
    for _ in 0..5 {
        let check = flooding.check(LISTS[0], COURT, &of_flooding[0]);
        let Outcome::Refusal(refusal) = flooding.send(flooding.request(&[check])).await else { panic!() };
        let next_minute = (world.now().0 / 60_000 + 1) * 60_000;
        assert_eq!((refusal.reason.as_str(), refusal.resets_at_ms), ("quota_rate", next_minute));
    }
    assert_eq!(count(&world, &running, "refused").await, 4);
    // What was answered is answered again, and another requester does not notice.
    assert_eq!(words(&taken_up(flooding.send(first).await)), words(&taken_up(answered)));
    assert_eq!(honest.ask(LISTS[0], TAX, &of_honest[0]).await, Ok(()));
    // The next minute is another one.
    flooding.now = world.clock.advance_ms(60_000);
    assert_eq!(flooding.ask(LISTS[0], COURT, &of_flooding[0]).await, Err("quota_checks".to_owned()));
    assert_eq!(count(&world, &running, "refused").await, 5);
}
