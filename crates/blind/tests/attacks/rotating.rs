//! Attacks on the rotation of pseudonym epochs: nothing may move to another subject.

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use tacit_blind::BlindError;
use tacit_blind::enroll::{
    Blinded, CARRY_PROOF_BYTES, Carry, Enrollment, Registered, prove_carry, unblind, verify_carries,
};
use tacit_blind::group::{Point, SecretScalar};
use tacit_blind::oprf::PseudonymKey;
use tacit_model::MemberId;

use crate::world::*;

const NEXT: u32 = EPOCH + 1;
const OTHER: &str = "91350100M000100Y44";

fn registered(epoch: u32, enrollment: &Enrollment) -> Registered<'_> {
    Registered {
        epoch,
        evaluated: enrollment.evaluated().as_bytes(),
        pseudonym: enrollment.pseudonym().as_bytes(),
    }
}

/// One blinded subject in the epoch of that key.
fn enroll_under(world: &mut World, key: &PseudonymKey, z: &SecretScalar, ph: Point) -> Enrollment {
    let (evaluated, proof) = key.evaluate_with_proof(&[ph], &mut world.rng).unwrap();
    unblind(vec![Blinded::from_parts(z.clone(), ph)], &evaluated, &proof, key.public()).unwrap().remove(0)
}

/// The same subject in both epochs, blinded with one factor.
fn both(world: &mut World, code: &str) -> (Enrollment, Enrollment) {
    let z = SecretScalar::random(&mut world.rng);
    let ph = subject_point(code).mul(&z);
    let next = PseudonymKey::derive(&[7; 32], &world.requester, NEXT).unwrap();
    let now = PseudonymKey::derive(&[7; 32], &world.requester, EPOCH).unwrap();
    (enroll_under(world, &now, &z, ph), enroll_under(world, &next, &z, ph))
}

fn verified(world: &mut World, carry: Carry<'_>, proof: &[u8; CARRY_PROOF_BYTES]) -> Result<(), BlindError> {
    let mut rng = ChaCha20Rng::from_seed([9; 32]);
    verify_carries(&[(carry, proof)], &world.parties(), &mut rng)
}

fn proven(world: &World, from: &Enrollment, to: &Enrollment) -> Result<[u8; CARRY_PROOF_BYTES], BlindError> {
    let mut rng = ChaCha20Rng::from_seed([8; 32]);
    prove_carry(to, NEXT, &registered(EPOCH, from), &world.parties(), &mut rng)
}

fn carry<'a>(from: &'a Enrollment, to: &'a Enrollment) -> Carry<'a> {
    Carry {
        blinded_subject: to.blinded_subject().as_bytes(),
        from: registered(EPOCH, from),
        to: registered(NEXT, to),
    }
}

#[test]
fn a_pseudonym_is_carried_into_the_next_epoch_by_who_knows_its_factor() {
    let mut world = World::new();
    let (from, to) = both(&mut world, CODE);
    assert_ne!(from.pseudonym(), to.pseudonym());
    let proof = proven(&world, &from, &to).unwrap();
    assert_eq!(verified(&mut world, carry(&from, &to), &proof), Ok(()));
}

#[test]
fn a_consent_cannot_be_carried_to_another_subject() {
    let mut world = World::new();
    let (from, _) = both(&mut world, CODE);
    let (other_from, other_to) = both(&mut world, OTHER);
    // An honest program has nothing to prove ...
    assert_eq!(proven(&world, &from, &other_to), Err(BlindError::Proofs { bad: vec![0] }));
    // ... and a proof about the other subject does not fit this one's registration, in either place.
    let proof = proven(&world, &other_from, &other_to).unwrap();
    for moved in [
        Carry { from: registered(EPOCH, &from), ..carry(&other_from, &other_to) },
        Carry { to: registered(NEXT, &from), ..carry(&other_from, &other_to) },
        Carry { blinded_subject: from.blinded_subject().as_bytes(), ..carry(&other_from, &other_to) },
    ] {
        assert_eq!(verified(&mut world, moved, &proof), Err(BlindError::Proofs { bad: vec![0] }));
    }
}

#[test]
fn a_carry_of_another_requester_coordinator_or_epoch_is_refused() {
    let mut world = World::new();
    let (from, to) = both(&mut world, CODE);
    let proof = proven(&world, &from, &to).unwrap();
    let other: MemberId = "tax".parse().unwrap();
    let mut rng = ChaCha20Rng::from_seed([9; 32]);
    for parties in [
        tacit_blind::enroll::Parties { requester: &other, ..world.parties() },
        tacit_blind::enroll::Parties { coordinator: &other, ..world.parties() },
        tacit_blind::enroll::Parties { custodian: &other, ..world.parties() },
    ] {
        let refused = verify_carries(&[(carry(&from, &to), &proof)], &parties, &mut rng);
        assert_eq!(refused, Err(BlindError::Proofs { bad: vec![0] }));
    }
    let later = Carry { to: Registered { epoch: NEXT + 1, ..registered(NEXT, &to) }, ..carry(&from, &to) };
    assert_eq!(verified(&mut world, later, &proof), Err(BlindError::Proofs { bad: vec![0] }));
    let back = Carry { from: registered(NEXT, &to), to: registered(EPOCH, &from), ..carry(&from, &to) };
    assert_eq!(verified(&mut world, back, &proof), Err(BlindError::Repeated { what: "pseudonym epoch" }));
}

#[test]
fn one_bad_carry_of_many_is_named() {
    let mut world = World::new();
    let pairs: Vec<_> = (0..40).map(|i| both(&mut world, &format!("CODE{i:04}"))).collect();
    let mut proofs: Vec<_> = pairs.iter().map(|(from, to)| proven(&world, from, to).unwrap()).collect();
    proofs[11][70] ^= 1;
    proofs[33][..32].copy_from_slice(&Point::generator().encode());
    let all: Vec<_> = pairs.iter().zip(&proofs).map(|((from, to), proof)| (carry(from, to), proof)).collect();
    let mut rng = ChaCha20Rng::from_seed([9; 32]);
    let refused = verify_carries(&all, &world.parties(), &mut rng);
    assert_eq!(refused, Err(BlindError::Proofs { bad: vec![11, 33] }));
}
