//! What a witness promises, against a coordinator that can be made to lie.

// `cfg(test)` tells clippy that helpers without #[test] are tests too.
#![cfg(test)]

mod add;
mod clock;
mod follows;
mod forks;
mod ground;
mod permits;
mod quorum;
mod replicas;
mod support;
