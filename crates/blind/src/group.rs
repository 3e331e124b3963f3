//! ristretto255 (RFC 9496): points, scalars, hashing to both, nonces.
//!
//! A [`Point`] is canonical and not the identity by construction, and remembers its encoding, since every
//! transcript hashes encodings and computing one costs an inverse square root. A [`SecretScalar`] lies in
//! `[1, l-1]`, is wiped on drop and multiplies in constant time.

use std::fmt;
use std::sync::LazyLock;

use curve25519_dalek::ristretto::{CompressedRistretto, RistrettoPoint};
use curve25519_dalek::scalar::Scalar as DalekScalar;
use curve25519_dalek::traits::IsIdentity;
use rand_core::CryptoRng;
use sha2::{Digest, Sha512};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::BlindError;

/// How many points are multiplied and encoded together: one inversion is shared, and the working set
/// (about 400 bytes a point) stays in the second-level cache.
const BATCH: usize = 512;

/// A ristretto255 element that is not the identity, with its canonical encoding.
#[derive(Clone, Copy)]
pub struct Point {
    point: RistrettoPoint,
    encoded: [u8; 32],
}

impl Point {
    /// Decodes 32 bytes from outside.
    ///
    /// # Errors
    /// [`BlindError::PointEncoding`] or [`BlindError::PointIdentity`].
    pub fn decode(bytes: &[u8; 32]) -> Result<Self, BlindError> {
        let point = CompressedRistretto(*bytes).decompress().ok_or(BlindError::PointEncoding)?;
        if point.is_identity() {
            return Err(BlindError::PointIdentity);
        }
        Ok(Self { point, encoded: *bytes })
    }

    /// Decodes bytes of any length, as they come from a message.
    ///
    /// # Errors
    /// [`BlindError::Length`] unless there are 32, else as [`Point::decode`].
    pub fn decode_slice(bytes: &[u8]) -> Result<Self, BlindError> {
        let array = bytes.try_into().map_err(|_| BlindError::Length {
            what: "a point",
            due: 32,
            found: bytes.len(),
        })?;
        Self::decode(array)
    }

    /// Decodes many; the first bad one decides the error.
    ///
    /// # Errors
    /// As [`Point::decode`].
    pub fn decode_all<'a>(all: impl IntoIterator<Item = &'a [u8; 32]>) -> Result<Vec<Self>, BlindError> {
        all.into_iter().map(Self::decode).collect()
    }

    /// The generator of RFC 9496.
    #[must_use]
    pub fn generator() -> Self {
        let point = curve25519_dalek::constants::RISTRETTO_BASEPOINT_POINT;
        Self { point, encoded: curve25519_dalek::constants::RISTRETTO_BASEPOINT_COMPRESSED.to_bytes() }
    }

    /// The canonical encoding.
    #[must_use]
    pub fn encode(&self) -> [u8; 32] {
        self.encoded
    }

    /// The canonical encoding, borrowed.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.encoded
    }

    /// `scalar · self`, constant time.
    #[must_use]
    pub fn mul(&self, scalar: &SecretScalar) -> Self {
        Self::from_product(self.point * scalar.0)
    }

    pub(crate) fn inner(&self) -> &RistrettoPoint {
        &self.point
    }

    /// For products of a nonzero scalar and a non-identity element, which are never the identity because the
    /// group has prime order.
    pub(crate) fn from_product(point: RistrettoPoint) -> Self {
        Self { point, encoded: point.compress().to_bytes() }
    }
}

impl PartialEq for Point {
    fn eq(&self, other: &Self) -> bool {
        self.encoded.ct_eq(&other.encoded).into()
    }
}

impl Eq for Point {}

impl fmt::Debug for Point {
    // A pseudonym or a subject is a point too; what is public is printed by those who know that it is.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Point(..)")
    }
}

/// A public scalar of a proof: canonical, may be zero.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Scalar(pub(crate) DalekScalar);

impl Scalar {
    /// Decodes 32 little-endian bytes.
    ///
    /// # Errors
    /// [`BlindError::ScalarEncoding`] if not below the group order.
    pub fn decode(bytes: &[u8; 32]) -> Result<Self, BlindError> {
        Option::from(DalekScalar::from_canonical_bytes(*bytes)).map(Self).ok_or(BlindError::ScalarEncoding)
    }

    /// 32 little-endian bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; 32] {
        self.0.to_bytes()
    }
}

impl fmt::Debug for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scalar(..)")
    }
}

