//! Real TLS over loopback, with a frozen clock: who is let in, who is not, and what a reload changes.

// `cfg(test)` tells clippy that helpers without #[test] are tests too.
#![cfg(test)]

mod grpc;
mod handshake;
mod limits;
mod profile;
mod reload;
mod support;
mod web;
