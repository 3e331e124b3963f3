//! Pseudonyms: keys, batches, quotas, counts.

use tacit_blind::group::{Point, SecretScalar};
use tacit_blind::oprf::{DleqProof, PseudonymKey, verify};
use tacit_custodian::{RegistryTrouble, StartError};
use tacit_identity::Role;
use tacit_model::Reason;
use tacit_model::entropy::os_rng;
use tacit_wire::custodian::evaluate_response::Outcome;
use tacit_wire::custodian::{EvaluateRequest, Evaluated};
use tacit_wire::{chunks32, concat32};

use crate::support::table::{reason, trouble};
use crate::support::{
    AUDITOR_CAP, AUTHORITY_CAP, HOLDER_CAP, NOW, Party, QUOTA, SEED, World, eventually, registry,
};

pub(crate) fn points(count: usize) -> Vec<[u8; 32]> {
    (0..count).map(|_| SecretScalar::random(&mut os_rng()).public().encode()).collect()
}

pub(crate) fn request(blinded: &[[u8; 32]]) -> EvaluateRequest {
    EvaluateRequest { epoch: 3, blinded: concat32(blinded), acting_for: String::new() }
}

pub(crate) async fn evaluate(party: &Party, request: EvaluateRequest) -> Result<Evaluated, Reason> {
    match party.pseudonyms().evaluate(request).await {
        Err(status) => Err(trouble(&status)),
        Ok(answer) => match answer.into_inner().outcome.unwrap() {
            Outcome::Evaluated(evaluated) => Ok(evaluated),
            Outcome::Refusal(refusal) => Err(reason(Some(refusal)).unwrap()),
        },
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_is_evaluated_under_the_requesters_own_key_with_one_proof() {
    let world = World::new().await;
    let blinded = points(17);
    let answer = evaluate(&world.node("procurement"), request(&blinded)).await.unwrap();
    let key = PseudonymKey::derive(&SEED, &"procurement".parse().unwrap(), 3).unwrap();
    let evaluated = Point::decode_all(&chunks32("evaluated", &answer.evaluated, 17).unwrap()).unwrap();
    let queries = Point::decode_all(&blinded).unwrap();
    let proof = DleqProof::decode_slice(&answer.dleq_proof).unwrap();
    verify(key.public(), &queries, &evaluated, &proof).unwrap();
    let other = PseudonymKey::derive(&SEED, &"customs".parse().unwrap(), 3).unwrap();
    verify(other.public(), &queries, &evaluated, &proof).unwrap_err();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_quota_is_exact_with_eight_parallel_batches() {
    let world = World::new().await;
    let party = world.node("procurement");
    // Eight times three of twenty: six fit, and then two more subjects do.
    let outcomes = futures::future::join_all((0..8).map(|_| evaluate(&party, request(&points(3))))).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count() as u64, QUOTA / 3);
    assert!(
        outcomes.iter().flat_map(|outcome| outcome.as_ref().err()).all(|r| *r == Reason::QuotaNewSubjects)
    );
    let answer = party.pseudonyms().evaluate(request(&points(3))).await.unwrap().into_inner();
    let Some(Outcome::Refusal(refusal)) = answer.outcome else { panic!("over the quota") };
    assert_eq!(refusal.remaining, QUOTA % 3);
    assert_eq!(refusal.resets_at_ms, (NOW.0 / 86_400_000 + 1) * 86_400_000);
    assert!(evaluate(&party, request(&points(2))).await.is_ok());
    assert_eq!(evaluate(&party, request(&points(1))).await.err(), Some(Reason::QuotaNewSubjects));
    world.clock.advance_ms(2 * 86_400_000);
    assert!(evaluate(&party, request(&points(3))).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_jumps_to_another_day_brings_no_other_quota() {
    let world = World::new().await;
    let party = world.node("procurement");
    let all = points(usize::try_from(QUOTA).unwrap());
    assert!(evaluate(&party, request(&all)).await.is_ok());
    let witness = world.custodian.as_ref().unwrap().witness.clone();
    eventually("a quorum has spoken", async || witness.standing().quorum.is_some()).await;
    for days in [1, 2] {
        for forward in [true, false] {
            let ms = days * 86_400_000;
            world.clock.jump_to(if forward { NOW.plus_ms(ms) } else { NOW.minus_ms(ms) });
            assert_eq!(evaluate(&party, request(&points(1))).await.err(), Some(Reason::ClockOff));
            world.clock.jump_to(NOW);
        }
    }
    // What the quorum said meanwhile was heard at another time; it speaks again.
    let refused = async || evaluate(&party, request(&points(1))).await.err();
    eventually("the clock is right again", async || refused().await != Some(Reason::ClockOff)).await;
    assert_eq!(refused().await, Some(Reason::QuotaNewSubjects));
    assert!(evaluate(&party, request(&all)).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeated_subject_costs_nothing_and_a_refused_batch_counts_nothing() {
    let mut world = World::new().await;
    let known = points(usize::try_from(QUOTA).unwrap() - 2);
    assert!(evaluate(&world.node("procurement"), request(&known)).await.is_ok());
    world.restart().await;
    let party = world.node("procurement");
    for _ in 0..3 {
        assert!(evaluate(&party, request(&known)).await.is_ok());
    }
    let mixed = [&known[..5], &points(3)].concat();
    assert_eq!(evaluate(&party, request(&mixed)).await.err(), Some(Reason::QuotaNewSubjects));
    // Another requester's evaluation of the same point is its own, and it has no agreement.
    assert_eq!(
        evaluate(&world.node("customs"), request(&known[..1])).await.err(),
        Some(Reason::QuotaNewSubjects)
    );
    assert!(evaluate(&party, request(&mixed[..7])).await.is_ok());
    assert_eq!(evaluate(&party, request(&points(1))).await.err(), Some(Reason::QuotaNewSubjects));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_holder_has_its_own_subjects_evaluated_up_to_a_cap_and_none_beside_its_quota_when_it_asks_too() {
    let world = World::new().await;
    let court = world.node("court");
    let all = points(usize::try_from(HOLDER_CAP).unwrap());
    let answer = evaluate(&court, request(&all)).await.unwrap();
    let key = PseudonymKey::derive(&SEED, &"court".parse().unwrap(), 3).unwrap();
    let evaluated = Point::decode_all(&chunks32("evaluated", &answer.evaluated, all.len()).unwrap()).unwrap();
    let proof = DleqProof::decode_slice(&answer.dleq_proof).unwrap();
    verify(key.public(), &Point::decode_all(&all).unwrap(), &evaluated, &proof).unwrap();
    assert_eq!(evaluate(&court, request(&points(1))).await.err(), Some(Reason::QuotaNewSubjects));
    assert!(evaluate(&court, request(&all)).await.is_ok(), "a repeated subject costs nothing");
    // Its own alone; and one that asks too gets no more so than its agreements allow, which is nothing here: a sweep
    // would have no other bound.
    let acting = EvaluateRequest { acting_for: "procurement".to_owned(), ..request(&all) };
    assert_eq!(evaluate(&court, acting).await.err(), Some(Reason::WrongRole));
    let customs = evaluate(&world.node("customs"), request(&points(1))).await;
    assert_eq!(customs.err(), Some(Reason::QuotaNewSubjects));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_known_from_another_epoch_costs_nothing_in_this_one() {
    let world = World::new().await;
    let party = world.node("procurement");
    let before = |blinded: &[[u8; 32]]| EvaluateRequest { epoch: 2, ..request(blinded) };
    let all = points(usize::try_from(QUOTA).unwrap());
    let in_both = evaluate(&party, before(&all)).await.unwrap();
    // The quota is used up, and the same people are evaluated under the new key, to other points.
    let now = evaluate(&party, request(&all)).await.unwrap();
    assert_ne!(in_both.evaluated, now.evaluated);
    assert_eq!(evaluate(&party, request(&points(1))).await.err(), Some(Reason::QuotaNewSubjects));
    // Nor does it count twice for an authority.
    let portal = world.party(Role::Authority, "portal");
    let acting = |epoch, blinded: &[[u8; 32]]| EvaluateRequest {
        epoch,
        acting_for: "procurement".to_owned(),
        ..request(blinded)
    };
    let cap = usize::try_from(AUTHORITY_CAP).unwrap();
    let users = points(cap);
    for epoch in [2, 3, 2] {
        assert!(evaluate(&portal, acting(epoch, &users)).await.is_ok());
    }
    assert_eq!(evaluate(&portal, acting(3, &points(1))).await.err(), Some(Reason::QuotaNewSubjects));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_authority_acts_for_requesters_under_its_own_cap() {
    let world = World::new().await;
    let portal = world.party(Role::Authority, "portal");
    let acting = |requester: &str, blinded: &[[u8; 32]]| EvaluateRequest {
        acting_for: requester.to_owned(),
        ..request(blinded)
    };
    let cap = usize::try_from(AUTHORITY_CAP).unwrap();
    let first = points(cap - 1);
    assert!(evaluate(&portal, acting("procurement", &first)).await.is_ok());
    assert_eq!(evaluate(&portal, acting("customs", &points(2))).await.err(), Some(Reason::QuotaNewSubjects));
    assert!(evaluate(&portal, acting("customs", &points(1))).await.is_ok());
    assert!(evaluate(&portal, acting("procurement", &first)).await.is_ok());
    assert_eq!(evaluate(&portal, acting("nobody", &first)).await.err(), Some(Reason::UnknownMember));
    // For itself it asks under a key of its own, which this registry has not.
    assert_eq!(evaluate(&portal, request(&points(1))).await.err(), Some(Reason::EpochNotCurrent));
    // The requester's own quota is untouched, and a node acts for nobody.
    let party = world.node("procurement");
    assert!(evaluate(&party, request(&points(usize::try_from(QUOTA).unwrap()))).await.is_ok());
    assert_eq!(evaluate(&party, acting("customs", &points(1))).await.err(), Some(Reason::WrongRole));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_auditor_acts_for_requesters_under_a_small_cap_and_never_for_itself() {
    let world = World::new().await;
    let auditor = world.party(Role::Auditor, "auditor-a");
    let acting = |requester: &str, blinded: &[[u8; 32]]| EvaluateRequest {
        acting_for: requester.to_owned(),
        ..request(blinded)
    };
    let cap = usize::try_from(AUDITOR_CAP).unwrap();
    let first = points(cap);
    assert!(evaluate(&auditor, acting("procurement", &first)).await.is_ok());
    assert_eq!(evaluate(&auditor, acting("customs", &points(1))).await.err(), Some(Reason::QuotaNewSubjects));
    assert!(evaluate(&auditor, acting("procurement", &first)).await.is_ok());
    assert_eq!(evaluate(&auditor, request(&first)).await.err(), Some(Reason::UnknownMember));
    assert_eq!(evaluate(&auditor, acting("nobody", &first)).await.err(), Some(Reason::UnknownMember));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_batches_are_refused_and_cost_nothing() {
    let world = World::new().await;
    let party = world.node("procurement");
    let good = points(2);
    let twice = [good[0], good[1], good[0]];
    let identity = [[0; 32]];
    let not_canonical = [[0xff; 32]];
    for blinded in [&[][..], &twice, &identity, &not_canonical, &points(1025)] {
        assert_eq!(evaluate(&party, request(blinded)).await.err(), Some(Reason::Malformed));
    }
    let ragged = EvaluateRequest { blinded: vec![1; 33].into(), ..request(&[]) };
    assert_eq!(evaluate(&party, ragged).await.err(), Some(Reason::Malformed));
    let other_epoch = EvaluateRequest { epoch: 4, ..request(&good) };
    assert_eq!(evaluate(&party, other_epoch).await.err(), Some(Reason::EpochNotCurrent));
    assert_eq!(evaluate(&world.node("stranger"), request(&good)).await.err(), Some(Reason::UnknownMember));
    assert!(evaluate(&party, request(&points(usize::try_from(QUOTA).unwrap()))).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn enrollment_counts_reach_the_log_and_only_when_they_rose() {
    let mut world = World::new().await;
    let party = world.node("procurement");
    let portal = world.party(Role::Authority, "portal");
    let acting = EvaluateRequest { acting_for: "procurement".to_owned(), ..request(&points(2)) };
    assert!(evaluate(&portal, acting).await.is_ok());
    assert!(evaluate(&party, request(&points(4))).await.is_ok());
    // What an authority had evaluated is counted under its own name, for whichever requester.
    let expected = [("portal".to_owned(), 3, 2), ("procurement".to_owned(), 3, 4)];
    let reports = || {
        let mut reports = world.log.reports();
        reports.sort();
        reports
    };
    eventually("the counts are reported", async || reports() == expected).await;
    let unreported = "SELECT COUNT(*) FROM enrollment WHERE reported < subjects";
    eventually("it is known to be reported", async || world.count(unreported).await == 0).await;
    world.restart().await;
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    assert_eq!(world.log.reports().len(), 2);
    assert!(evaluate(&world.node("procurement"), request(&points(1))).await.is_ok());
    eventually("the new count is reported", async || world.log.reports().len() == 3).await;
    assert_eq!(world.log.reports()[2].2, 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_seed_that_does_not_give_the_published_keys_stops_the_start() {
    let mut world = World::without_custodian().await;
    world.write_seed(&"07".repeat(32));
    let error = world.start().await.unwrap_err();
    assert!(matches!(error, StartError::Registry(RegistryTrouble::KeyDiffers { epoch: 3, .. })), "{error}");
    world.write_seed("07");
    assert!(matches!(world.start().await.unwrap_err(), StartError::SeedForm { .. }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registry_with_other_keys_is_never_taken_over_and_a_good_one_is() {
    let world = World::new().await;
    let party = world.node("procurement");
    world.log.set_registry(registry::file(&[7; 32], 2), 2);
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    let blinded = points(1);
    let before = evaluate(&party, request(&blinded)).await.unwrap().evaluated;
    world.log.set_registry(registry::file(&SEED, 3), 3);
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert_eq!(evaluate(&party, request(&blinded)).await.unwrap().evaluated, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_custodian_that_knows_a_registry_starts_without_the_coordinator() {
    let mut world = World::new().await;
    world.lose_coordinator();
    world.restart().await;
    assert!(evaluate(&world.node("procurement"), request(&points(2))).await.is_ok());
}
