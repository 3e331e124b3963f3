//! `tacit registry ...`: the versions of the registry, as the coordinator's operator makes them and as members read
//! them.

mod draft;
pub(super) mod known;
mod publish;
mod recover;
mod show;
mod status;
mod words;

use clap::Subcommand;

use crate::{
    cli::Context,
    exit::{Exit, Failure},
};

pub(super) use draft::{begin_or_read, ulid, write};

/// `tacit registry ...`
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Draft the next version: the newest one with entries added, replaced or taken out. Nobody has signed it yet.
    Draft(draft::Arguments),
    /// Show a version, a draft, or the version in use here, in words.
    Show(show::Arguments),
    /// Hand the next version to the running coordinator, and wait until a quorum stands behind it.
    Publish(publish::Arguments),
    /// Say which version is in force or in use, and what became of the others.
    Status(status::Arguments),
    /// At the coordinator, when the quorum is lost for good: sign a version that only removes members.
    Recover(recover::Recover),
    /// At the custodian and at every auditor: countersign a version that only removes members.
    Countersign(recover::Countersign),
}

pub(crate) fn run(context: &Context, command: Command) -> Result<Exit, Failure> {
    context.block_on(async {
        match command {
            Command::Draft(arguments) => draft::run(context, arguments).await,
            Command::Show(arguments) => show::run(context, arguments).await,
            Command::Publish(arguments) => publish::run(context, arguments).await,
            Command::Status(arguments) => status::run(context, arguments).await,
            Command::Recover(arguments) => recover::recover(context, arguments).await,
            Command::Countersign(arguments) => recover::countersign(context, arguments).await,
        }
    })
}
