//! Attacks on enrollment.

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use tacit_blind::BlindError;
use tacit_blind::audit_box::{self, AuditorSecretKey, BoxFinding};
use tacit_blind::enroll::{Blinded, Known, Parties, Standing, standing, unblind};
use tacit_blind::group::{Point, SecretScalar};
use tacit_model::{MemberId, Reason};

use crate::world::*;

#[test]
fn the_alias_p_plus_g_gets_another_pseudonym_and_its_box_exposes_it() {
    let mut world = World::new();
    let honest = world.enroll_codes(&[CODE]).0.remove(0);
    let alias = add(&subject_point(CODE), &Point::generator());
    let z = SecretScalar::random(&mut world.rng);
    let (enrolled, dleq) = world.enroll(vec![Blinded::from_parts(z.clone(), alias.mul(&z))]);
    // No consent matches, because consents stand under the pseudonym of the true subject.
    assert_ne!(enrolled[0].pseudonym(), honest.pseudonym());
    // The coordinator cannot see it ...
    let sealed = world.sealed_box(CODE, &z, &points(&enrolled[0]));
    let message = world.register(&enrolled, &[sealed], dleq);
    let verified = world.verify(message).unwrap().remove(0);
    // ... the auditors do.
    let keys = (&world.auditors[0].0, &world.auditors[1].0);
    let opened = audit_box::open(verified.audit_box(), &points(&enrolled[0]), keys).unwrap();
    assert_eq!(audit_box::check_opened(&opened, &points(&enrolled[0])), Err(BoxFinding::OtherSubject));
}

#[test]
fn the_alias_r_times_p_with_z_times_r_in_the_box_is_exposed() {
    let mut world = World::new();
    let honest = world.enroll_codes(&[CODE]).0.remove(0);
    let (r, z) = (SecretScalar::random(&mut world.rng), SecretScalar::random(&mut world.rng));
    let alias = subject_point(CODE).mul(&r);
    let (enrolled, dleq) = world.enroll(vec![Blinded::from_parts(z.clone(), alias.mul(&z))]);
    assert_ne!(enrolled[0].pseudonym(), honest.pseudonym());
    // Ph = (z·r)·P holds, so only the second equation catches it.
    let claimed = z.product(&r);
    let sealed = world.sealed_box(CODE, &claimed, &points(&enrolled[0]));
    let message = world.register(&enrolled, &[sealed], dleq);
    let verified = world.verify(message).unwrap().remove(0);
    let keys = (&world.auditors[0].0, &world.auditors[1].0);
    let opened = audit_box::open(verified.audit_box(), &points(&enrolled[0]), keys).unwrap();
    assert_eq!(audit_box::check_opened(&opened, &points(&enrolled[0])), Err(BoxFinding::OtherPseudonym));
    // With the honest z in the box the first one does.
    let sealed = world.sealed_box(CODE, &z, &points(&enrolled[0]));
    let opened = audit_box::open(&sealed, &points(&enrolled[0]), keys_of(&world)).unwrap();
    assert_eq!(audit_box::check_opened(&opened, &points(&enrolled[0])), Err(BoxFinding::OtherSubject));
}

fn keys_of(world: &World) -> (&AuditorSecretKey, &AuditorSecretKey) {
    (&world.auditors[0].0, &world.auditors[1].0)
}

