//! Protocol v1 without I/O: enroll, bind, evaluate, seal, open; randomness is an argument.
//!
//! The question is *is subject H(code) on list X, for purpose P?*, and no party that helps to answer it
//! learns more than it must (docs/PROTOCOL.md, docs/SECURITY.md). What each party calls here:
//!
//! ```text
//! requester A      custodian D       coordinator C        holder B
//! Subject          PseudonymKey      RegisterIn::verify   ListKey
//! blind_subjects ─▶ evaluate
//! unblind       ◀─
//! prove_register ─────────────────▶ VerifiedRegistration
//! prove_checks  ─────────────────▶ AuthorizeIn ▶ Verified
//! ────────────────────────────────────────────────────────▶ PermittedQuery ▶ evaluate
//! verify_and_finalize ◀───────────────────────────────────
//! VerifiedBucket::lookup ◀── a bucket from D
//! ```
//!
//! Bytes from outside and facts inside have different types: `CheckIn` becomes a [`check::VerifiedCheck`]
//! and `RegisterIn` a [`enroll::VerifiedRegistration`] only where the proof was checked.
//!
//! This crate does *not* talk to anybody, keep anything, read a clock or an entropy source, or decide whether a
//! question is allowed. Multiplications by secrets are constant time; variable-time arithmetic touches
//! public points only. Secrets are wiped when dropped and never appear in `Debug`.

pub mod audit_box;
pub mod case_evidence;
pub mod check;
pub mod commit;
pub mod conformance;
pub mod encoding;
pub mod enroll;
pub mod error;
pub mod evaluate;
pub mod group;
pub mod letter;
mod linear;
pub mod opening;
pub mod oprf;
pub mod raw;
pub mod recovery;
pub mod subject;
pub mod table;

pub use error::BlindError;

/// A BLAKE3 hash in derive-key mode, or any other 32-byte hash of the protocol.
pub type Hash = [u8; 32];

/// Version word of the protocol, first in every transcript that is ours.
pub const PROTOCOL: &str = "tacit/v1";
