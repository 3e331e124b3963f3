//! Each quota of an agreement, used up by many at once at two replicas: as many permits as it says, and a record of
//! every refusal that says why. What is compared is the log itself and what opens it.

use std::collections::BTreeMap;

use tacit_ledger::record::Record;
use tacit_policy::registry::entry::Quotas;
use tacit_wire::coordinator::{self as pb, item_outcome::Outcome as Item};

use crate::{
    openings::{Opened, opening_in},
    support::*,
};

/// Of each subject this often.
const TIMES: usize = 8;
const SUBJECTS: usize = 12;

/// One quota, how many permits it lets through, and the words of a refusal.
struct Case {
    quota: fn(&mut Quotas),
    permits: usize,
    public: &'static str,
    exact: &'static str,
    rule: &'static str,
    /// When there is more, from when the checks were made.
    more_after_ms: fn(u64) -> u64,
}

fn next_midnight(now: u64) -> u64 {
    (now / 86_400_000 + 1) * 86_400_000
}

fn next_minute(now: u64) -> u64 {
    (now / 60_000 + 1) * 60_000
}

/// A request about several subjects, some of them more than once, and both replicas at once.
async fn swarm(world: &World, case: &Case) -> Vec<pb::Authorized> {
    let (a, b) = (world.start_with_lists().await, world.start().await);
    let mut requester = Requester::new(world, &a, "procurement").await;
    let enrolled = requester.enroll(0, SUBJECTS).await;
    let there = world.channel_with(&b, requester.credentials.clone()).await;
    let mut second = Requester::new(world, &b, "procurement").await;
    (second.credentials, second.channel) = (requester.credentials.clone(), there);
    // Each has counted before, and has to learn that the other goes on counting.
    let mut answers = Vec::new();
    for (by, of) in [(&mut requester, &enrolled[0]), (&mut second, &enrolled[1])] {
        let check = by.check(LISTS[0], COURT, of);
        answers.push(by.authorize(&[check]).await);
    }
    // Every subject is asked about as often as every other one.
    let asked: Vec<_> = (2..SUBJECTS * TIMES).map(|n| &enrolled[n % SUBJECTS]).collect();
    let mut sends = Vec::new();
    for (n, group) in asked.chunks(3).enumerate() {
        let drafts = group.iter().map(|of| (requester.draft(LISTS[0], COURT), *of)).collect();
        let checks = requester.prove(drafts);
        let request = requester.request(&checks);
        // Every fourth request comes to both, and is decided once.
        for by in [&requester, &second].into_iter().skip(n % 2).take(if n % 4 == 0 { 2 } else { 1 }) {
            let (mut client, request) = (by.authorization(), request.clone());
            sends.push((
                n,
                tokio::spawn(async move { client.authorize(request).await.unwrap().into_inner() }),
            ));
        }
    }
    let mut decided = BTreeMap::new();
    for (n, send) in sends {
        let answer = taken_up(send.await.unwrap().outcome.unwrap());
        let words = words(&answer);
        let first = decided.entry(n).or_insert(answer);
        assert_eq!(crate::support::words(first), words, "a repetition is the same decision");
    }
    answers.extend(decided.into_values());
    assert_eq!(answers.iter().map(|it| words(it).len()).sum::<usize>(), SUBJECTS * TIMES);
    for answer in &answers {
        refusals_say_when(world, case, answer);
    }
    a.stop().await;
    b.stop().await;
    answers
}

fn refusals_say_when(world: &World, case: &Case, answer: &pb::Authorized) {
    for item in answer.checks.iter().flat_map(|check| &check.items) {
        let Some(Item::Refused(refused)) = &item.outcome else { continue };
        let refusal = refused.refusal.as_ref().unwrap();
        let due = (case.public, 0, (case.more_after_ms)(world.now().0));
        assert_eq!((refusal.reason.as_str(), refusal.remaining, refusal.resets_at_ms), due);
    }
}

