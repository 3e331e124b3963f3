//! Attacks of protocol section 10 that this layer must stop, each under its name.

#![expect(clippy::unwrap_used, reason = "helpers of tests: clippy exempts only the test functions")]

mod answering;
mod asking;
mod enrolling;
mod opening;
mod rotating;
mod world;
