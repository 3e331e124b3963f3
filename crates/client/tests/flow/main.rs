//! The requester's and the authority's whole flow against small in-process parties with real cryptography.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "a test that cannot go on fails"
)]

mod authority;
mod batch;
mod bursts;
mod lies;
mod log;
mod loss;
mod receipts;
mod recovery;
mod rotation;
mod support;
mod witnesses;
