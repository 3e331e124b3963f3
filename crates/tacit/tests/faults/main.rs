//! What is promised under fault, shown with real processes: killed at any moment, on a disk that fails, that is
//! full, that loses power, or whose bits changed, on a database server that fails over.
//!
//! Each test has a short form that `cargo xtask test` runs; `cargo xtask soak` runs the full counts. What a machine
//! lacks (strace, root, loop devices) is said aloud, and the test passes without it.

#![cfg(test)]

mod cluster;
mod disks;
mod failover;
mod flips;
mod injected;
mod kill;
mod late;
mod load;
mod replicas;
mod restored;
mod seen;
mod skewed;
mod support;
mod two;
mod withdrawn;
