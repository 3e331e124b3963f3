//! Batch proofs of discrete logarithm equality (RFC 9497 section 2.2).

use curve25519_dalek::ristretto::RistrettoPoint;
use curve25519_dalek::scalar::Scalar as DalekScalar;
use curve25519_dalek::traits::VartimeMultiscalarMul;
use rand_core::CryptoRng;
use sha2::{Digest, Sha512};
use subtle::ConstantTimeEq;

use super::{CONTEXT, VoprfKey, hash_to_scalar};
use crate::BlindError;
use crate::group::{self, Point, Scalar, SecretScalar};

/// Most evaluations that one proof may cover: the RFC numbers them with two bytes.
pub const MAX_BATCH: usize = 65_535;

/// `c || s`, 64 bytes: one proof that a whole batch was evaluated under the public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DleqProof {
    challenge: Scalar,
    response: Scalar,
}

impl DleqProof {
    /// Decodes 64 bytes.
    ///
    /// # Errors
    /// [`BlindError::ScalarEncoding`] if either half is not canonical.
    pub fn decode(bytes: &[u8; 64]) -> Result<Self, BlindError> {
        let (challenge, response) = split(bytes);
        Ok(Self { challenge: Scalar::decode(&challenge)?, response: Scalar::decode(&response)? })
    }

    /// Decodes bytes of any length, as they come from a message.
    ///
    /// # Errors
    /// [`BlindError::Length`] unless there are 64, else as [`DleqProof::decode`].
    pub fn decode_slice(bytes: &[u8]) -> Result<Self, BlindError> {
        let array = bytes.try_into().map_err(|_| BlindError::Length {
            what: "a proof of evaluation",
            due: 64,
            found: bytes.len(),
        })?;
        Self::decode(array)
    }

    /// The 64 bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; 64] {
        join(&self.challenge.encode(), &self.response.encode())
    }
}

/// The two halves of a 64-byte value.
pub(crate) fn split(bytes: &[u8; 64]) -> ([u8; 32], [u8; 32]) {
    let (mut first, mut second) = ([0; 32], [0; 32]);
    first.copy_from_slice(&bytes[..32]);
    second.copy_from_slice(&bytes[32..]);
    (first, second)
}

/// A 64-byte value from its halves.
pub(crate) fn join(first: &[u8; 32], second: &[u8; 32]) -> [u8; 64] {
    let mut bytes = [0; 64];
    bytes[..32].copy_from_slice(first);
    bytes[32..].copy_from_slice(second);
    bytes
}

/// Weights d_i of ComputeComposites: they depend on the key and on every pair, in order.
fn composite_weights<'a>(
    public: &Point,
    pairs: impl Iterator<Item = (&'a [u8; 32], &'a [u8; 32])>,
) -> Vec<DalekScalar> {
    // I2OSP of the lengths: 32 for elements and scalars, 64 for the seed, 33 for "Seed-" || contextString.
    let mut seed = Sha512::new();
    seed.update([0, 32]);
    seed.update(public.as_bytes());
    seed.update([0, 5 + CONTEXT_LENGTH]);
    seed.update(b"Seed-");
    seed.update(CONTEXT);
    let seed: [u8; 64] = seed.finalize().into();
    (0_u16..)
        .zip(pairs)
        .map(|(i, (c, d))| {
            let i = i.to_be_bytes();
            hash_to_scalar(&[&[0, 64], &seed, &i, &[0, 32], c, &[0, 32], d, b"Composite"]).0
        })
        .collect()
}

#[expect(clippy::cast_possible_truncation, reason = "28 bytes")]
const CONTEXT_LENGTH: u8 = CONTEXT.len() as u8;

fn challenge(public: &Point, parts: &[RistrettoPoint; 4]) -> Scalar {
    let encoded = parts.map(|point| point.compress().to_bytes());
    let [m, z, t2, t3] = &encoded;
    let two = &[0, 32];
    hash_to_scalar(&[two, public.as_bytes(), two, m, two, z, two, t2, two, t3, b"Challenge"])
}

