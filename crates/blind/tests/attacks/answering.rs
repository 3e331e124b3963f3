//! Attacks on evaluation, bad encodings anywhere, and the honest run that they are compared with.

use tacit_blind::audit_box::{self};
use tacit_blind::check::{CheckContext, CheckIn};
use tacit_blind::enroll::{Enrolled, Enrollment, RegisterEntryIn, blind_subjects, unblind};
use tacit_blind::evaluate::{AskedQuery, PermittedQuery, evaluate, verify_and_finalize};
use tacit_blind::group::{Point, Scalar, SecretScalar};
use tacit_blind::oprf::{DleqProof, ListKey, PseudonymKey};
use tacit_blind::subject::Subject;
use tacit_blind::{BlindError, commit};
use tacit_model::{ListId, MemberId, Reason};

use crate::world::*;

#[test]
fn an_honest_run_gives_the_holders_own_output() {
    let mut world = World::new();
    let (enrollments, message) = world.register_codes(&[CODE, "91350100M000100Y44"]);
    let verified = world.verify(message).unwrap();
    assert_eq!(verified.len(), 2);
    for (v, e) in verified.iter().zip(&enrollments) {
        assert_eq!(v.pseudonym(), e.pseudonym().as_bytes());
        let opened =
            audit_box::open(v.audit_box(), &points(e), (&world.auditors[0].0, &world.auditors[1].0)).unwrap();
        audit_box::check_opened(&opened, &points(e)).unwrap();
    }
    let enrolled: Vec<Enrolled> = enrollments.iter().map(Enrollment::to_enrolled).collect();
    let checks = world.prove(&enrolled);
    let request = world.signed(checks.iter().map(arrived).collect());
    let registered: Vec<Option<Point>> = enrolled.iter().map(|e| Some(*e.blinded_subject())).collect();
    let outcomes = world.authorize(request, &registered).unwrap();

    let list: ListId = "court/judgment-defaulters".parse().unwrap();
    let key = ListKey::derive(&[5; 32], &list, 20_778).unwrap();
    let permitted: Vec<PermittedQuery> = outcomes
        .iter()
        .map(|outcome| {
            let query = outcome.as_ref().unwrap().context().items[0].query;
            PermittedQuery::open(&commit::blinded_query(query.as_bytes()), query.as_bytes()).unwrap()
        })
        .collect();
    let (evaluated, proof) = evaluate(&key, &permitted, &mut world.rng).unwrap();
    let subjects = [CODE, "91350100M000100Y44"].map(|code| Subject::from_parts("CN-USCC", code).unwrap());
    let asked: Vec<AskedQuery<'_>> = checks
        .iter()
        .zip(&subjects)
        .map(|(check, subject)| AskedQuery {
            input: subject.expose_input(),
            total_blind: &check.total_blinds()[0],
            query: &check.context().items[0].query,
        })
        .collect();
    let outputs = verify_and_finalize(key.public(), &asked, &evaluated, &proof).unwrap();
    let inputs: Vec<&[u8]> = subjects.iter().map(Subject::expose_input).collect();
    assert_eq!(outputs, key.outputs_for_subjects(&inputs).unwrap());
    assert_ne!(outputs[0], outputs[1]);

    // A blinded query never repeats, even for one subject and one holder.
    let again = world.prove(&enrolled);
    assert_ne!(again[0].context().items[0].query, checks[0].context().items[0].query);
    assert_ne!(checks[0].context().items[0].query, checks[0].context().items[1].query);
}

#[test]
fn identity_and_non_canonical_encodings_are_refused_everywhere() {
    let identity = [0; 32];
    // Field element 1 with the sign bit, and p itself: RFC 9496 appendix A.3 has more, run below.
    let bad: Vec<[u8; 32]> = [
        "00ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "f3ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "26948d35ca62e643e26a83177332e6b6afeb9d08e4268b650f1f5bbd8d81d371",
        "3eb858e78f5a7254d8c9731174a94f76755fd3941c0ac93735c07ba14579630e",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ]
    .iter()
    .map(|text| hex::decode(text).unwrap().try_into().unwrap())
    .collect();
    assert_eq!(Point::decode(&identity).unwrap_err(), BlindError::PointIdentity);
    for bytes in &bad {
        assert_eq!(Point::decode(bytes).unwrap_err(), BlindError::PointEncoding);
    }
    assert!(Point::decode_slice(&identity[..31]).is_err());
    // The group order and above.
    let order = hex::decode("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010").unwrap();
    for bytes in [order.try_into().unwrap(), [0xff; 32]] {
        assert_eq!(Scalar::decode(&bytes).unwrap_err(), BlindError::ScalarEncoding);
        assert_eq!(SecretScalar::decode(&bytes).unwrap_err(), BlindError::ScalarEncoding);
        let mut proof = [0; 64];
        proof[32..].copy_from_slice(&bytes);
        assert_eq!(DleqProof::decode(&proof).unwrap_err(), BlindError::ScalarEncoding);
    }
    assert_eq!(SecretScalar::decode(&[0; 32]).unwrap_err(), BlindError::ScalarZero);

    let mut world = World::new();
    let (enrollments, message) = world.register_codes(&[CODE]);
    let enrolled = enrollments[0].to_enrolled();
    let check = world.prove(std::slice::from_ref(&enrolled)).remove(0);
    for bytes in bad.iter().chain([&identity]) {
        // In a registration.
        type Place = fn(&mut RegisterEntryIn, &[u8; 32]);
        let places: [Place; 4] = [
            |e, b| e.blinded_subject = *b,
            |e, b| e.evaluated = *b,
            |e, b| e.pseudonym = *b,
            |e, b| e.proof[..32].copy_from_slice(b),
        ];
        for place in places {
            let mut message = message.clone();
            place(&mut message.entries[0], bytes);
            assert_eq!(world.verify(message).unwrap_err().reason(), Reason::Malformed);
        }
        // As a query in a check, as its commitment, as a query to a holder, as its answer.
        let mut context = check.context_bytes().to_vec();
        let at = context.len() - 32;
        context[at..].copy_from_slice(bytes);
        assert_eq!(CheckContext::parse(&context).unwrap_err().reason(), Reason::Malformed);
        let mut bad_proof = *check.proof();
        bad_proof[..32].copy_from_slice(bytes);
        let request = world.signed(vec![CheckIn { proof: bad_proof, ..arrived(&check) }]);
        let outcome = world.authorize(request, &[Some(*enrolled.blinded_subject())]).unwrap().remove(0);
        assert_eq!(outcome.unwrap_err().reason(), Reason::Malformed);
        assert!(PermittedQuery::open(&commit::blinded_query(bytes), bytes).is_err());
        let asked = AskedQuery { input: b"x", total_blind: enrolled.z(), query: enrolled.blinded_subject() };
        let proof = DleqProof::decode(&message.dleq).unwrap();
        assert!(verify_and_finalize(&Point::generator(), &[asked], &[*bytes], &proof).is_err());
    }
}

