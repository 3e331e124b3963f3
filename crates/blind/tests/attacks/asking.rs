//! Attacks on authorization.

use tacit_blind::check::{
    CheckContext, CheckDraft, CheckIn, DraftItem, ListEpoch, prove_checks, verify_binding,
};
use tacit_blind::enroll::{Enrolled, Enrollment, MAX_BATCH};
use tacit_blind::group::{Point, SecretScalar};
use tacit_blind::{BlindError, commit};
use tacit_ledger::ed25519::SigningKey;
use tacit_model::{Basis, MemberId, Millis, Reason};

use crate::world::*;

#[test]
fn challenge_without_m_a_consent_swap_is_refused() {
    // A subject with consent is enrolled; the requester proves over it, then swaps the query for one of a
    // subject without consent. Were M outside the challenge, s could be corrected for it.
    let mut world = World::new();
    let (enrollments, _) = world.enroll_codes(&[CODE, "91350100M000100Y44"]);
    let enrolled: Vec<Enrolled> = enrollments.iter().map(Enrollment::to_enrolled).collect();
    let checks = world.prove(&enrolled[..1]);
    let w = SecretScalar::random(&mut world.rng);
    let victim = enrolled[1].blinded_subject().mul(&w);
    let mut context = checks[0].context().clone();
    context.items[0].query = victim;
    let swapped = CheckIn {
        pseudonym: *checks[0].pseudonym(),
        context: context.encode().unwrap(),
        proof: *checks[0].proof(),
    };
    let request = world.signed(vec![swapped]);
    let registered = [Some(*enrolled[0].blinded_subject())];
    let outcome = world.authorize(request, &registered).unwrap().remove(0);
    assert_eq!(outcome.unwrap_err().reason(), Reason::ProofInvalid);

    // Two items whose errors would cancel under equal powers of c: M1 + D and M2 - D.
    let mut context = checks[0].context().clone();
    let (m1, m2) = (context.items[0].query, context.items[1].query);
    context.items[0].query = add(&m1, &victim);
    let mut minus_one = [0; 32];
    // l - 1, little-endian (RFC 9496 section 4.4).
    minus_one.copy_from_slice(
        &hex::decode("ecd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010").unwrap(),
    );
    let minus = victim.mul(&SecretScalar::decode(&minus_one).unwrap());
    context.items[1].query = add(&m2, &minus);
    let swapped = CheckIn {
        pseudonym: *checks[0].pseudonym(),
        context: context.encode().unwrap(),
        proof: *checks[0].proof(),
    };
    let request = world.signed(vec![swapped]);
    assert!(world.authorize(request, &registered).unwrap().remove(0).is_err());
}

#[test]
fn known_batch_weights_do_not_help() {
    // Forged responses s1 + d and s2 - d cancel in an unweighted sum (same Ph for both checks). The weights
    // are drawn after receipt, so both are found, and only both.
    let mut world = World::new();
    let enrolled = world.enroll_codes(&[CODE]).0.remove(0).to_enrolled();
    let subjects = vec![enrolled.clone(); 16];
    let checks = world.prove(&subjects);
    let mut arrived: Vec<CheckIn> = checks.iter().map(arrived).collect();
    let shift = |proof: &mut [u8; 64], by: i8| {
        use curve25519_dalek::scalar::Scalar as S;
        let s = S::from_canonical_bytes(proof[32..].try_into().unwrap()).unwrap();
        let d = S::from(u64::from(by.unsigned_abs()));
        let s = if by < 0 { s - d } else { s + d };
        proof[32..].copy_from_slice(s.as_bytes());
    };
    shift(&mut arrived[3].proof, 5);
    shift(&mut arrived[11].proof, -5);
    let registered = vec![Some(*enrolled.blinded_subject()); 16];
    let request = world.signed(arrived);
    let outcomes = world.authorize(request, &registered).unwrap();
    let bad: Vec<usize> = (0..16).filter(|&i| outcomes[i].is_err()).collect();
    assert_eq!(bad, [3, 11]);
}