fn check_counts(queries: usize, evaluated: usize) -> Result<(), BlindError> {
    if queries == 0 {
        return Err(BlindError::Empty { what: "evaluations" });
    }
    if queries > MAX_BATCH {
        return Err(BlindError::TooMany { what: "evaluations", limit: MAX_BATCH, found: queries });
    }
    if queries != evaluated {
        return Err(BlindError::Count { what: "evaluations", due: queries, found: evaluated });
    }
    Ok(())
}

/// GenerateProof with a hedged nonce.
///
/// # Errors
/// [`BlindError::Empty`], [`BlindError::TooMany`], [`BlindError::Count`].
pub(crate) fn prove(
    key: &VoprfKey,
    queries: &[Point],
    evaluated: &[[u8; 32]],
    rng: &mut impl CryptoRng,
) -> Result<DleqProof, BlindError> {
    check_counts(queries.len(), evaluated.len())?;
    let random = group::random64(rng);
    let (m, z) = composites_fast(key, queries, evaluated);
    let (m_bytes, z_bytes) = (m.compress(), z.compress());
    let nonce = group::hedged_nonce(
        &random,
        &[key.secret().expose_bytes().as_ref()],
        &[key.public().as_bytes(), m_bytes.as_bytes(), z_bytes.as_bytes()],
    );
    Ok(respond(key, m, z, &nonce))
}

/// GenerateProof of the RFC with the nonce `r` given, for vectors.
pub(crate) fn prove_with_nonce(
    key: &VoprfKey,
    queries: &[Point],
    evaluated: &[[u8; 32]],
    nonce: &SecretScalar,
) -> Result<DleqProof, BlindError> {
    check_counts(queries.len(), evaluated.len())?;
    let (m, z) = composites_fast(key, queries, evaluated);
    Ok(respond(key, m, z, nonce))
}

fn composites_fast(
    key: &VoprfKey,
    queries: &[Point],
    evaluated: &[[u8; 32]],
) -> (RistrettoPoint, RistrettoPoint) {
    let weights = composite_weights(key.public(), queries.iter().map(Point::as_bytes).zip(evaluated));
    let m = RistrettoPoint::vartime_multiscalar_mul(&weights, queries.iter().map(Point::inner));
    (m, m * key.secret().0)
}

fn respond(key: &VoprfKey, m: RistrettoPoint, z: RistrettoPoint, nonce: &SecretScalar) -> DleqProof {
    let t2 = RistrettoPoint::mul_base(&nonce.0);
    let t3 = m * nonce.0;
    let c = challenge(key.public(), &[m, z, t2, t3]);
    DleqProof { challenge: c, response: Scalar(nonce.0 - c.0 * key.secret().0) }
}

/// VerifyProof: every `evaluated[i]` is `k · queries[i]` for the key behind `public`.
///
/// # Errors
/// [`BlindError::Dleq`] if the proof is wrong; [`BlindError::Empty`], [`BlindError::TooMany`] or
/// [`BlindError::Count`] if the batch has no sound form.
pub fn verify(
    public: &Point,
    queries: &[Point],
    evaluated: &[Point],
    proof: &DleqProof,
) -> Result<(), BlindError> {
    check_counts(queries.len(), evaluated.len())?;
    let pairs = queries.iter().map(Point::as_bytes).zip(evaluated.iter().map(Point::as_bytes));
    let weights = composite_weights(public, pairs);
    let m = RistrettoPoint::vartime_multiscalar_mul(&weights, queries.iter().map(Point::inner));
    let z = RistrettoPoint::vartime_multiscalar_mul(&weights, evaluated.iter().map(Point::inner));
    let (c, s) = (proof.challenge.0, proof.response.0);
    let t2 = RistrettoPoint::vartime_double_scalar_mul_basepoint(&c, public.inner(), &s);
    let t3 = RistrettoPoint::vartime_multiscalar_mul([s, c], [m, z]);
    let expected = challenge(public, &[m, z, t2, t3]);
    if bool::from(expected.encode().ct_eq(&proof.challenge.encode())) {
        Ok(())
    } else {
        Err(BlindError::Dleq)
    }
}
