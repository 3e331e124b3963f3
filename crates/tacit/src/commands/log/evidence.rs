//! `tacit log evidence ...`: two checkpoints that cannot both be true, judged without a network.

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::json;
use tacit_ledger::evidence::{EvidenceError, ForkEvidence};

use super::keys::log_key;
use crate::{
    cli::Context,
    exit::{Exit, Failure},
};

/// Longest file of evidence: two notes.
const FILE_MAX: u64 = 1 << 20;

/// `tacit log evidence ...`
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Check, offline, that a file of evidence proves that the log was forked. Exit code 0: it does.
    Verify(Verify),
}

/// Arguments of `log evidence verify`.
#[derive(Debug, clap::Args)]
pub(crate) struct Verify {
    /// What a member kept when it froze.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The log's verifier key, or a file with it, from a source you trust.
    #[arg(long, value_name = "KEY")]
    vkey: String,
}

pub(super) fn run(context: &Context, command: Command) -> Result<Exit, Failure> {
    let Command::Verify(arguments) = command;
    let key = log_key(&arguments.vkey)?;
    let file = arguments.file.display();
    let unreadable = |error: std::io::Error| Failure::trouble(format!("{file} cannot be read")).why(error);
    if std::fs::metadata(&arguments.file).map_err(unreadable)?.len() > FILE_MAX {
        return Err(nothing("it is longer than two checkpoints can be"));
    }
    let bytes = std::fs::read(&arguments.file).map_err(unreadable)?;
    let text = String::from_utf8(bytes).map_err(|_| nothing(EvidenceError::Format))?;
    let fork = ForkEvidence::parse(&text).and_then(|it| it.verify(&key)).map_err(nothing)?;
    let (first, second) = (hex::encode(fork.first), hex::encode(fork.second));
    context.output.result(
        &json!({
            "forked": true, "log": key.name(), "vkey": key.to_string(), "size": fork.size,
            "first_root": first, "second_root": second,
        }),
        || {
            format!(
                "The log {} was FORKED: its key signed two different histories of {} records.\n  \
                 one has the root   {first}\n  the other has      {second}\n  \
                 Both signatures are genuine, and no honest log makes both. Whoever holds the log's key did this, \
                 or let it happen.",
                key.name(),
                fork.size
            )
        },
    )?;
    Ok(Exit::Done)
}

fn nothing(why: impl std::fmt::Display) -> Failure {
    Failure::trouble("this proves nothing against the log")
        .why(why)
        .next("see that the file is whole and the key is this log's; without proof nobody is to be blamed")
}
