//! A requester that keeps the protocol: it enrolls subjects with the custodian's key and proves its checks. Tests
//! depart from its steps where they attack.

use rand_core::Rng as _;
use tacit_blind::{
    audit_box::BOX_BYTES,
    check::{BoundCheck, CheckDraft, DraftItem, ListEpoch, authorize_message, prove_checks},
    commit,
    enroll::{Blinded, Enrolled, Enrollment, Parties, blind_subjects, prove_register, unblind},
    group::Point,
    subject::Subject,
};
use tacit_identity::{Credentials, Role};
use tacit_ledger::ed25519::SigningKey;
use tacit_model::{Basis, MemberId, Millis, entropy};
use tacit_wire::{
    common,
    coordinator::{
        self as pb, authorization_service_client::AuthorizationServiceClient, authorize_response,
        enrollment_service_client::EnrollmentServiceClient, item_outcome::Outcome as Item, register_response,
    },
};
use tonic::transport::Channel;

use super::{LIST_EPOCH, PSEUDONYM_EPOCH, Running, World, id, key, pseudonym_key_in, ulid, verified};

/// Largest message either way: a thousand records with their proofs.
const LARGEST: usize = 64 << 20;

/// A requester with its connection.
pub(crate) struct Requester {
    pub(crate) id: MemberId,
    pub(crate) signing: SigningKey,
    pub(crate) credentials: Credentials,
    pub(crate) channel: Channel,
    pub(crate) rng: entropy::Rng,
    pub(crate) now: Millis,
    /// The pseudonym epoch it enrolls in.
    pub(crate) epoch: u32,
}

/// A batch as the custodian evaluated it.
pub(crate) struct Batch {
    pub(crate) enrollments: Vec<Enrollment>,
    pub(crate) dleq: [u8; 64],
}

impl Requester {
    pub(crate) async fn new(world: &World, running: &Running, name: &str) -> Self {
        let role = if name.starts_with("portal") { Role::Authority } else { Role::Node };
        let credentials = world.party(role, name);
        let channel = world.channel_with(running, credentials.clone()).await;
        let rng = entropy::os_rng();
        Self {
            id: id(name),
            signing: key(name),
            credentials,
            channel,
            rng,
            now: world.now(),
            epoch: PSEUDONYM_EPOCH,
        }
    }

    pub(crate) fn enrollment(&self) -> EnrollmentServiceClient<Channel> {
        EnrollmentServiceClient::new(self.channel.clone())
    }

    pub(crate) fn authorization(&self) -> AuthorizationServiceClient<Channel> {
        AuthorizationServiceClient::new(self.channel.clone())
            .max_decoding_message_size(LARGEST)
            .max_encoding_message_size(LARGEST)
    }

    /// Blinds subjects `from..from + count`.
    pub(crate) fn blind(&mut self, from: usize, count: usize) -> Vec<Blinded> {
        let subjects: Vec<Subject> = (from..from + count)
            .map(|n| Subject::from_parts("CN-USCC", &format!("SUBJECT{n:011}")).unwrap())
            .collect();
        blind_subjects(&subjects, &mut self.rng)
    }

    /// The custodian evaluates, the requester unblinds.
    pub(crate) fn evaluate(&mut self, blinded: Vec<Blinded>) -> Batch {
        let custodian = pseudonym_key_in(&self.id, self.epoch);
        let points: Vec<Point> = blinded.iter().map(|blinded| *blinded.blinded_subject()).collect();
        let (evaluated, proof) = custodian.evaluate_with_proof(&points, &mut self.rng).unwrap();
        let enrollments = unblind(blinded, &evaluated, &proof, custodian.public()).unwrap();
        Batch { enrollments, dleq: proof.encode() }
    }

    /// The message that registers a batch.
    pub(crate) fn register_request(&mut self, batch: &Batch) -> pb::RegisterRequest {
        let audit_box = vec![0x5a; BOX_BYTES];
        let entries: Vec<(&Enrollment, &[u8])> =
            batch.enrollments.iter().map(|enrollment| (enrollment, audit_box.as_slice())).collect();
        let (custodian, coordinator) = (id("custodian"), id("coordinator"));
        let parties = Parties { custodian: &custodian, coordinator: &coordinator, requester: &self.id };
        let proofs = prove_register(&entries, &parties, self.epoch, &mut self.rng).unwrap();
        let entries = batch.enrollments.iter().zip(proofs).map(|(enrollment, proof)| pb::RegisterEntry {
            blinded_subject: enrollment.blinded_subject().encode().to_vec().into(),
            evaluated: enrollment.evaluated().encode().to_vec().into(),
            pseudonym: enrollment.pseudonym().encode().to_vec().into(),
            proof: proof.to_vec().into(),
            audit_box: audit_box.clone().into(),
            carried_from: None,
        });
        pb::RegisterRequest {
            epoch: self.epoch,
            entries: entries.collect(),
            dleq_proof: batch.dleq.to_vec().into(),
        }
    }

    pub(crate) async fn register(&mut self, request: pb::RegisterRequest) -> register_response::Outcome {
        let response = self.enrollment().register(request).await.unwrap();
        response.into_inner().outcome.unwrap()
    }

    /// Enrolls subjects `from..from + count`.
    pub(crate) async fn enroll(&mut self, from: usize, count: usize) -> Vec<Enrolled> {
        let mut enrolled = Vec::with_capacity(count);
        for start in (from..from + count).step_by(1024) {
            let blinded = self.blind(start, 1024.min(from + count - start));
            let batch = self.evaluate(blinded);
            let request = self.register_request(&batch);
            let outcome = self.register(request).await;
            assert!(matches!(outcome, register_response::Outcome::Registered(_)), "{outcome:?}");
            enrolled.extend(batch.enrollments.iter().map(Enrollment::to_enrolled));
        }
        enrolled
    }

