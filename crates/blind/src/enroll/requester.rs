//! The requester's side: blind, unblind, prove.

use std::fmt;

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::{MAX_BATCH, Parties, Statement, challenge, transcript};
use crate::group::{self, Point, Scalar, SecretScalar};
use crate::oprf::{self, DleqProof};
use crate::subject::Subject;
use crate::{BlindError, Hash, commit};

/// A subject on its way to the custodian: z and `Ph = z·P`.
#[derive(Clone)]
pub struct Blinded {
    z: SecretScalar,
    blinded_subject: Point,
}

impl Blinded {
    /// Ph, which goes to the custodian.
    #[must_use]
    pub fn blinded_subject(&self) -> &Point {
        &self.blinded_subject
    }

    /// Of known z and Ph, e.g. when a stored enrollment is repeated after a lost answer.
    #[must_use]
    pub fn from_parts(z: SecretScalar, blinded_subject: Point) -> Self {
        Self { z, blinded_subject }
    }

    /// z, for the requester's encrypted store and the audit box.
    #[must_use]
    pub fn z(&self) -> &SecretScalar {
        &self.z
    }
}

impl fmt::Debug for Blinded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Blinded(..)")
    }
}

/// Blinds subjects with fresh z, encoding all points together.
pub fn blind_subjects(subjects: &[Subject], rng: &mut impl CryptoRng) -> Vec<Blinded> {
    let z: Vec<SecretScalar> = subjects.iter().map(|_| SecretScalar::random(rng)).collect();
    let points = group::mul_each(z.iter().zip(subjects.iter().map(Subject::point)));
    z.into_iter().zip(points).map(|(z, blinded_subject)| Blinded { z, blinded_subject }).collect()
}

/// A subject with its verified pseudonym, ready to be registered.
#[derive(Clone)]
pub struct Enrollment {
    z: SecretScalar,
    blinded_subject: Point,
    evaluated: Point,
    pseudonym: Point,
}

impl Enrollment {
    /// z, for the audit box and the requester's encrypted store.
    #[must_use]
    pub fn z(&self) -> &SecretScalar {
        &self.z
    }

    /// Ph.
    #[must_use]
    pub fn blinded_subject(&self) -> &Point {
        &self.blinded_subject
    }

    /// Th.
    #[must_use]
    pub fn evaluated(&self) -> &Point {
        &self.evaluated
    }

    /// T.
    #[must_use]
    pub fn pseudonym(&self) -> &Point {
        &self.pseudonym
    }

    /// What later checks need of it.
    #[must_use]
    pub fn to_enrolled(&self) -> Enrolled {
        Enrolled {
            z: self.z.clone(),
            blinded_subject: self.blinded_subject,
            pseudonym: self.pseudonym.encode(),
        }
    }

    fn statement<'a>(&'a self, box_hash: &'a Hash) -> Statement<'a> {
        Statement {
            blinded_subject: self.blinded_subject.as_bytes(),
            evaluated: self.evaluated.as_bytes(),
            pseudonym: self.pseudonym.as_bytes(),
            box_hash,
        }
    }
}

impl fmt::Debug for Enrollment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Enrollment(..)")
    }
}

/// An enrolled subject as its requester keeps it: z, Ph, T.
#[derive(Clone)]
pub struct Enrolled {
    z: SecretScalar,
    blinded_subject: Point,
    pseudonym: [u8; 32],
}

impl Enrolled {
    /// From the requester's own store.
    ///
    /// # Errors
    /// As [`SecretScalar::decode`] and [`Point::decode`].
    pub fn from_stored(
        z: &[u8; 32],
        blinded_subject: &[u8; 32],
        pseudonym: &[u8; 32],
    ) -> Result<Self, BlindError> {
        Ok(Self {
            z: SecretScalar::decode(z)?,
            blinded_subject: Point::decode(blinded_subject)?,
            pseudonym: *pseudonym,
        })
    }

