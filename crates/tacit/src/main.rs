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

fn main() -> ExitCode {
    tacit_identity::install_default_provider();
    cli::run().into()
}
