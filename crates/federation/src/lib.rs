//! A federation on one machine: its configuration files, its founding from a sample, and its roles at work.
//!
//! ```text
//! Sample (data) --found()--> folder: keys, certificates, registry, one TOML per party
//! TOML --RoleFile::load--> CoordinatorFile, CustodianFile, NodeFile --start--> a role that serves
//! ```
//!
//! The binary and the testkit both stand on this crate. It prints nothing and reads no clock of its own.

pub mod config;
pub mod connect;
pub mod desk;
pub mod drafts;
pub mod found;
pub mod joining;
pub mod registry;
pub mod run;
pub mod sample;
