//! What opens a record's commitments: kept beside the log, sealed under a key per pseudonym.
//!
//! Destroying the key erases the openings of that pseudonym; the log itself never changes.

use rand_core::CryptoRng;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use serde::Serialize;

/// Layout of what is sealed; the first byte of every opening.
const VERSION: u8 = 1;

/// The opening of an `access` or `refused` record.
#[derive(Serialize)]
pub(crate) struct CheckOpening<'a> {
    pub(crate) salt_subject: [u8; 32],
    pub(crate) sequence: u64,
    pub(crate) previous: [u8; 32],
    pub(crate) salt_evidence: [u8; 32],
    pub(crate) blinded_subject: [u8; 32],
    pub(crate) register_hash: [u8; 32],
    pub(crate) context: &'a [u8],
    pub(crate) proof: &'a [u8],
    /// The request whose stored hashes and signature complete the evidence, and the check's place in it.
    pub(crate) request: [u8; 32],
    pub(crate) position: u64,
    /// Why exactly it was refused; empty when permitted.
    pub(crate) exact: &'a str,
    /// The rules that decided, separated by spaces.
    pub(crate) rules: &'a str,
    /// The agreement that allowed it; empty when refused.
    pub(crate) agreement: &'a str,
}

/// The opening of a `consent` record.
#[derive(Serialize)]
pub(crate) struct ConsentOpening<'a> {
    pub(crate) salt_subject: [u8; 32],
    pub(crate) sequence: u64,
    pub(crate) previous: [u8; 32],
    pub(crate) salt_terms: [u8; 32],
    pub(crate) consent: &'a str,
    pub(crate) state_number: u64,
}

/// Which opening follows.
#[derive(Serialize)]
pub(crate) enum Opening<'a> {
    Check(CheckOpening<'a>),
    Consent(ConsentOpening<'a>),
}

/// An opening could not be sealed: a programming error, never the caller's.
#[derive(Debug, thiserror::Error)]
#[error("an opening could not be sealed")]
pub(crate) struct NotSealed;

/// Seals an opening under its pseudonym's key, bound to the record's index: nonce || ciphertext.
pub(crate) fn seal(
    opening: &Opening<'_>,
    key: &[u8; 32],
    index: u64,
    rng: &mut impl CryptoRng,
) -> Result<Vec<u8>, NotSealed> {
    let mut nonce = [0; NONCE_LEN];
    rng.fill_bytes(&mut nonce);
    let mut plain = vec![VERSION];
    plain = postcard::to_extend(opening, plain).map_err(|_| NotSealed)?;
    let key = LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, key).map_err(|_| NotSealed)?);
    key.seal_in_place_append_tag(
        Nonce::assume_unique_for_key(nonce),
        Aad::from(index.to_be_bytes()),
        &mut plain,
    )
    .map_err(|_| NotSealed)?;
    let mut sealed = Vec::with_capacity(NONCE_LEN + plain.len());
    sealed.extend_from_slice(&nonce);
    sealed.append(&mut plain);
    Ok(sealed)
}
