//! The bind proof: `s·Ph = R + Σ c^j·M_j`, j from 1.

use std::fmt;

use curve25519_dalek::ristretto::RistrettoPoint;
use curve25519_dalek::scalar::Scalar as DalekScalar;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::{CheckContext, CheckDraft};
use crate::BlindError;
use crate::encoding::length_u32;
use crate::enroll::Enrolled;
use crate::group::{self, Point, Scalar, SecretScalar};
use crate::linear::Equations;
use crate::oprf;

const DST: &[u8] = b"HashToScalar-tacit/v1/bind-ristretto255-SHA512";

/// `c = h2s("tacit/v1/bind" || u32 len(ctx) || ctx || T || Ph || R)`.
pub(crate) fn challenge(
    context: &[u8],
    pseudonym: &[u8; 32],
    blinded_subject: &[u8; 32],
    commitment: &[u8; 32],
) -> Result<Scalar, BlindError> {
    let length = length_u32("a context", context)?;
    Ok(group::hash_to_scalar(
        &[b"tacit/v1/bind", &length, context, pseudonym, blinded_subject, commitment],
        &[DST],
    ))
}

/// `s = t + Σ c^j·w_j`, and the proof `R || s`.
pub(crate) fn respond(
    challenge: Scalar,
    commitment: &[u8; 32],
    nonce: &SecretScalar,
    blinds: &[SecretScalar],
) -> [u8; 64] {
    let mut response = Zeroizing::new(nonce.0);
    let mut power = DalekScalar::ONE;
    for blind in blinds {
        power *= challenge.0;
        *response += power * blind.0;
    }
    oprf::join(commitment, &Scalar(*response).encode())
}

/// A check with its queries blinded and its proof made: what goes to the coordinator, and the blinds that
/// stay.
#[derive(Clone)]
pub struct BoundCheck {
    context: CheckContext,
    bytes: Vec<u8>,
    proof: [u8; 64],
    pseudonym: [u8; 32],
    blinds: Vec<SecretScalar>,
    total_blinds: Vec<SecretScalar>,
}

impl BoundCheck {
    /// The check.
    #[must_use]
    pub fn context(&self) -> &CheckContext {
        &self.context
    }

    /// Its context bytes.
    #[must_use]
    pub fn context_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// `R || s`.
    #[must_use]
    pub fn proof(&self) -> &[u8; 64] {
        &self.proof
    }

    /// T.
    #[must_use]
    pub fn pseudonym(&self) -> &[u8; 32] {
        &self.pseudonym
    }

    /// w of each item, for the receipt.
    #[must_use]
    pub fn blinds(&self) -> &[SecretScalar] {
        &self.blinds
    }

    /// w·z of each item, for Finalize.
    #[must_use]
    pub fn total_blinds(&self) -> &[SecretScalar] {
        &self.total_blinds
    }

    /// What the requester signs of this check.
    #[must_use]
    pub fn hash(&self) -> crate::Hash {
        super::check_hash(&self.bytes, &self.proof)
    }
}

impl fmt::Debug for BoundCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BoundCheck(..)")
    }
}

/// Blinds every item of every check with its own fresh w and proves each check. All points of the call are
/// encoded together.
///
/// # Errors
/// As [`CheckContext::encode`].
pub fn prove_checks(
    drafts: Vec<(CheckDraft, &Enrolled)>,
    rng: &mut impl CryptoRng,
) -> Result<Vec<BoundCheck>, BlindError> {
    let blinds: Vec<Vec<SecretScalar>> = drafts
        .iter()
        .map(|(draft, _)| draft.items.iter().map(|_| SecretScalar::random(rng)).collect())
        .collect();
    let subjects: Vec<&RistrettoPoint> = drafts.iter().map(|(_, e)| e.blinded_subject().inner()).collect();
    let queries = group::mul_each(
        blinds
            .iter()
            .zip(&subjects)
            .flat_map(|(of_check, subject)| of_check.iter().map(move |w| (w, *subject))),
    );

    let mut queries = queries.as_slice();
    let mut contexts = Vec::with_capacity(drafts.len());
    let mut nonces = Vec::with_capacity(drafts.len());
    let mut enrolled = Vec::with_capacity(drafts.len());
    for ((draft, subject), blinds) in drafts.into_iter().zip(&blinds) {
        let (own, rest) = queries.split_at(blinds.len());
        queries = rest;
        let context = draft.with_queries(own);
        let bytes = context.encode()?;
        let secrets: Vec<Zeroizing<[u8; 32]>> = blinds.iter().map(SecretScalar::expose_bytes).collect();
        let secrets: Vec<&[u8]> = secrets.iter().map(|s| s.as_slice()).collect();
        nonces.push(group::hedged_nonce(
            &group::random64(rng),
            &secrets,
            &[&bytes, subject.pseudonym(), subject.blinded_subject().as_bytes()],
        ));
        contexts.push((context, bytes));
        enrolled.push(subject);
    }
    let commitments = group::mul_each(nonces.iter().zip(subjects));

    contexts
        .into_iter()
        .zip(blinds)
        .zip(enrolled)
        .zip(nonces.iter().zip(&commitments))
        .map(|((((context, bytes), blinds), subject), (nonce, commitment))| {
            let c = challenge(
                &bytes,
                subject.pseudonym(),
                subject.blinded_subject().as_bytes(),
                commitment.as_bytes(),
            )?;
            let proof = respond(c, commitment.as_bytes(), nonce, &blinds);
            let total_blinds = blinds.iter().map(|w| w.product(subject.z())).collect();
            Ok(BoundCheck { context, bytes, proof, pseudonym: *subject.pseudonym(), blinds, total_blinds })
        })
        .collect()
}

/// Adds the equation `R + Σ c^j·M_j - s·Ph = identity`.
///
/// # Errors
/// Encodings of the proof.
pub(super) fn push_equation(
    equations: &mut Equations,
    context: &CheckContext,
    bytes: &[u8],
    pseudonym: &[u8; 32],
    blinded_subject: &Point,
    proof: &[u8; 64],
) -> Result<(), BlindError> {
    let (r, s) = oprf::split(proof);
    let (commitment, response) = (Point::decode(&r)?, Scalar::decode(&s)?);
    let c = challenge(bytes, pseudonym, blinded_subject.as_bytes(), &r)?.0;
    let queries = context.items.iter().scan(DalekScalar::ONE, |power, item| {
        *power *= c;
        Some((*power, *item.query.inner()))
    });
    equations.push(
        [(DalekScalar::ONE, *commitment.inner()), (-response.0, *blinded_subject.inner())]
            .into_iter()
            .chain(queries),
    );
    Ok(())
}

/// Verifies one bind proof alone, as an auditor does with opened evidence, and gives the check it proves.
///
/// # Errors
/// As [`CheckContext::parse`], encodings, and [`BlindError::Proofs`].
pub fn verify_binding(
    context: &[u8],
    pseudonym: &[u8; 32],
    blinded_subject: &Point,
    proof: &[u8; 64],
    rng: &mut impl CryptoRng,
) -> Result<CheckContext, BlindError> {
    let parsed = CheckContext::parse(context)?;
    let mut equations = Equations::default();
    push_equation(&mut equations, &parsed, context, pseudonym, blinded_subject, proof)?;
    let bad = equations.find_bad(rng);
    if bad.is_empty() { Ok(parsed) } else { Err(BlindError::Proofs { bad }) }
}
