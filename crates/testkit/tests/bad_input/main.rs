//! Truncated, oversized and random messages, to every method of every service of a federation at work, over its own
//! mTLS connections and gateway sockets: each is answered with a documented reason and the caller's request id, nothing
//! of it is stored, nothing panics, and the federation answers afterwards as before.

// `cfg(test)` tells clippy that helpers without #[test] are tests too.
#![cfg(test)]

mod gateway_json;
mod grpc;
mod noise;
mod raw;
mod scene;
