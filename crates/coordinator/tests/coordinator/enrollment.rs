//! Register: one evaluation gives one pseudonym, for ever.

use tacit_blind::{
    enroll::{Blinded, Enrollment},
    group::SecretScalar,
    oprf::PseudonymKey,
};
use tacit_model::entropy;
use tacit_wire::coordinator::{self as pb, register_response::Outcome};

use crate::support::*;

async fn setting() -> (World, Running, Requester) {
    let world = World::new();
    let running = world.start_with_lists().await;
    let requester = Requester::new(&world, &running, "procurement").await;
    (world, running, requester)
}

fn word(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Registered(_) => "registered",
        Outcome::Refusal(refusal) => &refusal.reason,
    }
}

/// The same evaluation, unblinded with another factor: another pseudonym, with a proof that holds.
fn alias(batch: &Batch, requester: &mut Requester) -> Batch {
    let blinded = batch.enrollments.iter().map(|enrollment| {
        Blinded::from_parts(SecretScalar::random(&mut entropy::os_rng()), *enrollment.blinded_subject())
    });
    requester.evaluate(blinded.collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_evaluation_does_not_give_a_second_pseudonym() {
    let (_world, _running, mut requester) = setting().await;
    let blinded = requester.blind(0, 2);
    let batch = requester.evaluate(blinded);
    let request = requester.register_request(&batch);
    assert_eq!(word(&requester.register(request).await), "registered");
    let alias = alias(&batch, &mut requester);
    assert_ne!(alias.enrollments[0].pseudonym(), batch.enrollments[0].pseudonym());
    let request = requester.register_request(&alias);
    assert_eq!(word(&requester.register(request).await), "enrolled_otherwise");
    // The aliases stay unknown.
    let of = alias.enrollments[0].to_enrolled();
    assert_eq!(requester.ask(LISTS[0], COURT, &of).await, Err("not_enrolled".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_evaluation_stays_taken_after_its_pseudonym_moved_on() {
    let (_world, _running, mut requester) = setting().await;
    let blinded = requester.blind(0, 1);
    let first = requester.evaluate(blinded);
    let request = requester.register_request(&first);
    assert_eq!(word(&requester.register(request).await), "registered");
    // The same subject under a new Ph: the same pseudonym.
    let renewed = requester.enroll(0, 1).await;
    assert_eq!(*renewed[0].pseudonym(), first.enrollments[0].pseudonym().encode());
    // The first evaluation is no longer used, and still gives no other pseudonym.
    let alias = alias(&first, &mut requester);
    let request = requester.register_request(&alias);
    assert_eq!(word(&requester.register(request).await), "enrolled_otherwise");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_pseudonym_with_a_new_blinding_replaces_the_old_one() {
    let (world, _running, mut requester) = setting().await;
    let old = requester.enroll(0, 1).await;
    let new = requester.enroll(0, 1).await;
    assert_eq!(old[0].pseudonym(), new[0].pseudonym());
    let check = requester.check(LISTS[0], COURT, &old[0]);
    assert_eq!(words(&requester.authorize(&[check]).await), [Err("proof_invalid".to_owned())]);
    requester.ask(LISTS[0], COURT, &new[0]).await.unwrap();
    // Both registrations are kept: evidence of older checks names the older one.
    let db = world.db().await;
    let mut conn = db.read().await.unwrap();
    let row = sqlx::query(
        "SELECT COUNT(*), COUNT(DISTINCT pseudonym), (SELECT COUNT(*) FROM pseudonym) FROM registration",
    );
    let row = row.fetch_one(&mut *conn).await.unwrap();
    let counts: [i64; 3] = [0, 1, 2].map(|column| sqlx::Row::get(&row, column));
    assert_eq!(counts, [2, 1, 1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registration_repeated_after_a_lost_answer_changes_nothing() {
    let (world, _running, mut requester) = setting().await;
    let blinded = requester.blind(0, 2);
    let batch = requester.evaluate(blinded);
    for _ in 0..2 {
        // Fresh proofs: the same values, other bytes.
        let request = requester.register_request(&batch);
        assert_eq!(word(&requester.register(request).await), "registered");
    }
    let of: Vec<_> = batch.enrollments.iter().map(Enrollment::to_enrolled).collect();
    requester.ask(LISTS[0], COURT, &of[0]).await.unwrap();
    let db = world.db().await;
    let mut conn = db.read().await.unwrap();
    let row = sqlx::query("SELECT COUNT(*) FROM registration").fetch_one(&mut *conn).await.unwrap();
    assert_eq!(sqlx::Row::get::<i64, _>(&row, 0), 2);
    // Back to the first pair, after another one: the pair keeps the registration it had.
    let renewed = requester.enroll(0, 1).await;
    requester.ask(LISTS[0], COURT, &renewed[0]).await.unwrap();
    let request = requester.register_request(&batch);
    assert_eq!(word(&requester.register(request).await), "registered");
    requester.ask(LISTS[0], COURT, &of[0]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_is_registered_whole_or_not_at_all() {
    let (_world, _running, mut requester) = setting().await;
    let blinded = requester.blind(0, 1);
    let taken = requester.evaluate(blinded);
    let request = requester.register_request(&taken);
    requester.register(request).await;
    // Two new subjects, and between them an alias of the one that is registered.
    let mut blinded = requester.blind(1, 2);
    let alias = Blinded::from_parts(
        SecretScalar::random(&mut entropy::os_rng()),
        *taken.enrollments[0].blinded_subject(),
    );
    blinded.insert(1, alias);
    let batch = requester.evaluate(blinded);
    let request = requester.register_request(&batch);
    assert_eq!(word(&requester.register(request).await), "enrolled_otherwise");
    for place in [0, 2] {
        let of = batch.enrollments[place].to_enrolled();
        assert_eq!(requester.ask(LISTS[0], COURT, &of).await, Err("not_enrolled".to_owned()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_custodian_did_not_evaluate_for_this_requester_is_refused() {
    let (world, running, mut requester) = setting().await;
    let blinded = requester.blind(0, 3);
    let batch = requester.evaluate(blinded);
    let good = requester.register_request(&batch);
    let change = |change: &dyn Fn(&mut pb::RegisterRequest)| {
        let mut request = good.clone();
        change(&mut request);
        request
    };
    for (case, request, due) in [
        ("an entry left out", change(&|request| drop(request.entries.pop())), "proof_invalid"),
        ("another order", change(&|request| request.entries.swap(0, 1)), "proof_invalid"),
        ("an entry twice", change(&|request| request.entries[1] = request.entries[0].clone()), "malformed"),
        ("no entry", change(&|request| request.entries.clear()), "malformed"),
        ("another epoch", change(&|request| request.epoch += 1), "epoch_not_current"),
        ("a short box", change(&|request| request.entries[0].audit_box.truncate(100)), "malformed"),
        (
            "another box",
            change(&|request| request.entries[0].audit_box = vec![1; 608].into()),
            "proof_invalid",
        ),
        (
            "somebody else's proof",
            change(&|request| request.entries[0].proof = request.entries[1].proof.clone()),
            "proof_invalid",
        ),
    ] {
        assert_eq!(word(&requester.register(request).await), due, "{case}");
    }
    // Another requester's batch, and one under a key that is not the custodian's.
    let mut tax = Requester::new(&world, &running, "tax").await;
    assert_eq!(word(&tax.register(good.clone()).await), "proof_invalid");
    let own_key = PseudonymKey::derive(&[8; 32], &requester.id, PSEUDONYM_EPOCH).unwrap();
    let blinded = requester.blind(0, 1);
    let points = [*blinded[0].blinded_subject()];
    let (evaluated, proof) = own_key.evaluate_with_proof(&points, &mut requester.rng).unwrap();
    let enrollments = tacit_blind::enroll::unblind(blinded, &evaluated, &proof, own_key.public()).unwrap();
    let request = requester.register_request(&Batch { enrollments, dleq: proof.encode() });
    assert_eq!(word(&requester.register(request).await), "proof_invalid");
    assert_eq!(word(&requester.register(good).await), "registered");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registration_tells_the_consents_under_its_pseudonyms() {
    let (world, running, mut requester) = setting().await;
    let blinded = requester.blind(0, 2);
    let batch = requester.evaluate(blinded);
    let pseudonym = batch.enrollments[1].pseudonym().encode();
    let portal = crate::consents::Portal::new(&world, &running).await;
    portal.put(&portal.consent(9, &pseudonym)).await.unwrap();
    let request = requester.register_request(&batch);
    let Outcome::Registered(registered) = requester.register(request).await else { panic!() };
    let [consent] = &registered.consents[..] else { panic!("one consent is due") };
    assert_eq!(consent.consent_id, ulid(9).to_string());
    assert_eq!((consent.state.as_str(), consent.state_number, consent.uses), ("given", 1, 0));
    assert_eq!(consent.pseudonym, pseudonym.as_slice());
}
