//! `tacit audit ...`: what auditors look for, and what they find.

mod boxes;
mod cases;
mod coverage;
mod export;
mod filter;
mod findings;
mod follow;
mod honey;
mod reading;
mod sample;
mod search;
mod signals;

use std::path::{Path, PathBuf};

use clap::Subcommand;
use tacit_client::Auditor;
use tacit_federation::connect::{self, Caller};
use tacit_ledger::checkpoint::VerifiedCheckpoint;
use tacit_model::Clock as _;

use super::log::remote::Remote;
use crate::{
    cli::Context,
    exit::{Exit, Failure},
    parties::DEADLINES,
};

/// `tacit audit ...`
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Search the records, each of them verified.
    Search(search::Arguments),
    /// Show all that is on record about the pseudonym of a check. The reading is on record.
    Follow(follow::Arguments),
    /// Open audit boxes: one auditor asks, another approves, the first reads.
    #[command(subcommand)]
    Open(boxes::Command),
    /// Demand what opens the case of a check from its requester, and judge what comes.
    #[command(subcommand)]
    Case(cases::Command),
    /// Show what requesters do that is out of the ordinary. The counting is on record.
    Signals(signals::Arguments),
    /// Codes that nobody has: whoever asks about one tries codes out.
    #[command(subcommand)]
    Honey(honey::Command),
    /// Show who stands behind the log, and whether the counts of the custodian and the coordinator agree.
    Coverage(coverage::Arguments),
    /// Draw checks at random, by a seed, and keep which.
    Sample(sample::Arguments),
    /// What was found, and what became of it.
    #[command(subcommand)]
    Findings(findings::Command),
    /// Write records to a file. The export is on record.
    Export(export::Arguments),
}

pub(crate) fn run(context: &Context, command: Command) -> Result<Exit, Failure> {
    context.block_on(async {
        match command {
            Command::Search(arguments) => search::run(context, arguments).await,
            Command::Follow(arguments) => follow::run(context, arguments).await,
            Command::Open(command) => boxes::run(context, command).await,
            Command::Case(command) => cases::run(context, command).await,
            Command::Signals(arguments) => signals::run(context, arguments).await,
            Command::Honey(command) => honey::run(context, command).await,
            Command::Coverage(arguments) => coverage::run(context, arguments).await,
            Command::Sample(arguments) => sample::run(context, arguments).await,
            Command::Findings(command) => findings::run(context, command),
            Command::Export(arguments) => export::run(context, arguments).await,
        }
    })
}

/// Whose audit it is.
#[derive(Debug, Clone, clap::Args)]
struct Who {
    /// The auditor's configuration.
    #[arg(long, env = "TACIT_CONFIG", value_name = "FILE")]
    config: PathBuf,
}

/// An auditor at work.
struct Desk {
    remote: Remote,
    auditor: Auditor,
    caller: Caller,
}

impl Desk {
    async fn open(context: &Context, who: &Who) -> Result<Self, Failure> {
        let remote = Remote::open(context, &who.config)?;
        let (auditor, caller) = connect::auditing(&remote.file, &context.clock, DEADLINES).await?;
        Ok(Self { remote, auditor, caller })
    }

    /// The newest checkpoint that a quorum stands behind. Without one nothing is taken from the log.
    async fn checkpoint(&self, context: &Context) -> Result<VerifiedCheckpoint, Failure> {
        let heads = self.remote.heads(context.clock.now()).await?;
        let cosigned = heads.cosigned.ok_or_else(|| {
            Failure::trouble("no quorum of the witnesses stands behind the log")
                .reason(tacit_model::Reason::QuorumStale)
        })?;
        Ok(cosigned.checkpoint().clone())
    }
}

/// A file beside the auditor's checkpoint.
fn beside(checkpoint: &Path, what: &str) -> PathBuf {
    let mut name = checkpoint.as_os_str().to_owned();
    name.push(".");
    name.push(what);
    name.into()
}
