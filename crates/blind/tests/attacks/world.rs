//! A small federation in memory: names, keys, and the honest steps that the attacks depart from.

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use tacit_blind::audit_box::{self, AuditorPublicKey, AuditorSecretKey, BoxContents, Registered};
use tacit_blind::check::{
    AuthorizeIn, BoundCheck, CheckDraft, CheckIn, DraftItem, Expected, ListEpoch, authorize_message,
    prove_checks,
};
use tacit_blind::enroll::{
    Blinded, Enrolled, Enrollment, Parties, RegisterEntryIn, RegisterIn, VerifiedRegistration,
    blind_subjects, prove_register, unblind,
};
use tacit_blind::group::{Point, SecretScalar};
use tacit_blind::oprf::PseudonymKey;
use tacit_blind::subject::Subject;
use tacit_blind::{BlindError, commit};
use tacit_ledger::ed25519::SigningKey;
use tacit_model::{MemberId, Millis};

pub(crate) const CODE: &str = "91350100M000100Y43";
pub(crate) const EPOCH: u32 = 3;

/// Names, keys and one generator; every test starts from here.
pub(crate) struct World {
    pub(crate) rng: ChaCha20Rng,
    pub(crate) custodian: MemberId,
    pub(crate) coordinator: MemberId,
    pub(crate) requester: MemberId,
    pub(crate) pseudonyms: PseudonymKey,
    pub(crate) auditors: [(AuditorSecretKey, AuditorPublicKey); 2],
    pub(crate) signing: SigningKey,
}

impl World {
    pub(crate) fn new() -> Self {
        let requester: MemberId = "procurement".parse().unwrap();
        Self {
            rng: ChaCha20Rng::from_seed([42; 32]),
            custodian: "custodian".parse().unwrap(),
            coordinator: "coordinator".parse().unwrap(),
            pseudonyms: PseudonymKey::derive(&[7; 32], &requester, EPOCH).unwrap(),
            requester,
            auditors: [[1; 32], [2; 32]].map(|seed| AuditorSecretKey::derive(&seed)),
            signing: SigningKey::from_seed(&[3; 32]),
        }
    }

