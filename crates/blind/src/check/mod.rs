//! Authorization (section 4): a check asks holders about one subject, and proves that every blinded query
//! blinds the very subject behind the pseudonym.
//!
//! ```text
//! A  CheckDraft ─prove_checks▶ BoundCheck ─┐ sign authorize_message
//!                                          ▼
//! C  AuthorizeIn ─parse▶ ParsedRequest ─authenticate▶ SignedRequest ─verify_bindings▶ VerifiedCheck
//! ```
//!
//! Each arrow of the second line is the only way to the type at its head, so a decision about a check whose
//! sender, signature or proof was not verified does not compile.

mod authorize;
mod bind;
mod context;

pub use authorize::{
    AuthorizeIn, CheckIn, Expected, MAX_CHECKS, ParsedCheck, ParsedRequest, SignedRequest, VerifiedCheck,
    authorize_message, check_hash, verify_signature,
};
pub use bind::{BoundCheck, prove_checks, verify_binding};
pub use context::{CheckContext, CheckDraft, CheckItem, DraftItem, ListEpoch, MAX_ITEMS, MAX_LISTS};

pub(crate) use bind::{challenge, respond};
