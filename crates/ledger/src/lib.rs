//! The ledger: what is written about a question before it is answered, and how a stranger proves it.
//!
//! ```text
//! record (bytes) --leaf hash--> Merkle tree (RFC 6962) --tiles (C2SP tlog-tiles)
//!                                     |
//!                                    root --> checkpoint (C2SP signed note) <-- cosignatures of witnesses
//!
//! LoggedRecord {record, index, inclusion, checkpoint} --verify--> VerifiedRecord
//! ```
//!
//! Bytes from outside ([`logged::LoggedRecord`], [`note::Note`]) and facts ([`logged::VerifiedRecord`],
//! [`checkpoint::VerifiedCheckpoint`]) are different types; the second kind can be made only where the
//! check is done.
//!
//! This crate does no input or output, reads no clock, draws no randomness, holds no subject code, and
//! depends on no other crate of the workspace: it is enough for an auditor to verify a log. What it does
//! *not* do: decide whether a record may be written (policy), compute the commitments inside a record
//! (blind), or store anything (coordinator).
//!
//! Sources: RFC 6962 section 2.1; <https://c2sp.org/signed-note>, <https://c2sp.org/tlog-checkpoint>,
//! <https://c2sp.org/tlog-cosignature>, <https://c2sp.org/tlog-tiles>, <https://c2sp.org/tlog-proof>,
//! <https://c2sp.org/tlog-witness>; RFC 8032; docs/PROTOCOL.md for the records themselves.

pub mod bundle;
pub mod checkpoint;
pub mod cosignature;
pub mod ed25519;
pub mod evidence;
mod hashes;
pub mod layout;
pub mod logged;
pub mod merkle;
pub mod note;
pub mod proof;
pub mod quorum;
pub mod record;
pub mod shard;
pub mod statement;
pub mod submission;
pub mod tile;
mod time;
pub mod tree;

/// A SHA-256 digest: a leaf, a node or a root of the tree. 32 bytes, public.
pub type Hash = [u8; 32];

/// The largest tree this crate handles, in leaves: 2^63 - 1, so that every size fits a signed database
/// integer. (It also bounds timestamps of cosignatures, by tlog-cosignature.)
pub const MAX_SIZE: u64 = i64::MAX.unsigned_abs();
