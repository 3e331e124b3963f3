//! A federation that lives: members join, change keys, end agreements and are removed, and no role is started again.
//!
//! Every role is a process of its own, over mutual TLS.
#![expect(clippy::unwrap_used, reason = "test support: what goes wrong here ends the test")]

mod doctor;
mod forged;
mod hostile;
mod life;
mod recovery;
#[path = "../screening/support.rs"]
#[expect(dead_code, reason = "what the tests of screening need besides")]
mod support;
mod world;
