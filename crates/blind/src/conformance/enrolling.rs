//! Sections `subject` and `enroll`.

use tacit_model::MemberId;

use super::values::Node;
use super::{Mismatch, Run};
use crate::BlindError;
use crate::enroll::{self, Blinded, Enrollment, Parties, RegisterEntryIn, RegisterIn, Statement};
use crate::group::{Point, Scalar, SecretScalar};
use crate::linear::Equations;
use crate::oprf::{self, DleqProof, PseudonymKey};
use crate::subject::{self, Subject};
use crate::{Hash, commit};

/// The subject of the file.
pub(super) fn subject_of(file: &Node<'_>) -> Result<Subject, Mismatch> {
    let section = file.get("subject")?;
    Ok(Subject::from_parts(section.get("scheme")?.text()?, section.get("code")?.text()?)?)
}

pub(super) fn subject(run: &mut Run, file: &Node<'_>) -> Result<(), Mismatch> {
    let section = file.get("subject")?;
    let (scheme, code) = (section.get("scheme")?.text()?, section.get("code")?.text()?);
    run.check("subject.input", || section.get("input")?.is(&subject::input(scheme, code)?));
    run.check("subject.code is in its normal form", || {
        let parsed = tacit_model::Schemes::built_in().parse(scheme, code).map_err(Mismatch::other)?;
        section.get("code")?.is_text(parsed.subject.expose_code())?;
        section.get("input")?.is(&subject::input_of(&parsed.subject)?)
    });
    let subject = subject_of(file)?;
    run.check("subject.point", || section.get("point")?.is(subject.point().compress().as_bytes()));
    Ok(())
}

/// Names of the parties in the file.
pub(super) struct Names {
    pub(super) custodian: MemberId,
    pub(super) coordinator: MemberId,
    pub(super) requester: MemberId,
}

impl Names {
    pub(super) fn of(file: &Node<'_>) -> Result<Self, Mismatch> {
        let section = file.get("enroll")?;
        Ok(Self {
            custodian: section.get("custodian")?.parsed()?,
            coordinator: section.get("coordinator")?.parsed()?,
            requester: section.get("requester")?.parsed()?,
        })
    }

    fn parties(&self) -> Parties<'_> {
        Parties { custodian: &self.custodian, coordinator: &self.coordinator, requester: &self.requester }
    }
}

/// The enrollment of the file, unblinded from its evaluation with the proof verified.
pub(super) fn enrollment_of(file: &Node<'_>) -> Result<Enrollment, Mismatch> {
    let section = file.get("enroll")?;
    let blinded = Blinded::from_parts(
        SecretScalar::decode(&section.get("z")?.array()?)?,
        Point::decode(&section.get("blinded_subject")?.array()?)?,
    );
    let mut all = enroll::unblind(
        vec![blinded],
        &[section.get("evaluated")?.array()?],
        &DleqProof::decode(&section.get("dleq_proof")?.array()?)?,
        &Point::decode(&section.get("public_key")?.array()?)?,
    )?;
    all.pop().ok_or(Mismatch::Accepted)
}

pub(super) fn enroll(run: &mut Run, file: &Node<'_>) -> Result<(), Mismatch> {
    let section = file.get("enroll")?;
    let names = Names::of(file)?;
    let epoch: u32 = section.get("epoch")?.number()?;
    run.check("enroll.info", || section.get("info")?.is(&PseudonymKey::info(&names.requester, epoch)?));
    let key = PseudonymKey::derive(&section.get("seed")?.array()?, &names.requester, epoch)?;
    run.check("enroll.secret_key", || {
        section.get("secret_key")?.is(key.key().secret().expose_bytes().as_ref())
    });
    run.check("enroll.public_key", || section.get("public_key")?.is(key.public().as_bytes()));

    let z = SecretScalar::decode(&section.get("z")?.array()?)?;
    let subject = subject_of(file)?;
    let blinded = Point::from_product(subject.point() * z.0);
    run.check("enroll.blinded_subject", || section.get("blinded_subject")?.is(blinded.as_bytes()));
    let evaluated = key.key().evaluate_batch(&[blinded]);
    run.check("enroll.evaluated", || section.get("evaluated")?.is(&evaluated[0]));
    let nonce = SecretScalar::decode(&section.get("dleq_nonce")?.array()?)?;
    run.check("enroll.dleq_proof", || {
        let proof = oprf::prove_with_nonce(key.key(), &[blinded], &evaluated, &nonce)?;
        section.get("dleq_proof")?.is(&proof.encode())
    });
    let enrollment = enrollment_of(file)?;
    run.check("enroll.pseudonym", || section.get("pseudonym")?.is(enrollment.pseudonym().as_bytes()));
    run.refuse("enroll.dleq_proof under another key", || {
        let proof = DleqProof::decode(&section.get("dleq_proof")?.array()?)?;
        let blinded = vec![Blinded::from_parts(z.clone(), blinded)];
        Ok(enroll::unblind(blinded, &evaluated, &proof, &Point::generator()))
    });
    registration(run, &section, &names, epoch, &key, &enrollment)
}

