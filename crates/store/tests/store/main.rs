//! What the store promises, shown on real SQLite files.

// `cfg(test)` tells clippy that helpers without #[test] are tests too.
#![cfg(test)]

mod bulk;
mod faults;
mod group;
mod log;
mod support;
mod tampering;
