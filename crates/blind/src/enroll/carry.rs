//! Pseudonym-epoch rotation (section 8): proof that a pseudonym of a new epoch is of the very subject behind one of an
//! earlier epoch, so that consents, counts and chains go with the subject and can move to nobody else.
//!
//! ```text
//! earlier epoch: z·T = Th          new epoch, the same Ph: z·T' = Th'
//! A: R = t·T, R' = t·T', c = H(statement, R, R'), s = t + c·z          C: s·T = R + c·Th and s·T' = R' + c·Th'
//! ```
//!
//! `Th` and `Th'` are the custodian's evaluations of one Ph under its two keys, each proven to C when it was registered.
//! One z for both equations means one subject: with `Ph = z·P` behind both, T is kD·P and T' is kD'·P.

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::{Enrollment, Parties};
use crate::BlindError;
use crate::encoding::put_lp;
use crate::group::{self, Point, Scalar, SecretScalar};
use crate::linear::Equations;
use curve25519_dalek::scalar::Scalar as DalekScalar;

/// Bytes of a proof: `R || R' || s`.
pub const CARRY_PROOF_BYTES: usize = 96;

const DST: &[u8] = b"HashToScalar-tacit/v1/rotate-ristretto255-SHA512";

/// A registration in one epoch, as the coordinator keeps it.
#[derive(Debug, Clone, Copy)]
pub struct Registered<'a> {
    /// Its pseudonym epoch.
    pub epoch: u32,
    /// Th.
    pub evaluated: &'a [u8; 32],
    /// T.
    pub pseudonym: &'a [u8; 32],
}

/// What one proof is about: two registrations of one Ph.
#[derive(Debug, Clone, Copy)]
pub struct Carry<'a> {
    /// Ph, the same in both.
    pub blinded_subject: &'a [u8; 32],
    /// Of the earlier epoch.
    pub from: Registered<'a>,
    /// Of the later epoch.
    pub to: Registered<'a>,
}

/// `"tacit/v1/rotate" || lp(D) || lp(C) || lp(A) || Ph || u32 epoch || Th || T || u32 epoch' || Th' || T'`: the
/// transcript before R and R'.
pub(crate) fn transcript(parties: &Parties<'_>, carry: &Carry<'_>) -> Result<Vec<u8>, BlindError> {
    let mut bytes = Vec::with_capacity(420);
    bytes.extend_from_slice(b"tacit/v1/rotate");
    for member in [parties.custodian, parties.coordinator, parties.requester] {
        put_lp(&mut bytes, "a member", member.as_str().as_bytes())?;
    }
    bytes.extend_from_slice(carry.blinded_subject);
    for side in [&carry.from, &carry.to] {
        bytes.extend_from_slice(&side.epoch.to_be_bytes());
        bytes.extend_from_slice(side.evaluated);
        bytes.extend_from_slice(side.pseudonym);
    }
    Ok(bytes)
}

/// c for two commitments.
pub(crate) fn challenge(transcript: &[u8], commitments: [&[u8; 32]; 2]) -> Scalar {
    group::hash_to_scalar(&[transcript, commitments[0], commitments[1]], &[DST])
}

/// Proves that the enrollment of the new epoch is of the subject behind the earlier registration. `z` is the
/// enrollment's, and was the earlier one's: the requester blinds a subject with the same factor in every epoch.
///
/// # Errors
/// [`BlindError::Repeated`] when both are of one epoch, encodings of the earlier registration, and
/// [`BlindError::Proofs`] when the earlier one was made with another factor: then there is nothing to prove.
pub fn prove_carry(
    enrollment: &Enrollment,
    epoch: u32,
    from: &Registered<'_>,
    parties: &Parties<'_>,
    rng: &mut impl CryptoRng,
) -> Result<[u8; CARRY_PROOF_BYTES], BlindError> {
    let carry = carry_of(enrollment, epoch, from)?;
    let bytes = transcript(parties, &carry)?;
    let secret = enrollment.z().expose_bytes();
    let nonce = group::hedged_nonce(&group::random64(rng), &[secret.as_ref()], &[&bytes]);
    prove_with_nonce(enrollment, epoch, from, parties, &nonce)
}

