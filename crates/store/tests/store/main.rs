//! What the store promises, shown on real SQLite files.

mod bulk;
mod faults;
mod group;
mod log;
mod support;
mod tampering;