async fn exactly(case: Case) {
    let quota = case.quota;
    let world = World::with(|draft| quota(&mut draft.agreements.get_mut(&COURT).unwrap().quotas));
    let answers = swarm(&world, &case).await;
    // Opening compares every record with its leaf.
    let running = world.start().await;
    let log = entries(&world, &running).await;
    let db = world.db().await;
    let mut of_subject: BTreeMap<[u8; 32], usize> = BTreeMap::new();
    let (mut permits, mut refusals) = (0, 0);
    for (index, record) in (0..).zip(&log) {
        match record {
            Record::Access(_) => {
                permits += 1;
                let Opened { exact, agreement, blinded_subject, .. } = opening_in(&db, index).await;
                assert_eq!((exact.as_str(), agreement), ("", ulid(COURT).to_string()));
                *of_subject.entry(blinded_subject).or_default() += 1;
            }
            Record::Refused(refused) => {
                refusals += 1;
                let Opened { exact, rules, .. } = opening_in(&db, index).await;
                assert_eq!((refused.reason.as_str(), exact.as_str()), (case.public, case.exact));
                assert_eq!(rules, case.rule);
            }
            _ => {}
        }
    }
    assert_eq!((permits, refusals), (case.permits, SUBJECTS * TIMES - case.permits), "{}", case.exact);
    if case.exact == "quota_subject" {
        assert_eq!(of_subject.into_values().collect::<Vec<_>>(), [case.permits / SUBJECTS; SUBJECTS]);
    }
    // Nothing else was told than what is in the log.
    let told = answers.iter().flat_map(records).inspect(|record| {
        let place = usize::try_from(record.index()).unwrap();
        assert_eq!(record.record(), &log[place]);
    });
    assert_eq!(told.count(), SUBJECTS * TIMES);
    drop(db);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_checks_of_a_day_are_exact_over_two_replicas_and_each_refusal_is_on_record() {
    exactly(Case {
        quota: |quotas| quotas.checks_per_day = 40,
        permits: 40,
        public: "quota_checks",
        exact: "quota_checks",
        rule: "quota-checks",
        more_after_ms: next_midnight,
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_checks_of_a_minute_are_exact_over_two_replicas_and_each_refusal_is_on_record() {
    exactly(Case {
        quota: |quotas| quotas.checks_per_minute = Some(40),
        permits: 40,
        public: "quota_rate",
        exact: "quota_burst",
        rule: "quota-per-minute",
        more_after_ms: next_minute,
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_checks_of_each_subject_are_exact_over_two_replicas_and_each_refusal_is_on_record() {
    exactly(Case {
        quota: |quotas| quotas.per_subject_per_day = 3,
        permits: 3 * SUBJECTS,
        public: "quota_subject",
        exact: "quota_subject",
        rule: "quota-subject",
        more_after_ms: next_midnight,
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_burst_begins_anew_with_each_minute_whichever_replica_counts_and_is_not_forgotten() {
    let world = World::with(|draft| {
        let quotas = &mut draft.agreements.get_mut(&COURT).unwrap().quotas;
        (quotas.checks_per_minute, quotas.checks_per_day) = (Some(2), 7);
    });
    let (a, b) = (world.start_with_lists().await, world.start().await);
    let mut first = Requester::new(&world, &a, "procurement").await;
    let enrolled = first.enroll(0, 1).await;
    let mut second = Requester::new(&world, &b, "procurement").await;
    second.channel = world.channel_with(&b, first.credentials.clone()).await;
    second.credentials = first.credentials.clone();
    let burst = || Err("quota_rate".to_owned());
    for n in 0..2 {
        let by = [&mut first, &mut second];
        for by in by {
            by.now = world.now();
            assert_eq!(by.ask(LISTS[0], COURT, &enrolled[0]).await, Ok(()), "minute {n}");
        }
        for by in [&mut second, &mut first] {
            assert_eq!(by.ask(LISTS[0], COURT, &enrolled[0]).await, burst(), "minute {n}");
        }
        // The last moment of a minute is of it.
        world.clock.set(tacit_model::Millis(next_minute(world.now().0) - 1));
        first.now = world.now();
        assert_eq!(first.ask(LISTS[0], COURT, &enrolled[0]).await, burst(), "minute {n}");
        world.clock.advance_ms(1);
    }
    // One in the third minute; neither a restart nor another agreement changes what is left of it.
    second.now = world.now();
    assert_eq!(second.ask(LISTS[0], COURT, &enrolled[0]).await, Ok(()));
    a.stop().await;
    b.stop().await;
    let running = world.start().await;
    let mut tax = Requester::new(&world, &running, "tax").await;
    let of_tax = tax.enroll(0, 1).await;
    for _ in 0..3 {
        assert_eq!(
            tax.ask(LISTS[0], TAX, &of_tax[0]).await,
            Ok(()),
            "no burst is agreed with the tax office"
        );
    }
    first.channel = world.channel_with(&running, first.credentials.clone()).await;
    first.now = world.now();
    for due in [Ok(()), burst()] {
        assert_eq!(first.ask(LISTS[0], COURT, &enrolled[0]).await, due);
    }
    // The day counts on beside the minutes, and is what is told when both are used up.
    first.now = world.clock.advance_ms(60_000);
    for due in [Ok(()), Err("quota_checks".to_owned())] {
        assert_eq!(first.ask(LISTS[0], COURT, &enrolled[0]).await, due);
    }
    running.stop().await;
}