#[test]
fn many_pseudonyms_from_one_evaluation_are_refused() {
    let mut world = World::new();
    let z = SecretScalar::random(&mut world.rng);
    let ph = subject_point(CODE).mul(&z);
    let (evaluated, proof) = world.pseudonyms.evaluate_with_proof(&[ph], &mut world.rng).unwrap();
    // The same evaluation unblinded with another factor proves just as well: T' = z'⁻¹·Th.
    let other = SecretScalar::random(&mut world.rng);
    let mut registrations = Vec::new();
    for factor in [z, other] {
        let blinded = vec![Blinded::from_parts(factor.clone(), ph)];
        let enrolled = unblind(blinded, &evaluated, &proof, world.pseudonyms.public()).unwrap();
        let sealed = world.sealed_box(CODE, &factor, &points(&enrolled[0]));
        let message = world.register(&enrolled, &[sealed], proof.encode());
        registrations.push(world.verify(message).unwrap().remove(0));
    }
    let [first, second] = registrations.as_slice() else { unreachable!() };
    assert_ne!(first.pseudonym(), second.pseudonym());
    assert_eq!(standing(first, &Known::default()), Ok(Standing::New));
    // What the coordinator keeps after the first.
    for known in [
        Known { pseudonym_of_blinded_subject: Some(first.pseudonym()), ..Known::default() },
        Known { pseudonym_of_evaluated: Some(first.pseudonym()), ..Known::default() },
    ] {
        assert_eq!(standing(second, &known), Err(BlindError::EnrolledOtherwise));
    }
    let same = Known {
        blinded_subject_of_pseudonym: Some(first.blinded_subject()),
        pseudonym_of_blinded_subject: Some(first.pseudonym()),
        pseudonym_of_evaluated: Some(first.pseudonym()),
    };
    assert_eq!(standing(first, &same), Ok(Standing::Same));
    let other_ph = Point::generator().encode();
    let renewed = Known { blinded_subject_of_pseudonym: Some(&other_ph), ..Known::default() };
    assert_eq!(standing(first, &renewed), Ok(Standing::Replaces));

    // And within one message the repetition is refused at once.
    let (enrollments, mut message) = world.register_codes(&[CODE]);
    let mut twice = message.entries[0].clone();
    twice.pseudonym = Point::generator().encode();
    message.entries.push(twice);
    assert_eq!(world.verify(message).unwrap_err(), BlindError::Repeated { what: "evaluation" });
    drop(enrollments);
}

#[test]
fn one_bad_registration_of_many_is_named() {
    let mut world = World::new();
    let codes: Vec<String> = (0..40).map(|i| format!("CODE{i:04}")).collect();
    let codes: Vec<&str> = codes.iter().map(String::as_str).collect();
    let (_, message) = world.register_codes(&codes);
    assert_eq!(world.verify(message.clone()).unwrap().len(), 40);
    let mut bad = message.clone();
    bad.entries[17].audit_box[3] ^= 1;
    bad.entries[39].proof[..32].copy_from_slice(&Point::generator().encode());
    assert_eq!(world.verify(bad).unwrap_err(), BlindError::Proofs { bad: vec![17, 39] });
    // One batch of the custodian, complete and in order.
    let mut swapped = message.clone();
    swapped.entries.swap(0, 1);
    assert_eq!(world.verify(swapped).unwrap_err(), BlindError::Dleq);
    let mut short = message.clone();
    short.entries.pop();
    assert_eq!(world.verify(short).unwrap_err(), BlindError::Dleq);
    let mut empty = message.clone();
    empty.entries.clear();
    assert_eq!(world.verify(empty).unwrap_err().reason(), Reason::Malformed);
    let mut boxed = message;
    boxed.entries[0].audit_box.pop();
    assert!(matches!(world.verify(boxed).unwrap_err(), BlindError::Length { .. }));
}

#[test]
fn a_registration_of_another_requester_epoch_or_coordinator_is_refused() {
    let mut world = World::new();
    let (_, message) = world.register_codes(&[CODE]);
    let other: MemberId = "tax".parse().unwrap();
    for parties in [
        Parties { requester: &other, ..world.parties() },
        Parties { coordinator: &other, ..world.parties() },
        Parties { custodian: &other, ..world.parties() },
    ] {
        let mut rng = ChaCha20Rng::from_seed([5; 32]);
        let refused = message.clone().verify(&parties, world.pseudonyms.public(), &mut rng);
        assert_eq!(refused.unwrap_err(), BlindError::Proofs { bad: vec![0] });
    }
    let mut later = message;
    later.epoch += 1;
    assert_eq!(world.verify(later).unwrap_err(), BlindError::Proofs { bad: vec![0] });
}
