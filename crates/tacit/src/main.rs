//! The tacit binary: arguments, configuration, start-up, and every command.

mod cli;
mod commands;
mod exit;
mod metrics_endpoint;
mod output;
mod parties;
mod signals;
mod telemetry;

use std::process::ExitCode;

/// What one thread allocates here another one frees, which the system's allocator is slow at (docs/ARCHITECTURE.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    tacit_identity::install_default_provider();
    cli::run().into()
}
