//! Promises of the registry, of consents, and of decisions.
#![expect(clippy::unwrap_used, reason = "a test that cannot make its fixture has failed")]

mod catalogue;
mod consent;
mod decide;
mod fixture;
mod hostile;
mod matrix;
mod recovery;
mod registry;
mod size;
mod versions;
