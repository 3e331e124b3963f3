//! Attacks on what two auditors open: another registration, another box, a check that nobody signed.

use tacit_blind::check::BoundCheck;
use tacit_blind::commit;
use tacit_blind::opening::{ShownProblem, ShownRegistration};

use crate::world::*;

/// A check of the first of two codes, what the coordinator shows of it, and the record's commitment.
fn shown(world: &mut World) -> (Vec<BoundCheck>, ShownRegistration, ShownRegistration, [u8; 32]) {
    let (enrollments, message) = world.register_codes(&[CODE, "91110000100000000X"]);
    let registered = world.verify(message).unwrap();
    let enrolled: Vec<_> = enrollments.iter().map(|it| it.to_enrolled()).collect();
    let checks = world.prove(&enrolled);
    let request = world.signed(checks.iter().map(arrived).collect());
    let show = |place: usize| ShownRegistration {
        epoch: EPOCH,
        blinded_subject: *registered[place].blinded_subject(),
        evaluated: *registered[place].evaluated(),
        pseudonym: *registered[place].pseudonym(),
        proof: *registered[place].proof(),
        audit_box: registered[place].audit_box().to_vec(),
        salt_evidence: [8; 32],
        context: checks[place].context_bytes().to_vec(),
        bind_proof: *checks[place].proof(),
        signature: request.signature,
        check_hashes: checks.iter().map(BoundCheck::hash).collect(),
    };
    let evidence = committed(&show(0), registered[0].register_hash());
    let (first, second) = (show(0), show(1));
    (checks, first, second, evidence)
}

/// What a record commits to, when the coordinator made it of these.
fn committed(it: &ShownRegistration, register_hash: &[u8; 32]) -> [u8; 32] {
    let of = commit::Evidence {
        pseudonym: &it.pseudonym,
        blinded_subject: &it.blinded_subject,
        context: &it.context,
        proof: &it.bind_proof,
        register_hash,
        signature: &it.signature,
    };
    commit::evidence(&it.salt_evidence, &of).unwrap()
}

#[test]
fn a_registration_that_is_not_the_one_behind_the_record_is_refused() {
    let mut world = World::new();
    let (checks, honest, other, evidence) = shown(&mut world);
    let keys = [world.signing.verifying_key().to_bytes()];
    let parties = (world.custodian.clone(), world.coordinator.clone(), world.requester.clone());
    let parties = tacit_blind::enroll::Parties {
        custodian: &parties.0,
        coordinator: &parties.1,
        requester: &parties.2,
    };
    let mut judge = |it: &ShownRegistration, evidence: &[u8; 32], keys: &[[u8; 32]]| {
        it.verify(evidence, &parties, keys, &mut world.rng).map(|proven| proven.context)
    };
    assert_eq!(judge(&honest, &evidence, &keys).as_ref(), Ok(checks[0].context()));
    // An earlier key of the requester is as good as its newest.
    assert!(judge(&honest, &evidence, &[[5; 32], keys[0]]).is_ok());

    // Another subject's registration, or its box alone: the record commits to something else.
    assert_eq!(judge(&other, &evidence, &keys), Err(ShownProblem::Evidence));
    let swapped = ShownRegistration { audit_box: other.audit_box.clone(), ..honest.clone() };
    assert_eq!(judge(&swapped, &evidence, &keys), Err(ShownProblem::Evidence));

    // Had the coordinator committed to a box of its own making, the requester's proof would not cover it.
    let hash = swapped.register_hash("procurement").unwrap();
    let lie = committed(&swapped, &hash);
    assert_eq!(judge(&swapped, &lie, &keys), Err(ShownProblem::Registration));

    // A check of another subject under this registration.
    let moved =
        ShownRegistration { context: other.context.clone(), bind_proof: other.bind_proof, ..honest.clone() };
    let lie = committed(&moved, &moved.register_hash("procurement").unwrap());
    assert_eq!(judge(&moved, &lie, &keys), Err(ShownProblem::Binding));

    // A check that the requester did not sign, and a signature that covers others only.
    assert_eq!(judge(&honest, &evidence, &[[5; 32]]), Err(ShownProblem::Signature));
    let others = ShownRegistration { check_hashes: vec![checks[1].hash()], ..honest.clone() };
    assert_eq!(judge(&others, &evidence, &keys), Err(ShownProblem::Signature));
}