#[test]
fn a_proof_under_the_wrong_dleq_key_is_refused() {
    let mut world = World::new();
    let other: MemberId = "tax".parse().unwrap();
    // The custodian's key of another requester or epoch.
    for key in [
        PseudonymKey::derive(&[7; 32], &other, EPOCH).unwrap(),
        PseudonymKey::derive(&[7; 32], &world.requester, EPOCH + 1).unwrap(),
    ] {
        let subjects = [Subject::from_parts("CN-USCC", CODE).unwrap()];
        let blinded = blind_subjects(&subjects, &mut world.rng);
        let (n, proof) = key.evaluate_with_proof(&[*blinded[0].blinded_subject()], &mut world.rng).unwrap();
        let refused = unblind(blinded, &n, &proof, world.pseudonyms.public()).unwrap_err();
        assert_eq!(refused, BlindError::Dleq);
        let (_, mut message) = world.register_codes(&[CODE]);
        message.dleq = proof.encode();
        assert_eq!(world.verify(message).unwrap_err(), BlindError::Dleq);
    }
    // A holder that answers with the key of another list, one evaluation of a batch swapped, one left out.
    let list: ListId = "court/judgment-defaulters".parse().unwrap();
    let key = ListKey::derive(&[5; 32], &list, 1).unwrap();
    let stale = ListKey::derive(&[5; 32], &list, 2).unwrap();
    let enrolled = world.enroll_codes(&["A", "B", "C"]).0;
    let queries: Vec<Point> = enrolled.iter().map(|e| *e.blinded_subject()).collect();
    let asked: Vec<AskedQuery<'_>> = enrolled
        .iter()
        .map(|e| AskedQuery { input: b"x", total_blind: e.z(), query: e.blinded_subject() })
        .collect();
    let (n, proof) = key.evaluate_with_proof(&queries, &mut world.rng).unwrap();
    assert!(verify_and_finalize(key.public(), &asked, &n, &proof).is_ok());
    assert_eq!(verify_and_finalize(stale.public(), &asked, &n, &proof), Err(BlindError::Dleq));
    let swapped = [n[1], n[0], n[2]];
    assert_eq!(verify_and_finalize(key.public(), &asked, &swapped, &proof), Err(BlindError::Dleq));
    let mixed = [n[0], stale.evaluate_batch(&queries)[1], n[2]];
    assert_eq!(verify_and_finalize(key.public(), &asked, &mixed, &proof), Err(BlindError::Dleq));
    assert_eq!(
        verify_and_finalize(key.public(), &asked, &n[..2], &proof).unwrap_err().reason(),
        Reason::BatchMismatch
    );
}

#[test]
fn a_query_that_is_not_in_the_record_is_refused() {
    let mut world = World::new();
    let enrolled = world.enroll_codes(&[CODE]).0.remove(0).to_enrolled();
    let check = world.prove(&[enrolled]).remove(0);
    let items = &check.context().items;
    let record = commit::blinded_query(items[0].query.as_bytes());
    assert!(PermittedQuery::open(&record, items[0].query.as_bytes()).is_ok());
    assert_eq!(
        PermittedQuery::open(&record, items[1].query.as_bytes()).unwrap_err(),
        BlindError::QueryMismatch
    );
}

#[test]
fn secrets_and_codes_are_never_printed() {
    let mut world = World::new();
    let (enrollments, _) = world.enroll_codes(&[CODE]);
    let subject = Subject::from_parts("CN-USCC", CODE).unwrap();
    let enrolled = enrollments[0].to_enrolled();
    let checks = world.prove(std::slice::from_ref(&enrolled));
    let key = ListKey::derive(&[5; 32], &"a/b".parse().unwrap(), 1).unwrap();
    let shown = format!(
        "{subject:?} {:?} {enrolled:?} {:?} {key:?} {:?} {:?} {:?}",
        enrollments[0],
        enrolled.z(),
        world.pseudonyms,
        checks[0],
        world.auditors[0].0,
    );
    assert!(!shown.contains(CODE));
    for secret in [&enrolled.z().expose_bytes()[..], enrolled.pseudonym()] {
        assert!(!shown.contains(&hex::encode(secret)));
    }
    assert!(shown.len() < 400, "{shown}");
}
