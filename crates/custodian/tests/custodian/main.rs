//! The custodian as its callers meet it: real certificates, a real log, real tables, a real database.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod evaluate;
mod fetch;
mod mirror;
mod replicas;
mod roles;
mod support;
