//! `tacit member ...`: a member joins, changes its key, is removed.

mod init;
mod join;
mod key;
mod rotate;

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::json;
use tacit_model::MemberId;

use super::registry::{self, known::Desk};
use crate::{
    cli::Context,
    exit::{Exit, Failure},
};

/// `tacit member ...`
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// At the joining member: make its keys, its signed entry, and a request for its certificate.
    Init(init::Arguments),
    /// At the custodian: derive and sign the public pseudonym key of a joining requester.
    PseudonymKey(key::Arguments),
    /// At the coordinator: take a member's entry into the next version, once its fingerprint was confirmed by another way.
    Join(join::Arguments),
    /// At a member: make a new signing key, signed by the old one, and sign its entries again. Nothing is restarted.
    Rotate(rotate::Arguments),
    /// At the coordinator: take a member out of the next version, with its lists and agreements.
    Remove(Remove),
}

/// Arguments of `member remove`.
#[derive(Debug, clap::Args)]
pub(crate) struct Remove {
    /// The member.
    member: MemberId,
    /// The coordinator's configuration.
    #[arg(long, env = "TACIT_CONFIG", value_name = "FILE")]
    config: PathBuf,
    /// The draft of the next version; begun when it is not there yet.
    #[arg(long, value_name = "FILE")]
    draft: PathBuf,
}

pub(crate) fn run(context: &Context, command: Command) -> Result<Exit, Failure> {
    context.block_on(async {
        match command {
            Command::Init(arguments) => init::run(context, arguments),
            Command::PseudonymKey(arguments) => key::run(context, arguments),
            Command::Join(arguments) => join::run(context, arguments).await,
            Command::Rotate(arguments) => rotate::run(context, arguments).await,
            Command::Remove(arguments) => remove(context, arguments).await,
        }
    })
}

async fn remove(context: &Context, arguments: Remove) -> Result<Exit, Failure> {
    let desk = Desk::load(&arguments.config)?;
    let mut draft = registry::begin_or_read(&desk, &arguments.draft).await?;
    let removed = draft.remove_member(&arguments.member)?;
    if removed.is_empty() {
        return Err(Failure::usage(format!("there is no member `{}`", arguments.member)));
    }
    registry::write(&arguments.draft, &draft)?;
    context.output.result(
        &json!({ "draft": arguments.draft, "number": draft.number(), "removed": removed }),
        || {
            format!(
                "Taken out of the draft of version {}:\n  {}\nIts certificate stays valid until it is revoked at the CA; \
                 who has the version refuses the member all the same.",
                draft.number(),
                removed.join("\n  ")
            )
        },
    )?;
    Ok(Exit::Done)
}
