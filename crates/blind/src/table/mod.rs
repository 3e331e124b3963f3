//! Sealed lists (protocol section 7), without I/O: labels, sealed entries, buckets, manifests, versions.
//!
//! ```text
//! out (64 bytes, the VOPRF output)          2^b buckets, all of one capacity
//!   └─ b3-XOF ─> tag 16 ┐ key 32           ┌──────────┬──────────┬───┬──────────┐
//!                       │   │              │ bucket 0 │ bucket 1 │ … │          │  tags ascending,
//!   label 20 ──ChaCha20-Poly1305──> entry  └────┬─────┴────┬─────┴───┴────┬─────┘  random filler
//!                       64 bytes: tag, nonce,   leaf       leaf           leaf      RFC 6962 hashes
//!                       sealed label            └────┬─────┘               │
//!                                                    root ── manifest, a signed note, in the log
//! ```
//!
//! - the **holder** derives [`EntryKeys`], seals [`Label`]s ([`SealContext`]), fills buckets
//!   ([`fill_bucket`], [`BucketStream`]), signs a [`Manifest`], and publishes changes on the tick
//!   ([`plan_tick`], [`rewrite_bucket`]; [`grow_bucket`] after an overflow);
//! - the **custodian** mirrors: [`check_bucket`], [`TableTree`], [`verify_tick`],
//!   [`SignedManifest::accept_after`];
//! - the **requester** pads what it fetches ([`pad_buckets`]), verifies it ([`verify_bucket`]) and looks
//!   its subject up ([`VerifiedBucket::lookup`]).
//!
//! Nothing here reads a database, a network, a clock or an entropy source.

mod bucket;
mod build;
mod label;
mod layout;
mod logged;
mod manifest;
mod padding;
mod rewrite;
mod sample;
mod seal;
mod tick;
mod tree;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod vectors;

pub use bucket::{Bucket, BucketError, VerifiedBucket, check_bucket, verify_bucket};
pub use build::{BucketStream, BuildError, SealedRecord, fill_bucket};
pub use label::{Day, LABEL_BYTES, Label, LabelError};
pub use layout::{Layout, LayoutError, MAX_BUCKET_BITS, MAX_CAPACITY, MIN_CAPACITY};
pub use manifest::{
    Acceptance, Manifest, ManifestConflict, ManifestError, SignedManifest, manifest_key_name,
};
pub use padding::{PaddingError, pad_buckets};
pub use rewrite::{grow_bucket, rewrite_bucket, verify_tick};
pub use seal::{ENTRY_BYTES, EntryKeys, Lookup, OpenError, SealContext, SealedEntry, TAG_BYTES, Tag};
pub use tick::{Change, TickError, TickPlan, minimum_cover, plan_tick};
pub use tree::{TableTree, TreeError};
