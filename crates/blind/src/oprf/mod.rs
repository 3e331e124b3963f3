//! RFC 9497, ristretto255-SHA512, mode VOPRF (0x01), byte for byte.
//!
//! ```text
//! client                                server (key k, public pk = k·G)
//! M = blind · HashToGroup(input)  ───▶
//!                                       N = k · M, one DLEQ proof for the whole batch
//!                                 ◀───
//! verify; output = Finalize(input, blind, N)
//! ```
//!
//! The holder's list keys and the custodian's pseudonym keys are both [`VoprfKey`]s, told apart by type.

mod dleq;
mod finalize;
mod keys;

pub use dleq::{DleqProof, MAX_BATCH, verify};
pub use finalize::{FinalizeItem, finalize, finalize_batch};
pub use keys::{ListKey, PseudonymKey, VoprfKey};

pub(crate) use dleq::{join, prove_with_nonce, split};

use curve25519_dalek::ristretto::RistrettoPoint;

use crate::group::{self, Scalar};

/// contextString of RFC 9497 section 3.1 for mode VOPRF.
pub(crate) const CONTEXT: &[u8] = b"OPRFV1-\x01-ristretto255-SHA512";

/// HashToGroup of the suite (RFC 9497 section 4.1).
pub(crate) fn hash_to_group(input: &[u8]) -> RistrettoPoint {
    group::hash_to_element(&[input], &[b"HashToGroup-", CONTEXT])
}

/// HashToScalar of the suite with its default DST.
fn hash_to_scalar(message: &[&[u8]]) -> Scalar {
    group::hash_to_scalar(message, &[b"HashToScalar-", CONTEXT])
}
