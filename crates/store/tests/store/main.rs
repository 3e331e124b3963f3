//! What the store promises, shown on real SQLite files and, where TACIT_TEST_POSTGRES names a server, on PostgreSQL.

// `cfg(test)` tells clippy that helpers without #[test] are tests too.
#![cfg(test)]

mod bulk;
mod faults;
mod group;
mod log;
mod postgres;
mod support;
mod tampering;
