//! Finalize (RFC 9497 section 3.3.2): from an evaluation to the 64-byte output.

use sha2::{Digest, Sha512};

use crate::BlindError;
use crate::group::{self, Point, SecretScalar};

/// SHA-512(lp(input) || lp(element) || "Finalize").
///
/// # Errors
/// [`BlindError::TooLong`] if the input has more than 65,535 bytes.
pub(crate) fn output(input: &[u8], unblinded: &[u8; 32]) -> Result<[u8; 64], BlindError> {
    let length = u16::try_from(input.len())
        .map_err(|_| BlindError::TooLong { what: "an input", limit: usize::from(u16::MAX) })?;
    let mut hasher = Sha512::new();
    hasher.update(length.to_be_bytes());
    hasher.update(input);
    hasher.update([0, 32]);
    hasher.update(unblinded);
    hasher.update(b"Finalize");
    Ok(hasher.finalize().into())
}

/// Output for one evaluated element `evaluated = k · blind · HashToGroup(input)`.
///
/// Call it only with an element whose proof was verified.
///
/// # Errors
/// [`BlindError::TooLong`] if the input has more than 65,535 bytes.
pub fn finalize(input: &[u8], blind: &SecretScalar, evaluated: &Point) -> Result<[u8; 64], BlindError> {
    let inverse = SecretScalar(blind.0.invert());
    output(input, evaluated.mul(&inverse).as_bytes())
}

/// What [`finalize_batch`] needs for one output.
#[derive(Clone, Copy, Debug)]
pub struct FinalizeItem<'a> {
    /// The subject's input bytes (`subject::input`).
    pub input: &'a [u8],
    /// The whole blind: w·z for a query, z for a pseudonym.
    pub blind: &'a SecretScalar,
    /// The verified evaluation.
    pub evaluated: &'a Point,
}

/// [`finalize`] for many: one scalar inversion and one field inversion for all.
///
/// # Errors
/// [`BlindError::TooLong`] if an input has more than 65,535 bytes.
pub fn finalize_batch(items: &[FinalizeItem<'_>]) -> Result<Vec<[u8; 64]>, BlindError> {
    let halves = group::half_inverses(items.iter().map(|item| item.blind));
    let unblinded = group::encode_doubled(
        items.iter().zip(halves.iter()).map(|(item, half)| item.evaluated.inner() * half),
    );
    items.iter().zip(&unblinded).map(|(item, element)| output(item.input, element)).collect()
}