    /// A check of one list under an agreement, by number.
    pub(crate) fn draft(&mut self, list: &str, agreement: u64) -> CheckDraft {
        self.draft_of(&[list], Basis::Agreement(ulid(agreement)))
    }

    /// A check with one item per list.
    pub(crate) fn draft_of(&mut self, lists: &[&str], basis: Basis) -> CheckDraft {
        let mut nonce = [0; 16];
        self.rng.fill_bytes(&mut nonce);
        let item = |list: &&str| {
            let list: tacit_model::ListId = list.parse().unwrap();
            DraftItem { holder: list.holder_id(), lists: vec![ListEpoch { list, epoch: LIST_EPOCH }] }
        };
        CheckDraft {
            coordinator: id("coordinator"),
            requester: self.id.clone(),
            cnf: self.credentials.cnf(),
            nonce,
            timestamp: self.now,
            purpose: "eligibility".parse().unwrap(),
            basis,
            matter: commit::matter(&[1; 32], "PROC-2026-1", "officer-17").unwrap(),
            items: lists.iter().map(item).collect(),
        }
    }

    pub(crate) fn prove(&mut self, drafts: Vec<(CheckDraft, &Enrolled)>) -> Vec<BoundCheck> {
        prove_checks(drafts, &mut self.rng).unwrap()
    }

    /// One check, proven.
    pub(crate) fn check(&mut self, list: &str, agreement: u64, of: &Enrolled) -> BoundCheck {
        let draft = self.draft(list, agreement);
        self.prove(vec![(draft, of)]).remove(0)
    }

    /// The request that carries checks, signed.
    pub(crate) fn request(&self, checks: &[BoundCheck]) -> pb::AuthorizeRequest {
        let hashes: Vec<[u8; 32]> = checks.iter().map(BoundCheck::hash).collect();
        let checks = checks.iter().map(|check| pb::Check {
            context: check.context_bytes().to_vec().into(),
            proof: check.proof().to_vec().into(),
            pseudonym: check.pseudonym().to_vec().into(),
        });
        let signature = self.signing.sign(&authorize_message(&hashes));
        pb::AuthorizeRequest {
            checks: checks.collect(),
            signature: signature.to_vec().into(),
            cosigned_size: 0,
        }
    }

    pub(crate) async fn send(&self, request: pb::AuthorizeRequest) -> authorize_response::Outcome {
        let response = self.authorization().authorize(request).await.unwrap();
        response.into_inner().outcome.unwrap()
    }

    /// Asks, and expects that the request is taken up.
    pub(crate) async fn authorize(&self, checks: &[BoundCheck]) -> pb::Authorized {
        taken_up(self.send(self.request(checks)).await)
    }

    /// One check of one list under an agreement: permitted, or the word of the refusal.
    pub(crate) async fn ask(&mut self, list: &str, agreement: u64, of: &Enrolled) -> Result<(), String> {
        let check = self.check(list, agreement, of);
        let answer = self.authorize(&[check]).await;
        words(&answer).remove(0)
    }

    /// The same under a consent.
    pub(crate) async fn ask_by(&mut self, list: &str, basis: Basis, of: &Enrolled) -> Result<(), String> {
        let draft = self.draft_of(&[list], basis);
        let checks = self.prove(vec![(draft, of)]);
        let answer = self.authorize(&checks).await;
        words(&answer).remove(0)
    }
}

pub(crate) fn taken_up(outcome: authorize_response::Outcome) -> pb::Authorized {
    match outcome {
        authorize_response::Outcome::Authorized(answer) => answer,
        authorize_response::Outcome::Refusal(refusal) => panic!("refused: {}", refusal.reason),
    }
}

/// The word of a refusal of a whole request.
pub(crate) fn refused(outcome: authorize_response::Outcome) -> String {
    match outcome {
        authorize_response::Outcome::Authorized(answer) => panic!("taken up: {:?}", words(&answer)),
        authorize_response::Outcome::Refusal(refusal) => refusal.reason,
    }
}

/// Items of an answer in order, a check refused as a whole as one: permitted, or the word of the refusal.
pub(crate) fn words(answer: &pb::Authorized) -> Vec<Result<(), String>> {
    let of_item = |item: &pb::ItemOutcome| match item.outcome.as_ref().unwrap() {
        Item::Permit(_) => Ok(()),
        Item::Refused(refused) => Err(refused.refusal.as_ref().unwrap().reason.clone()),
    };
    let of_check = |check: &pb::CheckOutcome| match &check.refusal {
        Some(refusal) => vec![Err(refusal.reason.clone())],
        None => check.items.iter().map(of_item).collect(),
    };
    answer.checks.iter().flat_map(of_check).collect()
}

/// The records of an answer in order, each verified under its checkpoint.
pub(crate) fn records(answer: &pb::Authorized) -> Vec<tacit_ledger::logged::VerifiedRecord> {
    raw_records(answer).iter().map(|record| verified(record, &answer.checkpoint)).collect()
}

/// The records of an answer in order.
pub(crate) fn raw_records(answer: &pb::Authorized) -> Vec<common::LoggedRecord> {
    let items = answer.checks.iter().flat_map(|check| &check.items);
    items
        .map(|item| match item.outcome.clone().unwrap() {
            Item::Permit(record) => record,
            Item::Refused(refused) => refused.record.unwrap(),
        })
        .collect()
}