    /// z.
    #[must_use]
    pub fn z(&self) -> &SecretScalar {
        &self.z
    }

    /// Ph.
    #[must_use]
    pub fn blinded_subject(&self) -> &Point {
        &self.blinded_subject
    }

    /// T.
    #[must_use]
    pub fn pseudonym(&self) -> &[u8; 32] {
        &self.pseudonym
    }
}

impl fmt::Debug for Enrolled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Enrolled(..)")
    }
}

/// Verifies the custodian's evaluations of a whole batch, in order, and unblinds them: `T = z⁻¹·Th`.
///
/// # Errors
/// [`BlindError::Dleq`] under a wrong key, [`BlindError::Count`], and as [`Point::decode`].
pub fn unblind(
    blinded: Vec<Blinded>,
    evaluated: &[[u8; 32]],
    proof: &DleqProof,
    custodian_key: &Point,
) -> Result<Vec<Enrollment>, BlindError> {
    if blinded.len() > MAX_BATCH {
        return Err(BlindError::TooMany { what: "subjects", limit: MAX_BATCH, found: blinded.len() });
    }
    let queries: Vec<Point> = blinded.iter().map(|b| b.blinded_subject).collect();
    let evaluated = Point::decode_all(evaluated)?;
    oprf::verify(custodian_key, &queries, &evaluated, proof)?;
    let pseudonyms = group::divide_each(evaluated.iter().zip(blinded.iter().map(|b| &b.z)));
    Ok(blinded
        .into_iter()
        .zip(evaluated)
        .zip(pseudonyms)
        .map(|((blinded, evaluated), pseudonym)| Enrollment {
            z: blinded.z,
            blinded_subject: blinded.blinded_subject,
            evaluated,
            pseudonym,
        })
        .collect())
}

/// Registration proofs `R1 || s1`, one per enrollment with its sealed audit box.
///
/// # Errors
/// None in practice; [`BlindError::TooLong`] for names beyond 65,535 bytes.
pub fn prove_register(
    entries: &[(&Enrollment, &[u8])],
    parties: &Parties<'_>,
    epoch: u32,
    rng: &mut impl CryptoRng,
) -> Result<Vec<[u8; 64]>, BlindError> {
    let mut transcripts = Vec::with_capacity(entries.len());
    let mut nonces = Vec::with_capacity(entries.len());
    for (enrollment, sealed) in entries {
        let box_hash = commit::audit_box(sealed);
        let bytes = transcript(parties, epoch, &enrollment.statement(&box_hash))?;
        let secret = enrollment.z.expose_bytes();
        nonces.push(group::hedged_nonce(&group::random64(rng), &[secret.as_ref()], &[&bytes]));
        transcripts.push(bytes);
    }
    let commitments = group::mul_each(nonces.iter().zip(entries.iter().map(|(e, _)| e.pseudonym.inner())));
    Ok(entries
        .iter()
        .zip(&transcripts)
        .zip(nonces.iter().zip(&commitments))
        .map(|(((enrollment, _), bytes), (nonce, commitment))| respond(enrollment, bytes, nonce, commitment))
        .collect())
}

fn respond(enrollment: &Enrollment, transcript: &[u8], nonce: &SecretScalar, commitment: &Point) -> [u8; 64] {
    let c = challenge(transcript, commitment.as_bytes());
    let response = Zeroizing::new(nonce.0 + c.0 * enrollment.z.0);
    oprf::join(commitment.as_bytes(), &Scalar(*response).encode())
}

/// One proof with the nonce t given, for vectors.
pub(crate) fn prove_with_nonce(
    enrollment: &Enrollment,
    box_hash: &Hash,
    parties: &Parties<'_>,
    epoch: u32,
    nonce: &SecretScalar,
) -> Result<[u8; 64], BlindError> {
    let bytes = transcript(parties, epoch, &enrollment.statement(box_hash))?;
    Ok(respond(enrollment, &bytes, nonce, &enrollment.pseudonym.mul(nonce)))
}