fn carry_of<'a>(
    enrollment: &'a Enrollment,
    epoch: u32,
    from: &Registered<'a>,
) -> Result<Carry<'a>, BlindError> {
    if from.epoch >= epoch {
        return Err(BlindError::Repeated { what: "pseudonym epoch" });
    }
    Ok(Carry {
        blinded_subject: enrollment.blinded_subject().as_bytes(),
        from: *from,
        to: Registered {
            epoch,
            evaluated: enrollment.evaluated().as_bytes(),
            pseudonym: enrollment.pseudonym().as_bytes(),
        },
    })
}

/// One proof with the nonce t given, for vectors.
pub(crate) fn prove_with_nonce(
    enrollment: &Enrollment,
    epoch: u32,
    from: &Registered<'_>,
    parties: &Parties<'_>,
    nonce: &SecretScalar,
) -> Result<[u8; CARRY_PROOF_BYTES], BlindError> {
    let carry = carry_of(enrollment, epoch, from)?;
    let bytes = transcript(parties, &carry)?;
    let earlier = Point::decode(from.pseudonym)?;
    if earlier.mul(enrollment.z()).as_bytes() != from.evaluated {
        return Err(BlindError::Proofs { bad: vec![0] });
    }
    let commitments = [earlier.mul(nonce), enrollment.pseudonym().mul(nonce)];
    let c = challenge(&bytes, [commitments[0].as_bytes(), commitments[1].as_bytes()]);
    let response = Zeroizing::new(nonce.0 + c.0 * enrollment.z().0);
    let mut proof = [0; CARRY_PROOF_BYTES];
    let parts = [*commitments[0].as_bytes(), *commitments[1].as_bytes(), Scalar(*response).encode()];
    for (place, part) in proof.chunks_exact_mut(32).zip(&parts) {
        place.copy_from_slice(part);
    }
    Ok(proof)
}

/// Verifies many proofs together, with weights drawn now.
///
/// The caller has both registrations from its own store or has verified them in this very request, under one Ph and one
/// requester: nothing here proves that a Th is the custodian's.
///
/// # Errors
/// [`BlindError::Repeated`] when the epochs do not rise, encodings, and [`BlindError::Proofs`] with the positions of the
/// bad ones.
pub fn verify_carries(
    carries: &[(Carry<'_>, &[u8; CARRY_PROOF_BYTES])],
    parties: &Parties<'_>,
    rng: &mut impl CryptoRng,
) -> Result<(), BlindError> {
    // Two equations for each; the place of a bad one says which carry it was.
    let mut equations = Equations::with_capacity(2 * carries.len(), 6 * carries.len());
    for (carry, proof) in carries {
        if carry.from.epoch >= carry.to.epoch {
            return Err(BlindError::Repeated { what: "pseudonym epoch" });
        }
        Point::decode(carry.blinded_subject)?;
        let part = |at: usize| -> [u8; 32] {
            let mut part = [0; 32];
            part.copy_from_slice(&proof[32 * at..32 * (at + 1)]);
            part
        };
        let (first, second, response) = (part(0), part(1), Scalar::decode(&part(2))?);
        let c = challenge(&transcript(parties, carry)?, [&first, &second]);
        for (commitment, side) in [(first, &carry.from), (second, &carry.to)] {
            let commitment = Point::decode(&commitment)?;
            let (evaluated, pseudonym) = (Point::decode(side.evaluated)?, Point::decode(side.pseudonym)?);
            equations.push([
                (DalekScalar::ONE, *commitment.inner()),
                (c.0, *evaluated.inner()),
                (-response.0, *pseudonym.inner()),
            ]);
        }
    }
    let mut bad: Vec<usize> = equations.find_bad(rng).into_iter().map(|at| at / 2).collect();
    bad.dedup();
    if bad.is_empty() { Ok(()) } else { Err(BlindError::Proofs { bad }) }
}
