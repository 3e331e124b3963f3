//! `tacit log ...`: the log, as auditors read it, and as anybody verifies what they exported.

mod evidence;
mod export;
mod exported;
pub(super) mod find;
mod folder;
mod fsck;
mod keys;
mod lines;
mod offline;
mod proof;
pub(super) mod remote;
mod shard;
mod show;
mod tail;
mod tiler;
mod verify;
pub(super) mod words;
mod year;
mod years;

use clap::Subcommand;
use indicatif::{ProgressBar, ProgressStyle};

use crate::{
    cli::Context,
    exit::{Exit, Failure},
};

/// `tacit log ...`
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show the newest records.
    Tail(tail::Arguments),
    /// Show one record as it stands in the log, proven.
    Show(show::Arguments),
    /// Read the whole log, or a folder or a proof that was exported, and prove that it is what was signed.
    Verify(verify::Arguments),
    /// Show where each year of the log begins.
    Years(years::Arguments),
    /// Write the log, or one year of it, into a folder that every tool for tlog-tiles reads.
    Export(export::Arguments),
    /// Write the proof that one record is in the log, a file that verifies offline.
    Proof(proof::Arguments),
    /// What was kept because it convicts the log.
    #[command(subcommand)]
    Evidence(evidence::Command),
}

pub(crate) fn run(context: &Context, command: Command) -> Result<Exit, Failure> {
    context.block_on(async {
        match command {
            Command::Tail(arguments) => tail::run(context, arguments).await,
            Command::Show(arguments) => show::run(context, arguments).await,
            Command::Verify(arguments) => verify::run(context, arguments).await,
            Command::Years(arguments) => years::run(context, arguments).await,
            Command::Export(arguments) => export::run(context, arguments).await,
            Command::Proof(arguments) => proof::run(context, arguments).await,
            Command::Evidence(command) => evidence::run(context, command).await,
        }
    })
}

/// A bar over so many records, when a person is watching.
fn progress(context: &Context, records: u64) -> ProgressBar {
    if !context.output.is_watched() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(records);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos} of {len} records  {per_sec}  {eta} left")
    {
        bar.set_style(style);
    }
    bar
}