fn registration(
    run: &mut Run,
    section: &Node<'_>,
    names: &Names,
    epoch: u32,
    key: &PseudonymKey,
    enrollment: &Enrollment,
) -> Result<(), Mismatch> {
    let sealed = section.get("audit_box")?.bytes()?;
    let box_hash = commit::audit_box(&sealed);
    run.check("enroll.audit_box_hash", || section.get("audit_box_hash")?.is(&box_hash));
    let parties = names.parties();
    let proof: [u8; 64] = section.get("proof")?.array()?;
    let statement = Statement {
        blinded_subject: enrollment.blinded_subject().as_bytes(),
        evaluated: enrollment.evaluated().as_bytes(),
        pseudonym: enrollment.pseudonym().as_bytes(),
        box_hash: &box_hash,
    };
    run.check("enroll.challenge", || {
        let transcript = enroll::transcript(&parties, epoch, &statement)?;
        section.get("challenge")?.is(&enroll::challenge(&transcript, &oprf::split(&proof).0).encode())
    });
    run.check("enroll.proof", || {
        let nonce = SecretScalar::decode(&section.get("proof_nonce")?.array()?)?;
        section.get("proof")?.is(&enroll::prove_with_nonce(enrollment, &box_hash, &parties, epoch, &nonce)?)
    });
    let dleq = section.get("dleq_proof")?.array()?;
    let message = |proof: [u8; 64]| RegisterIn {
        epoch,
        entries: vec![RegisterEntryIn {
            blinded_subject: enrollment.blinded_subject().encode(),
            evaluated: enrollment.evaluated().encode(),
            pseudonym: enrollment.pseudonym().encode(),
            proof,
            audit_box: sealed.clone(),
        }],
        dleq,
    };
    run.check("enroll.register_hash", || {
        let verified = message(proof).verify(&parties, key.public(), &mut weights())?;
        section.get("register_hash")?.is(verified.first().ok_or(Mismatch::Accepted)?.register_hash())
    });
    for (name, invalid) in section.get("invalid_proofs")?.members()? {
        let invalid = invalid.array()?;
        run.refuse(format!("enroll.invalid_proofs.{name}"), || {
            Ok(message(invalid).verify(&parties, key.public(), &mut weights()))
        });
    }
    run.refuse("enroll.proof over another audit box", || {
        let other: Hash = section.get("other_audit_box_hash")?.array()?;
        let statement = Statement { box_hash: &other, ..statement };
        let transcript = enroll::transcript(&parties, epoch, &statement)?;
        let mut equations = Equations::default();
        enroll::push_equation(
            &mut equations,
            &transcript,
            enrollment.evaluated(),
            enrollment.pseudonym().as_bytes(),
            &proof,
        )?;
        let bad = equations.find_bad(&mut weights());
        Ok(if bad.is_empty() { Ok(()) } else { Err(BlindError::Proofs { bad }) })
    });
    Ok(())
}

/// Encodings of points and scalars that must be refused: `{"points": {name: hex}, "scalars": {name: hex}}`.
pub(super) fn encodings(run: &mut Run, file: &Node<'_>) -> Result<(), Mismatch> {
    let section = file.get("encodings")?;
    for (name, point) in section.get("points")?.members()? {
        let bytes = point.bytes()?;
        run.refuse(format!("encodings.points.{name}"), || Ok(Point::decode_slice(&bytes)));
    }
    for (name, scalar) in section.get("scalars")?.members()? {
        let bytes = scalar.array()?;
        run.refuse(format!("encodings.scalars.{name}"), || Ok(Scalar::decode(&bytes)));
    }
    Ok(())
}

/// The generator that verification asks for. In a vector run nothing depends on it: each batch has one proof,
/// which is checked alone, without weights.
pub(super) fn weights() -> tacit_model::entropy::Rng {
    tacit_model::entropy::seeded_rng([0; 32])
}
