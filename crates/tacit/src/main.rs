//! The tacit binary: arguments, configuration, start-up, demo and bench.
fn main() {}
