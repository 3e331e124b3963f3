//! The holder half of a node: its records, its sealed lists, its answers. Custodian and coordinator are small stand-ins
//! behind real mTLS connections.

#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "tests")]

mod evaluate;
mod expiry;
mod import;
mod persons;
mod refusals;
mod replicas;
mod resume;
mod sealing;
mod support;