/// A secret scalar in `[1, l-1]`: blinds z and w, nonces t, private keys.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct SecretScalar(pub(crate) DalekScalar);

impl SecretScalar {
    /// Uniform in `[1, l-1]`.
    pub fn random(rng: &mut impl CryptoRng) -> Self {
        loop {
            let mut wide = Zeroizing::new([0_u8; 64]);
            rng.fill_bytes(wide.as_mut());
            let scalar = DalekScalar::from_bytes_mod_order_wide(&wide);
            if scalar != DalekScalar::ZERO {
                return Self(scalar);
            }
        }
    }

    /// Decodes 32 little-endian bytes, as kept by their owner.
    ///
    /// # Errors
    /// [`BlindError::ScalarEncoding`] if not below the group order, [`BlindError::ScalarZero`] if zero.
    pub fn decode(bytes: &[u8; 32]) -> Result<Self, BlindError> {
        let scalar: DalekScalar =
            Option::from(DalekScalar::from_canonical_bytes(*bytes)).ok_or(BlindError::ScalarEncoding)?;
        if scalar == DalekScalar::ZERO { Err(BlindError::ScalarZero) } else { Ok(Self(scalar)) }
    }

    /// 32 little-endian bytes, wiped on drop. For the owner's encrypted store only.
    #[must_use]
    pub fn expose_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// `self · other`; nonzero because the order is prime.
    #[must_use]
    pub fn product(&self, other: &Self) -> Self {
        Self(self.0 * other.0)
    }

    /// `self / 2`, so that doubling in the shared encoding gives `self` again.
    pub(crate) fn half(&self) -> Self {
        Self(self.0.div_by_2())
    }

    /// `self · generator`, constant time.
    #[must_use]
    pub fn public(&self) -> Point {
        Point::from_product(RistrettoPoint::mul_base(&self.0))
    }
}

impl fmt::Debug for SecretScalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretScalar(..)")
    }
}

/// `scalar · point` for many pairs, constant time, sharing the inversions that encoding needs.
pub(crate) fn mul_each<'a>(
    pairs: impl IntoIterator<Item = (&'a SecretScalar, &'a RistrettoPoint)>,
) -> Vec<Point> {
    doubled_points(Zeroizing::new(pairs.into_iter().map(|(scalar, point)| point * scalar.half().0).collect()))
}

/// `2 · half_i` with its encoding for each.
fn doubled_points(halves: Zeroizing<Vec<RistrettoPoint>>) -> Vec<Point> {
    let mut out = Vec::with_capacity(halves.len());
    for chunk in halves.chunks(BATCH) {
        let encoded = RistrettoPoint::double_and_compress_batch(chunk.iter());
        out.extend(
            chunk.iter().zip(encoded).map(|(half, e)| Point { point: half + half, encoded: e.to_bytes() }),
        );
    }
    out
}

/// `point / scalar` for many pairs, constant time, with one scalar inversion for all.
pub(crate) fn divide_each<'a>(
    pairs: impl Iterator<Item = (&'a Point, &'a SecretScalar)> + Clone,
) -> Vec<Point> {
    let halves = half_inverses(pairs.clone().map(|(_, scalar)| scalar));
    doubled_points(Zeroizing::new(
        pairs.zip(halves.iter()).map(|((point, _), half)| point.point * half).collect(),
    ))
}

/// `1 / (2 · scalar)` for many with one inversion, constant time; every scalar is nonzero by type.
pub(crate) fn half_inverses<'a>(
    scalars: impl Iterator<Item = &'a SecretScalar>,
) -> Zeroizing<Vec<DalekScalar>> {
    let mut doubled: Zeroizing<Vec<DalekScalar>> = Zeroizing::new(scalars.map(|s| s.0 + s.0).collect());
    DalekScalar::invert_batch_alloc(&mut doubled);
    doubled
}

/// Encodings of `2 · half · point` for one secret `half` and many points: what evaluation and sealing spend
/// their time in. Constant time in `half`.
pub(crate) fn mul_by_doubled_half<'a>(
    half: &SecretScalar,
    points: impl IntoIterator<Item = &'a RistrettoPoint>,
) -> Vec<[u8; 32]> {
    encode_doubled(points.into_iter().map(|point| point * half.0))
}

