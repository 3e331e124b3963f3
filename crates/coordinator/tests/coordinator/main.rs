//! What a coordinator promises, shown over mTLS on real SQLite.

// `cfg(test)` tells clippy that helpers without #[test] are tests too.
#![cfg(test)]

mod audits;
mod changed;
mod checks;
mod clock;
mod consents;
mod enrollment;
mod exact;
mod faults;
mod http;
mod letters;
mod log;
mod manifests;
mod measures;
mod openings;
mod quotas;
mod recovery;
mod repeated;
mod replicas;
mod requested;
mod roles;
mod rotation;
mod subjects;
mod support;
mod versions;
mod witnesses;
mod years;