#[test]
fn a_question_invented_by_the_coordinator_has_no_signature() {
    let mut world = World::new();
    let enrolled = world.enroll_codes(&[CODE]).0.remove(0).to_enrolled();
    let checks = world.prove(&[enrolled.clone(), enrolled.clone()]);
    let registered = [Some(*enrolled.blinded_subject()), Some(*enrolled.blinded_subject())];
    let request = world.signed(checks.iter().map(arrived).collect());
    assert!(world.authorize(request.clone(), &registered).is_ok());
    // One check less, one more, another order, another key: nothing signed by A.
    let mut fewer = request.clone();
    fewer.checks.pop();
    assert_eq!(world.authorize(fewer, &registered[..1]).unwrap_err(), BlindError::Signature);
    let mut reordered = request.clone();
    reordered.checks.swap(0, 1);
    assert_eq!(world.authorize(reordered, &registered).unwrap_err(), BlindError::Signature);
    let mut more = request.clone();
    let invented = world.prove(&[enrolled]);
    more.checks.push(arrived(&invented[0]));
    let three = [registered[0], registered[1], registered[0]];
    assert_eq!(world.authorize(more, &three).unwrap_err(), BlindError::Signature);
    let honest = std::mem::replace(&mut world.signing, SigningKey::from_seed(&[99; 32]));
    assert_eq!(world.authorize(request, &registered).unwrap_err(), BlindError::Signature);
    world.signing = honest;
}

#[test]
fn purpose_list_epoch_or_case_changed_after_authorization_is_refused() {
    let mut world = World::new();
    let enrolled = world.enroll_codes(&[CODE]).0.remove(0).to_enrolled();
    let check = world.prove(std::slice::from_ref(&enrolled)).remove(0);
    let registered = [Some(*enrolled.blinded_subject())];
    type Change = fn(&mut CheckContext);
    let changes: [(&str, Change); 9] = [
        ("purpose", |c| c.purpose = "curiosity".parse().unwrap()),
        ("list", |c| c.items[0].lists[0].list = "court/other".parse().unwrap()),
        ("epoch", |c| c.items[0].lists[0].epoch += 1),
        ("case", |c| c.matter = commit::matter(&[1; 32], "PROC-2026-2", "officer-17").unwrap()),
        ("basis", |c| c.basis = Basis::Agreement(c.basis.id())),
        ("nonce", |c| c.nonce[0] ^= 1),
        ("timestamp", |c| c.timestamp = Millis(c.timestamp.0 + 1)),
        ("holders", |c| {
            c.items.pop();
        }),
        ("order", |c| c.items.swap(0, 1)),
    ];
    for (what, change) in changes {
        let mut context = check.context().clone();
        change(&mut context);
        let changed = CheckIn { context: context.encode().unwrap(), ..arrived(&check) };
        // Changed on the way: the signature breaks.
        let mut request = world.signed(vec![arrived(&check)]);
        request.checks = vec![changed.clone()];
        assert_eq!(world.authorize(request, &registered).unwrap_err(), BlindError::Signature, "{what}");
        // Changed by the requester, who signs again: the proof breaks.
        let request = world.signed(vec![changed]);
        let outcome = world.authorize(request, &registered).unwrap().remove(0);
        assert_eq!(outcome.unwrap_err(), BlindError::Proofs { bad: vec![0] }, "{what}");
    }
}

#[test]
fn a_check_for_another_coordinator_requester_or_certificate_is_refused() {
    let mut world = World::new();
    let enrolled = world.enroll_codes(&[CODE]).0.remove(0).to_enrolled();
    let other: MemberId = "tax".parse().unwrap();
    type Change = fn(&mut CheckDraft, &MemberId);
    let cases: [(Change, BlindError); 3] = [
        (|d, o| d.coordinator = o.clone(), BlindError::OtherCoordinator),
        (|d, o| d.requester = o.clone(), BlindError::OtherRequester),
        (|d, _| d.cnf = [8; 32], BlindError::Certificate),
    ];
    for (change, error) in cases {
        let mut draft = world.draft();
        change(&mut draft, &other);
        let check = prove_checks(vec![(draft, &enrolled)], &mut world.rng).unwrap().remove(0);
        let request = world.signed(vec![arrived(&check)]);
        let refused = world.authorize(request, &[Some(*enrolled.blinded_subject())]).unwrap_err();
        assert_eq!(inner(refused), error);
    }
}

