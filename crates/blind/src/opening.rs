//! What two auditors sign to open an audit box, and what proves which registration stands behind a record.
//!
//! ```text
//! record ──evidence──▶ context, bind proof, request's signature, register_hash ──▶ Ph, Th, T, proof, box
//! ```
//! The requester signed the context under this Ph and T, and proved, with the hash of the box in its challenge, that it
//! knows the z behind them. So neither the box nor the registration can be another's, and what is wrong in the box is
//! its requester's doing.

use rand_core::CryptoRng;
use thiserror::Error;

use crate::audit_box::Registered;
use crate::check::{CheckContext, check_hash, verify_binding, verify_signature};
use crate::commit;
use crate::encoding::{b3, length_u32, put_lp};
use crate::enroll::{Parties, Statement, push_equation, transcript};
use crate::group::Point;
use crate::linear::Equations;
use crate::{BlindError, Hash};

/// What the first auditor signs: that this record's registration be opened, and why.
///
/// # Errors
/// [`BlindError::TooLong`] beyond 65,535 bytes.
pub fn request_message(about: &str, ground: &str) -> Result<Vec<u8>, BlindError> {
    let mut message = b"tacit/v1/box-request".to_vec();
    put_lp(&mut message, "a record", about.as_bytes())?;
    put_lp(&mut message, "a ground", ground.as_bytes())?;
    Ok(message)
}

/// What the second auditor signs: that this is the box of the registration, less the outer layer.
///
/// # Errors
/// [`BlindError::TooLong`] beyond 65,535 bytes.
pub fn approval_message(opening: &str, register_hash: &Hash, inner: &[u8]) -> Result<Vec<u8>, BlindError> {
    let mut message = b"tacit/v1/box-approval".to_vec();
    put_lp(&mut message, "an opening", opening.as_bytes())?;
    message.extend_from_slice(register_hash);
    message.extend_from_slice(&length_u32("an inner box", inner)?);
    message.extend_from_slice(inner);
    Ok(message)
}

/// `ground` of a record of kind `box-opened`.
#[must_use]
pub fn ground(salt: &[u8; 32], ground: &str) -> Hash {
    b3("tacit v1 box ground", &[salt, ground.as_bytes()])
}

/// A registration with what proves that it stands behind a record, as it came.
#[derive(Debug, Clone)]
pub struct ShownRegistration {
    /// Pseudonym epoch.
    pub epoch: u32,
    /// Ph.
    pub blinded_subject: [u8; 32],
    /// Th.
    pub evaluated: [u8; 32],
    /// T.
    pub pseudonym: [u8; 32],
    /// `R1 || s1`.
    pub proof: [u8; 64],
    /// The sealed box.
    pub audit_box: Vec<u8>,
    /// Salt of the record's evidence commitment.
    pub salt_evidence: [u8; 32],
    /// The check's context.
    pub context: Vec<u8>,
    /// `R || s`.
    pub bind_proof: [u8; 64],
    /// The requester's signature over the request.
    pub signature: [u8; 64],
    /// Hashes of the request's checks.
    pub check_hashes: Vec<Hash>,
}

/// Why what was shown proves nothing; whoever showed it is at fault.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ShownProblem {
    /// The record commits to something else.
    #[error("the record commits to other evidence")]
    Evidence,
    /// The requester did not prove this registration.
    #[error("the proof of the registration does not hold")]
    Registration,
    /// The check is not about this registration.
    #[error("the bind proof of the check does not hold")]
    Binding,
    /// The requester did not sign this check.
    #[error("the requester's signature does not cover the check")]
    Signature,
    /// Something is not in its form.
    #[error("{0}")]
    Form(BlindError),
}

impl From<BlindError> for ShownProblem {
    fn from(error: BlindError) -> Self {
        Self::Form(error)
    }
}

/// A registration that is proven to stand behind a record.
#[derive(Debug, Clone)]
pub struct ProvenRegistration {
    /// Its hash.
    pub register_hash: Hash,
    /// What was asked.
    pub context: CheckContext,
    points: [Point; 3],
}

impl ProvenRegistration {
    /// The three points, which its box is sealed to.
    #[must_use]
    pub fn registered(&self) -> Registered<'_> {
        let [blinded_subject, evaluated, pseudonym] = &self.points;
        Registered { blinded_subject, evaluated, pseudonym }
    }
}

impl ShownRegistration {
    /// Its hash, for `requester`.
    ///
    /// # Errors
    /// [`BlindError::TooLong`].
    pub fn register_hash(&self, requester: &str) -> Result<Hash, BlindError> {
        commit::register_hash(&commit::Registration {
            requester,
            epoch: self.epoch,
            blinded_subject: &self.blinded_subject,
            evaluated: &self.evaluated,
            pseudonym: &self.pseudonym,
            proof: &self.proof,
            box_hash: &commit::audit_box(&self.audit_box),
        })
    }

    /// Verifies all of it against the `evidence` of a record; `keys` are the requester's signing keys, past ones too.
    ///
    /// # Errors
    /// [`ShownProblem`].
    pub fn verify(
        &self,
        evidence: &Hash,
        parties: &Parties<'_>,
        keys: &[[u8; 32]],
        rng: &mut impl CryptoRng,
    ) -> Result<ProvenRegistration, ShownProblem> {
        let register_hash = self.register_hash(parties.requester.as_str())?;
        let shown = commit::Evidence {
            pseudonym: &self.pseudonym,
            blinded_subject: &self.blinded_subject,
            context: &self.context,
            proof: &self.bind_proof,
            register_hash: &register_hash,
            signature: &self.signature,
        };
        if commit::evidence(&self.salt_evidence, &shown)? != *evidence {
            return Err(ShownProblem::Evidence);
        }
        let points = [&self.blinded_subject, &self.evaluated, &self.pseudonym];
        let [blinded_subject, evaluated, pseudonym] = points.map(Point::decode);
        let points = [blinded_subject?, evaluated?, pseudonym?];
        let box_hash = commit::audit_box(&self.audit_box);
        let statement = Statement {
            blinded_subject: &self.blinded_subject,
            evaluated: &self.evaluated,
            pseudonym: &self.pseudonym,
            box_hash: &box_hash,
        };
        let bytes = transcript(parties, self.epoch, &statement)?;
        let mut equations = Equations::with_capacity(1, 3);
        push_equation(&mut equations, &bytes, &points[1], &self.pseudonym, &self.proof)?;
        if !equations.find_bad(rng).is_empty() {
            return Err(ShownProblem::Registration);
        }
        let context = match verify_binding(&self.context, &self.pseudonym, &points[0], &self.bind_proof, rng)
        {
            Ok(context) => context,
            Err(BlindError::Proofs { .. }) => return Err(ShownProblem::Binding),
            Err(error) => return Err(error.into()),
        };
        let signed =
            keys.iter().any(|key| verify_signature(key, &self.check_hashes, &self.signature).is_ok());
        if !signed || !self.check_hashes.contains(&check_hash(&self.context, &self.bind_proof)) {
            return Err(ShownProblem::Signature);
        }
        Ok(ProvenRegistration { register_hash, context, points })
    }
}
