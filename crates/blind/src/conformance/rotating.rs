//! Section `rotate`: the proof that carries a pseudonym into a new epoch.

use tacit_model::MemberId;

use super::enrolling::weights;
use super::values::Node;
use super::{Mismatch, Run};
use crate::enroll::{self, Blinded, CARRY_PROOF_BYTES, Carry, Enrollment, Parties, Registered};
use crate::group::{Point, SecretScalar};
use crate::oprf::{self, VoprfKey};

/// One side of the file, computed from its key.
struct Side {
    epoch: u32,
    enrollment: Enrollment,
}

fn side(section: &Node<'_>, z: &SecretScalar, blinded_subject: Point) -> Result<Side, Mismatch> {
    let key = VoprfKey::from_secret(SecretScalar::decode(&section.get("secret_key")?.array()?)?);
    let (evaluated, proof) = key.evaluate_with_proof(&[blinded_subject], &mut weights())?;
    let blinded = vec![Blinded::from_parts(z.clone(), blinded_subject)];
    let enrollment = enroll::unblind(blinded, &evaluated, &proof, key.public())?.pop();
    Ok(Side { epoch: section.get("epoch")?.number()?, enrollment: enrollment.ok_or(Mismatch::Accepted)? })
}

impl Side {
    fn registered(&self) -> Registered<'_> {
        Registered {
            epoch: self.epoch,
            evaluated: self.enrollment.evaluated().as_bytes(),
            pseudonym: self.enrollment.pseudonym().as_bytes(),
        }
    }
}

pub(super) fn rotate(run: &mut Run, file: &Node<'_>) -> Result<(), Mismatch> {
    let section = file.get("rotate")?;
    let member = |name| -> Result<MemberId, Mismatch> { section.get(name)?.parsed() };
    let (custodian, coordinator) = (member("custodian")?, member("coordinator")?);
    let requester = member("requester")?;
    let parties = Parties { custodian: &custodian, coordinator: &coordinator, requester: &requester };
    let z = SecretScalar::decode(&section.get("z")?.array()?)?;
    let blinded_subject = Point::decode(&section.get("blinded_subject")?.array()?)?;
    let [from, to] = ["from", "to"].map(|name| side(&section.get(name)?, &z, blinded_subject));
    let (from, to) = (from?, to?);
    for (name, side) in [("from", &from), ("to", &to)] {
        let values = section.get(name)?;
        run.check(format!("rotate.{name}.evaluated"), || {
            values.get("evaluated")?.is(side.enrollment.evaluated().as_bytes())
        });
        run.check(format!("rotate.{name}.pseudonym"), || {
            values.get("pseudonym")?.is(side.enrollment.pseudonym().as_bytes())
        });
    }
    let carry =
        Carry { blinded_subject: blinded_subject.as_bytes(), from: from.registered(), to: to.registered() };
    let proof: [u8; CARRY_PROOF_BYTES] = section.get("proof")?.array()?;
    run.check("rotate.challenge", || {
        let transcript = enroll::carry_transcript(&parties, &carry)?;
        let (first, second) = oprf::split(proof.first_chunk().ok_or(Mismatch::Accepted)?);
        section.get("challenge")?.is(&enroll::carry_challenge(&transcript, [&first, &second]).encode())
    });
    run.check("rotate.proof", || {
        let nonce = SecretScalar::decode(&section.get("nonce")?.array()?)?;
        let computed =
            enroll::prove_carry_with_nonce(&to.enrollment, to.epoch, &from.registered(), &parties, &nonce)?;
        section.get("proof")?.is(&computed)
    });
    run.check("rotate.proof verifies", || {
        Ok(enroll::verify_carries(&[(carry, &proof)], &parties, &mut weights())?)
    });
    for (name, invalid) in section.get("invalid_proofs")?.members()? {
        let invalid = invalid.array()?;
        run.refuse(format!("rotate.invalid_proofs.{name}"), || {
            Ok(enroll::verify_carries(&[(carry, &invalid)], &parties, &mut weights()))
        });
    }
    let other = section.get("other_pseudonym")?.array()?;
    run.refuse("rotate.proof for another pseudonym", || {
        let moved = Carry { to: Registered { pseudonym: &other, ..carry.to }, ..carry };
        Ok(enroll::verify_carries(&[(moved, &proof)], &parties, &mut weights()))
    });
    run.refuse("rotate.proof back into the earlier epoch", || {
        let back = Carry { from: carry.to, to: carry.from, ..carry };
        Ok(enroll::verify_carries(&[(back, &proof)], &parties, &mut weights()))
    });
    Ok(())
}
