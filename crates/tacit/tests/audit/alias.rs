//! A requester that lies: it enrolls one subject and names another in the box.

use rand_core::Rng as _;
use tacit_blind::{
    audit_box::{self, AuditorPublicKey, BoxContents, Registered},
    check::{CheckDraft, DraftItem, ListEpoch, authorize_message, prove_checks},
    commit,
    enroll::{Parties, blind_subjects, prove_register, unblind},
    group::Point,
    oprf::DleqProof,
    subject::Subject,
};
use tacit_federation::run::read_seed;
use tacit_ledger::ed25519::SigningKey;
use tacit_model::{Basis, ListId, MemberId, Ulid, entropy::os_rng};
use tacit_testkit::Federation;
use tacit_wire::{
    chunks32,
    coordinator::{
        AuthorizeRequest, Check, RegisterEntry, RegisterRequest,
        authorization_service_client::AuthorizationServiceClient, authorize_response,
        enrollment_service_client::EnrollmentServiceClient, item_outcome, register_response,
    },
    custodian::{EvaluateRequest, evaluate_response, pseudonym_service_client::PseudonymServiceClient},
};

use super::support::LIST;

/// Enrolls the first subject under the name of the second, and asks about it: the index of the record.
pub(crate) async fn ask(federation: &Federation, enrolled: &str, claimed: &str) -> u64 {
    let mut rng = os_rng();
    let registry = federation.registry();
    let requester: MemberId = "procurement".parse().unwrap();
    let (custodian, coordinator) = (registry.custodian().clone(), registry.coordinator().clone());
    let epoch = registry.member(&requester).unwrap().pseudonym_epoch.unwrap();
    let subject = Subject::from_parts("CN-USCC", enrolled).unwrap();
    let blinded = blind_subjects(&[subject], &mut rng);
    let channel = federation.channel("procurement", &custodian).unwrap();
    let request = EvaluateRequest {
        epoch,
        blinded: blinded[0].blinded_subject().encode().to_vec().into(),
        acting_for: String::new(),
    };
    let answer = PseudonymServiceClient::new(channel).evaluate(request).await.unwrap().into_inner();
    let Some(evaluate_response::Outcome::Evaluated(answer)) = answer.outcome else { panic!("{answer:?}") };
    let evaluated = chunks32("evaluated", &answer.evaluated, 1).unwrap();
    let dleq = DleqProof::decode_slice(&answer.dleq_proof).unwrap();
    let key = Point::decode(&registry.pseudonym_key(&requester, epoch).unwrap().0).unwrap();
    let it = unblind(blinded, &evaluated, &dleq, &key).unwrap().remove(0);

    // The lie: another code, under the z of this one.
    let registered = Registered {
        blinded_subject: it.blinded_subject(),
        evaluated: it.evaluated(),
        pseudonym: it.pseudonym(),
    };
    let contents = BoxContents { scheme: "CN-USCC", code: claimed, z: it.z(), case: "T-1", officer: "li" };
    let [first, second] =
        registry.audit_boxes().unwrap().map(|key| AuditorPublicKey::decode(&key.0).unwrap());
    let sealed = audit_box::seal(&contents, &registered, (&first, &second), &mut rng).unwrap();
    let parties = Parties { custodian: &custodian, coordinator: &coordinator, requester: &requester };
    let proof = prove_register(&[(&it, &sealed)], &parties, epoch, &mut rng).unwrap().remove(0);
    let entry = RegisterEntry {
        blinded_subject: it.blinded_subject().encode().to_vec().into(),
        evaluated: it.evaluated().encode().to_vec().into(),
        pseudonym: it.pseudonym().encode().to_vec().into(),
        proof: proof.to_vec().into(),
        audit_box: sealed.into(),
        carried_from: None,
    };
    let channel = federation.channel("procurement", &coordinator).unwrap();
    let request = RegisterRequest { epoch, entries: vec![entry], dleq_proof: answer.dleq_proof };
    let answer = EnrollmentServiceClient::new(channel.clone()).register(request).await.unwrap().into_inner();
    assert!(matches!(answer.outcome, Some(register_response::Outcome::Registered(_))), "{answer:?}");

    // Asked under an agreement that does not exist: refused, and on record all the same.
    let list: ListId = LIST.parse().unwrap();
    let mut nonce = [0; 16];
    rng.fill_bytes(&mut nonce);
    let draft = CheckDraft {
        coordinator,
        requester,
        cnf: federation.credentials("procurement").unwrap().cnf(),
        nonce,
        timestamp: federation.clock().now(),
        purpose: "screening".parse().unwrap(),
        basis: Basis::Agreement(Ulid(7)),
        matter: commit::matter(&[1; 32], "T-1", "li").unwrap(),
        items: vec![DraftItem { holder: list.holder_id(), lists: vec![ListEpoch { list, epoch: 1 }] }],
    };
    let check = prove_checks(vec![(draft, &it.to_enrolled())], &mut rng).unwrap().remove(0);
    let seed = read_seed(&federation.folder().join("keys/procurement-signing.seed")).unwrap();
    let signature = SigningKey::from_seed(&seed).sign(&authorize_message(&[check.hash()]));
    let request = AuthorizeRequest {
        checks: vec![Check {
            context: check.context_bytes().to_vec().into(),
            proof: check.proof().to_vec().into(),
            pseudonym: check.pseudonym().to_vec().into(),
        }],
        signature: signature.to_vec().into(),
        cosigned_size: 0,
    };
    let answer = AuthorizationServiceClient::new(channel).authorize(request).await.unwrap().into_inner();
    let Some(authorize_response::Outcome::Authorized(answer)) = answer.outcome else { panic!("{answer:?}") };
    match answer.checks[0].items[0].outcome.clone() {
        Some(item_outcome::Outcome::Refused(refused)) => refused.record.unwrap().index,
        other => panic!("{other:?}"),
    }
}
