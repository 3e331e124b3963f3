//! Enrollment (section 3): a scoped pseudonym for each subject and requester.
//!
//! ```text
//! A: Ph = z·P  ──▶  D: Th = kD_A·Ph, one DLEQ for the batch  ──▶  A: verify, T = z⁻¹·Th
//! A: Register{Ph, Th, T, proof that Th = z·T for a z it knows, audit box}  ──▶  C: verify, keep T → Ph
//! ```
//!
//! The custodian sees a blinded subject, the coordinator a pseudonym; neither sees the code.

mod carry;
mod register;
mod requester;

pub use carry::{CARRY_PROOF_BYTES, Carry, Registered, prove_carry, verify_carries};
pub use register::{Known, RegisterEntryIn, RegisterIn, Standing, VerifiedRegistration, standing};
pub use requester::{Blinded, Enrolled, Enrollment, blind_subjects, prove_register, unblind};

pub(crate) use carry::{
    challenge as carry_challenge, prove_with_nonce as prove_carry_with_nonce, transcript as carry_transcript,
};
pub(crate) use register::push_equation;
pub(crate) use requester::prove_with_nonce;

use tacit_model::MemberId;

use crate::encoding::put_lp;
use crate::group::{self, Scalar};
use crate::{BlindError, Hash};

/// Most subjects of one enrollment.
pub const MAX_BATCH: usize = 1024;

const DST: &[u8] = b"HashToScalar-tacit/v1/enroll-ristretto255-SHA512";

/// Who takes part in an enrollment; all three are in the proof's challenge.
#[derive(Debug, Clone, Copy)]
pub struct Parties<'a> {
    /// D.
    pub custodian: &'a MemberId,
    /// C.
    pub coordinator: &'a MemberId,
    /// A.
    pub requester: &'a MemberId,
}

/// The encodings that one registration proof is about.
#[derive(Clone, Copy)]
pub(crate) struct Statement<'a> {
    pub(crate) blinded_subject: &'a [u8; 32],
    pub(crate) evaluated: &'a [u8; 32],
    pub(crate) pseudonym: &'a [u8; 32],
    pub(crate) box_hash: &'a Hash,
}

/// `"tacit/v1/enroll" || lp(D) || lp(C) || lp(A) || u32 epoch || Ph || Th || T || box_hash`: the transcript
/// before `R1`.
pub(crate) fn transcript(
    parties: &Parties<'_>,
    epoch: u32,
    of: &Statement<'_>,
) -> Result<Vec<u8>, BlindError> {
    let mut bytes = Vec::with_capacity(360);
    bytes.extend_from_slice(b"tacit/v1/enroll");
    for member in [parties.custodian, parties.coordinator, parties.requester] {
        put_lp(&mut bytes, "a member", member.as_str().as_bytes())?;
    }
    bytes.extend_from_slice(&epoch.to_be_bytes());
    for part in [of.blinded_subject, of.evaluated, of.pseudonym, of.box_hash] {
        bytes.extend_from_slice(part);
    }
    Ok(bytes)
}

/// c1 for a commitment R1.
pub(crate) fn challenge(transcript: &[u8], commitment: &[u8; 32]) -> Scalar {
    group::hash_to_scalar(&[transcript, commitment], &[DST])
}