#[test]
fn a_pseudonym_that_is_not_its_subjects_is_refused() {
    let mut world = World::new();
    let (enrollments, _) = world.enroll_codes(&[CODE, "91350100M000100Y44"]);
    let enrolled: Vec<Enrolled> = enrollments.iter().map(Enrollment::to_enrolled).collect();
    let checks = world.prove(&enrolled);
    // The consent of the second subject claimed for a query about the first.
    let mut swapped = arrived(&checks[0]);
    swapped.pseudonym = *enrolled[1].pseudonym();
    let request = world.signed(vec![swapped, arrived(&checks[1])]);
    let registered = [Some(*enrolled[1].blinded_subject()); 2];
    let outcomes = world.authorize(request, &registered).unwrap();
    assert_eq!(outcomes[0].as_ref().unwrap_err(), &BlindError::Proofs { bad: vec![0] });
    assert!(outcomes[1].is_ok());
    let request = world.signed(vec![arrived(&checks[0])]);
    let outcome = world.authorize(request, &[None]).unwrap().remove(0);
    assert_eq!(outcome.unwrap_err(), BlindError::NotEnrolled);
}

#[test]
fn limits_are_kept_and_contexts_have_one_form() {
    let mut world = World::new();
    let enrolled = world.enroll_codes(&[CODE]).0.remove(0).to_enrolled();
    let items = |n: usize| -> Vec<DraftItem> {
        (0..n)
            .map(|i| DraftItem {
                holder: format!("h{i}").parse().unwrap(),
                lists: vec![ListEpoch { list: format!("h{i}/l").parse().unwrap(), epoch: 1 }],
            })
            .collect()
    };
    let lists = |n: usize| -> Vec<DraftItem> {
        let lists =
            (0..n).map(|i| ListEpoch { list: format!("h/l{i}").parse().unwrap(), epoch: 1 }).collect();
        vec![DraftItem { holder: "h".parse().unwrap(), lists }]
    };
    let mut twice = lists(2);
    twice[0].lists[1] = twice[0].lists[0].clone();
    let foreign = vec![DraftItem {
        holder: "court".parse().unwrap(),
        lists: vec![ListEpoch { list: "customs/x".parse().unwrap(), epoch: 1 }],
    }];
    for (items, fits) in [
        (items(64), true),
        (items(65), false),
        (items(0), false),
        (lists(16), true),
        (lists(17), false),
        (lists(0), false),
        (twice, false),
        (foreign, false),
        ([items(1), items(1)].concat(), false),
    ] {
        let draft = CheckDraft { items, ..world.draft() };
        let proved = prove_checks(vec![(draft, &enrolled)], &mut world.rng);
        assert_eq!(proved.is_ok(), fits);
        if let Ok(checks) = proved {
            let bytes = checks[0].context_bytes();
            assert_eq!(&CheckContext::parse(bytes).unwrap(), checks[0].context());
            verify_binding(
                bytes,
                enrolled.pseudonym(),
                enrolled.blinded_subject(),
                checks[0].proof(),
                &mut world.rng,
            )
            .unwrap();
        }
    }
    let check = arrived(&world.prove(&[enrolled]).remove(0));
    let many = world.signed(vec![check.clone(); 1025]);
    assert_eq!(many.parse().unwrap_err().reason(), Reason::TooMany);
    assert_eq!(world.signed(vec![]).parse().unwrap_err().reason(), Reason::Malformed);
    let huge = CheckIn { context: vec![0; 200_000], ..check };
    assert_eq!(world.signed(vec![huge]).parse().unwrap_err().reason(), Reason::TooLarge);
    let blinded = vec![Point::generator(); MAX_BATCH + 1];
    assert!(world.pseudonyms.evaluate_with_proof(&blinded, &mut world.rng).is_err());
}

#[test]
fn every_truncation_and_every_changed_byte_of_a_check_is_refused() {
    let mut world = World::new();
    let enrolled = world.enroll_codes(&[CODE]).0.remove(0).to_enrolled();
    let check = world.prove(std::slice::from_ref(&enrolled)).remove(0);
    let bytes = check.context_bytes();
    for length in 0..bytes.len() {
        assert!(CheckContext::parse(&bytes[..length]).is_err());
    }
    for at in 0..bytes.len() {
        let mut changed = bytes.to_vec();
        changed[at] ^= 1 << (at % 8);
        let refused = verify_binding(
            &changed,
            enrolled.pseudonym(),
            enrolled.blinded_subject(),
            check.proof(),
            &mut world.rng,
        );
        assert!(refused.is_err(), "byte {at}");
    }
}
