//! What a coordinator promises, shown over mTLS on real SQLite.

mod checks;
mod consents;
mod enrollment;
mod faults;
mod log;
mod manifests;
mod openings;
mod quotas;
mod repeated;
mod roles;
mod support;