/// Encodings of `2 · half_i` for many points.
pub(crate) fn encode_doubled(halves: impl IntoIterator<Item = RistrettoPoint>) -> Vec<[u8; 32]> {
    let mut halves = halves.into_iter();
    let mut out = Vec::with_capacity(halves.size_hint().0);
    let mut chunk = Zeroizing::new(Vec::with_capacity(BATCH));
    loop {
        chunk.clear();
        chunk.extend(halves.by_ref().take(BATCH));
        if chunk.is_empty() {
            return out;
        }
        out.extend(RistrettoPoint::double_and_compress_batch(chunk.iter()).into_iter().map(|e| e.to_bytes()));
    }
}

/// expand_message_xmd with SHA-512 (RFC 9380 section 5.3.1), 64 bytes: exactly one output block.
pub(crate) fn expand_message_xmd(message: &[&[u8]], dst: &[&[u8]]) -> Zeroizing<[u8; 64]> {
    // The state after Z_pad, one block of zeros, is the same in every call.
    static AFTER_PAD: LazyLock<Sha512> = LazyLock::new(|| Sha512::new_with_prefix([0_u8; 128]));
    let dst_length = dst.iter().map(|part| part.len()).sum::<usize>();
    debug_assert!(dst_length < 256, "every DST of the protocol is a short constant");
    let dst_length = [u8::try_from(dst_length).unwrap_or(u8::MAX)];
    let mut first = AFTER_PAD.clone();
    for part in message {
        first.update(part);
    }
    first.update([0, 64, 0]);
    for part in dst {
        first.update(part);
    }
    first.update(dst_length);
    let mut second = Sha512::new_with_prefix(first.finalize());
    second.update([1]);
    for part in dst {
        second.update(part);
    }
    second.update(dst_length);
    Zeroizing::new(second.finalize().into())
}

/// `h2s(message, dst)`: expand_message_xmd, 64 bytes, little-endian, mod l. Parts are concatenated.
#[must_use]
pub fn hash_to_scalar(message: &[&[u8]], dst: &[&[u8]]) -> Scalar {
    Scalar(DalekScalar::from_bytes_mod_order_wide(&expand_message_xmd(message, dst)))
}

/// Hashes to a uniform element: hash_to_ristretto255 of RFC 9380 appendix B.
pub(crate) fn hash_to_element(message: &[&[u8]], dst: &[&[u8]]) -> RistrettoPoint {
    RistrettoPoint::from_uniform_bytes(&expand_message_xmd(message, dst))
}

/// A hedged nonce: SHA-512("tacit/v1/nonce" || random64 || secret || transcript) mod l.
///
/// A broken random generator alone, or a known transcript alone, does not repeat a nonce or reveal it.
#[must_use]
pub fn hedged_nonce(random: &[u8; 64], secrets: &[&[u8]], transcript: &[&[u8]]) -> SecretScalar {
    let mut hasher = Sha512::new_with_prefix(b"tacit/v1/nonce");
    hasher.update(random);
    for part in secrets.iter().chain(transcript) {
        hasher.update(part);
    }
    let mut wide: Zeroizing<[u8; 64]> = Zeroizing::new(hasher.finalize().into());
    loop {
        let scalar = DalekScalar::from_bytes_mod_order_wide(&wide);
        if scalar != DalekScalar::ZERO {
            return SecretScalar(scalar);
        }
        // Zero has probability 2^-252; hashing once more keeps the function total.
        wide = Zeroizing::new(Sha512::digest(wide.as_ref()).into());
    }
}

/// 64 bytes for [`hedged_nonce`].
pub(crate) fn random64(rng: &mut impl CryptoRng) -> Zeroizing<[u8; 64]> {
    let mut random = Zeroizing::new([0_u8; 64]);
    rng.fill_bytes(random.as_mut());
    random
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_hedged_by_randomness_secrets_and_transcript() {
        let (random, secret, transcript) = ([1; 64], [2; 32], *b"transcript");
        let nonce = |random: &[u8; 64], secrets: &[&[u8]], transcript: &[&[u8]]| {
            *hedged_nonce(random, secrets, transcript).expose_bytes()
        };
        let plain = nonce(&random, &[&secret], &[&transcript]);
        let all = [b"tacit/v1/nonce".as_slice(), &random, &secret, &transcript].concat();
        let wide: [u8; 64] = Sha512::digest(&all).into();
        assert_eq!(plain, DalekScalar::from_bytes_mod_order_wide(&wide).to_bytes());
        // Any one of the three is enough to make another nonce.
        assert_ne!(plain, nonce(&[0; 64], &[&secret], &[&transcript]));
        assert_ne!(plain, nonce(&random, &[&[3; 32]], &[&transcript]));
        assert_ne!(plain, nonce(&random, &[&secret], &[b"transcripT"]));
    }
}