    pub(crate) fn parties(&self) -> Parties<'_> {
        Parties { custodian: &self.custodian, coordinator: &self.coordinator, requester: &self.requester }
    }

    /// The custodian evaluates what it gets and the requester unblinds: an honest run of steps 1 to 3.
    pub(crate) fn enroll(&mut self, blinded: Vec<Blinded>) -> (Vec<Enrollment>, [u8; 64]) {
        let points: Vec<Point> = blinded.iter().map(|b| *b.blinded_subject()).collect();
        let (evaluated, proof) = self.pseudonyms.evaluate_with_proof(&points, &mut self.rng).unwrap();
        let enrolled = unblind(blinded, &evaluated, &proof, self.pseudonyms.public()).unwrap();
        (enrolled, proof.encode())
    }

    pub(crate) fn enroll_codes(&mut self, codes: &[&str]) -> (Vec<Enrollment>, [u8; 64]) {
        let subjects: Vec<Subject> =
            codes.iter().map(|code| Subject::from_parts("CN-USCC", code).unwrap()).collect();
        let blinded = blind_subjects(&subjects, &mut self.rng);
        self.enroll(blinded)
    }

    /// A box that claims `code` with `z`, sealed to the given points.
    pub(crate) fn sealed_box(&mut self, code: &str, z: &SecretScalar, of: &Registered<'_>) -> Vec<u8> {
        let contents = BoxContents { scheme: "CN-USCC", code, z, case: "PROC-2026-1", officer: "officer-17" };
        let keys = (&self.auditors[0].1, &self.auditors[1].1);
        audit_box::seal(&contents, of, keys, &mut self.rng).unwrap()
    }

    pub(crate) fn register(
        &mut self,
        enrollments: &[Enrollment],
        boxes: &[Vec<u8>],
        dleq: [u8; 64],
    ) -> RegisterIn {
        let entries: Vec<(&Enrollment, &[u8])> =
            enrollments.iter().zip(boxes.iter().map(Vec::as_slice)).collect();
        let parties = Parties {
            custodian: &self.custodian,
            coordinator: &self.coordinator,
            requester: &self.requester,
        };
        let proofs = prove_register(&entries, &parties, EPOCH, &mut self.rng).unwrap();
        let entries = enrollments
            .iter()
            .zip(boxes)
            .zip(proofs)
            .map(|((e, audit_box), proof)| RegisterEntryIn {
                blinded_subject: e.blinded_subject().encode(),
                evaluated: e.evaluated().encode(),
                pseudonym: e.pseudonym().encode(),
                proof,
                audit_box: audit_box.clone(),
            })
            .collect();
        RegisterIn { epoch: EPOCH, entries, dleq }
    }

    pub(crate) fn register_codes(&mut self, codes: &[&str]) -> (Vec<Enrollment>, RegisterIn) {
        let (enrollments, dleq) = self.enroll_codes(codes);
        let boxes: Vec<Vec<u8>> = codes
            .iter()
            .zip(&enrollments)
            .map(|(code, e)| self.sealed_box(code, e.z(), &points(e)))
            .collect();
        let message = self.register(&enrollments, &boxes, dleq);
        (enrollments, message)
    }

    pub(crate) fn verify(&mut self, message: RegisterIn) -> Result<Vec<VerifiedRegistration>, BlindError> {
        let parties = Parties {
            custodian: &self.custodian,
            coordinator: &self.coordinator,
            requester: &self.requester,
        };
        message.verify(&parties, self.pseudonyms.public(), &mut self.rng)
    }

    pub(crate) fn draft(&mut self) -> CheckDraft {
        let mut nonce = [0; 16];
        self.rng.fill_bytes(&mut nonce);
        let item = |holder: &str, lists: &[&str]| DraftItem {
            holder: holder.parse().unwrap(),
            lists: lists.iter().map(|l| ListEpoch { list: l.parse().unwrap(), epoch: 20_778 }).collect(),
        };
        CheckDraft {
            coordinator: self.coordinator.clone(),
            requester: self.requester.clone(),
            cnf: [9; 32],
            nonce,
            timestamp: Millis(1_795_300_143_123),
            purpose: "procurement-eligibility".parse().unwrap(),
            basis: "consent:01KAQ7Z3J5X8M2N4P6R8T0V2W4".parse().unwrap(),
            matter: commit::matter(&[1; 32], "PROC-2026-1", "officer-17").unwrap(),
            items: vec![
                item("court", &["court/judgment-defaulters"]),
                item("customs", &["customs/debarred-importers", "customs/trusted-traders"]),
            ],
        }
    }

    pub(crate) fn prove(&mut self, subjects: &[Enrolled]) -> Vec<BoundCheck> {
        let drafts = subjects.iter().map(|e| (self.draft(), e)).collect();
        prove_checks(drafts, &mut self.rng).unwrap()
    }

    pub(crate) fn signed(&self, checks: Vec<CheckIn>) -> AuthorizeIn {
        let hashes: Vec<[u8; 32]> =
            checks.iter().map(|c| tacit_blind::check::check_hash(&c.context, &c.proof)).collect();
        AuthorizeIn { checks, signature: self.signing.sign(&authorize_message(&hashes)) }
    }

    /// What the coordinator does with a request: every check's own outcome.
    pub(crate) fn authorize(
        &mut self,
        request: AuthorizeIn,
        registered: &[Option<Point>],
    ) -> Result<Vec<Result<tacit_blind::check::VerifiedCheck, BlindError>>, BlindError> {
        let key = self.signing.verifying_key();
        let expected = Expected {
            coordinator: &self.coordinator,
            requester: &self.requester,
            cnf: &[9; 32],
            signing_key: key.as_bytes(),
        };
        request.parse()?.authenticate(&expected)?.verify_bindings(registered, &mut self.rng)
    }
}

pub(crate) fn points(e: &Enrollment) -> Registered<'_> {
    Registered { blinded_subject: e.blinded_subject(), evaluated: e.evaluated(), pseudonym: e.pseudonym() }
}

pub(crate) fn arrived(check: &BoundCheck) -> CheckIn {
    CheckIn { pseudonym: *check.pseudonym(), context: check.context_bytes().to_vec(), proof: *check.proof() }
}

pub(crate) fn inner(error: BlindError) -> BlindError {
    match error {
        BlindError::InCheck { error, .. } => *error,
        other => other,
    }
}

/// `a + b` of two points through their encodings, as an attacker with its own arithmetic computes it.
pub(crate) fn add(a: &Point, b: &Point) -> Point {
    use curve25519_dalek::ristretto::CompressedRistretto;
    let decode = |p: &Point| CompressedRistretto(p.encode()).decompress().unwrap();
    Point::decode(&(decode(a) + decode(b)).compress().to_bytes()).unwrap()
}

pub(crate) fn subject_point(code: &str) -> Point {
    // z = 1 blinds nothing.
    let mut one = [0; 32];
    one[0] = 1;
    let one = SecretScalar::decode(&one).unwrap();
    let mut rng = ChaCha20Rng::from_seed([0; 32]);
    let blinded = blind_subjects(&[Subject::from_parts("CN-USCC", code).unwrap()], &mut rng).remove(0);
    // P = z⁻¹·Ph, through the same division as everybody's.
    let key = tacit_blind::oprf::VoprfKey::from_secret(one);
    let (n, proof) = key.evaluate_with_proof(&[*blinded.blinded_subject()], &mut rng).unwrap();
    *unblind(vec![blinded], &n, &proof, key.public()).unwrap()[0].pseudonym()
}
