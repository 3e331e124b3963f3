//! A subject as the protocol sees it (section 1): input bytes, and the group element they hash to.

use std::fmt;

use curve25519_dalek::ristretto::RistrettoPoint;
use tacit_model::SubjectCode;
use zeroize::{Zeroize, Zeroizing};

use crate::BlindError;
use crate::encoding::put_lp;
use crate::oprf::hash_to_group;

/// `"tacit/v1/subject" || lp(scheme) || lp(code)`, the code normalized by its scheme. Wiped on drop.
///
/// # Errors
/// [`BlindError::TooLong`] if scheme or code have more than 65,535 bytes.
pub fn input(scheme: &str, code: &str) -> Result<Zeroizing<Vec<u8>>, BlindError> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(20 + scheme.len() + code.len()));
    bytes.extend_from_slice(b"tacit/v1/subject");
    put_lp(&mut bytes, "a scheme", scheme.as_bytes())?;
    put_lp(&mut bytes, "a code", code.as_bytes())?;
    Ok(bytes)
}

/// [`input`] of a code that its scheme has parsed.
///
/// # Errors
/// [`BlindError::TooLong`], as [`input`].
pub fn input_of(subject: &SubjectCode) -> Result<Zeroizing<Vec<u8>>, BlindError> {
    input(subject.scheme(), subject.expose_code())
}

/// A subject: its input bytes and `P = HashToGroup(input)`. Both name the subject to who can try codes, so
/// both are wiped on drop and never printed.
#[derive(Clone)]
pub struct Subject {
    input: Zeroizing<Vec<u8>>,
    point: RistrettoPoint,
}

impl Subject {
    /// Of a code that its scheme has parsed.
    ///
    /// # Errors
    /// [`BlindError::TooLong`], as [`input`].
    pub fn new(subject: &SubjectCode) -> Result<Self, BlindError> {
        Ok(Self::from_input(input_of(subject)?))
    }

    /// Of a scheme and a code that were parsed elsewhere: an opened audit box, a vector.
    ///
    /// # Errors
    /// [`BlindError::TooLong`], as [`input`].
    pub fn from_parts(scheme: &str, code: &str) -> Result<Self, BlindError> {
        Ok(Self::from_input(input(scheme, code)?))
    }

    fn from_input(input: Zeroizing<Vec<u8>>) -> Self {
        let point = hash_to_group(&input);
        Self { input, point }
    }

    /// The input bytes, for Finalize.
    #[must_use]
    pub fn expose_input(&self) -> &[u8] {
        &self.input
    }

    pub(crate) fn point(&self) -> &RistrettoPoint {
        &self.point
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        self.point.zeroize();
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Subject(..)")
    }
}
