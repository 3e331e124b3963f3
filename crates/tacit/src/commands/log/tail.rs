//! `tacit log tail`: the newest records, and those to come.

use std::{path::PathBuf, time::Duration};

use serde_json::json;
use tacit_client::{ClientError, Entry};
use tacit_ledger::record::Record;

use super::words;
use crate::{
    cli::Context,
    exit::{Exit, Failure},
    parties,
    signals::{Asked, Signals},
};

/// How often `log tail --follow` looks for more.
const FOLLOW_POLL: Duration = Duration::from_millis(500);

/// Arguments of `log tail`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// How many.
    #[arg(long, short = 'n', default_value_t = 20)]
    count: u64,
    /// Go on with new ones, until Ctrl-C.
    #[arg(long, short)]
    follow: bool,
    /// Only records of these kinds, separated by commas: access, refused, consent, manifest, registry, ...
    #[arg(long, value_delimiter = ',', value_name = "KIND")]
    kind: Vec<String>,
    /// The auditor's configuration.
    #[arg(long, env = "TACIT_CONFIG", value_name = "FILE")]
    config: PathBuf,
}

pub(super) async fn run(context: &Context, arguments: Arguments) -> Result<Exit, Failure> {
    let (reader, ..) = parties::auditor(context, &arguments.config)?;
    if !arguments.kind.iter().all(|kind| Record::KINDS.contains(&kind.as_str())) {
        return Err(Failure::usage("there is no such kind of records")
            .next(format!("use one of {}", Record::KINDS.join(", "))));
    }
    let mut signals = Signals::listen()?;
    let mut size = reader.checkpoint().await?.size();
    let mut next = size.saturating_sub(arguments.count);
    loop {
        reader
            .entries(next, size.saturating_sub(next), |entry| -> Result<(), Failure> {
                show(context, &entry, &arguments.kind)
            })
            .await?;
        next = size;
        if !arguments.follow {
            return Ok(Exit::Done);
        }
        tokio::select! {
            asked = signals.next() => if asked == Asked::Stop { return Ok(Exit::Done) },
            () = tokio::time::sleep(FOLLOW_POLL) => {}
        }
        match reader.checkpoint().await {
            Ok(newest) => size = newest.size().max(size),
            // It may be restarting; what was shown stays true.
            Err(ClientError::NoAnswer { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn show(context: &Context, entry: &Entry, kinds: &[String]) -> Result<(), Failure> {
    match &entry.record {
        Ok(record) if kinds.is_empty() || kinds.iter().any(|kind| record.kind() == kind) => {
            let value = words::value(entry.index, &entry.bytes);
            context.output.result(&value, || words::line(entry.index, record))?;
        }
        Ok(_) => {}
        Err(problem) => context
            .output
            .result(&json!({ "index": entry.index, "malformed": problem.to_string() }), || {
                format!("{:>8}  MALFORMED: {problem}", entry.index)
            })?,
    }
    Ok(())
}
