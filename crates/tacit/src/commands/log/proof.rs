//! `tacit log proof`: one record's proof in a file that verifies offline (C2SP tlog-proof).

use std::path::PathBuf;

use serde_json::json;
use tacit_identity::write_public;
use tacit_ledger::proof::TlogProof;

use super::{
    find::{Which, find},
    remote::Remote,
};
use crate::{
    cli::Context,
    exit::{Exit, Failure},
};

/// Arguments of `log proof`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Index or id of the record.
    #[arg(value_name = "INDEX|ID")]
    which: Which,
    /// Where the proof goes, as in `record.tlog-proof`.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Where the record itself goes too; a proof does not hold it.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// The auditor's configuration.
    #[arg(long, env = "TACIT_CONFIG", value_name = "FILE")]
    config: PathBuf,
}

pub(super) async fn run(context: &Context, arguments: Arguments) -> Result<Exit, Failure> {
    let remote = Remote::open(context, &arguments.config)?;
    let heads = remote.heads(context.clock.now()).await?;
    let entry = find(&remote, arguments.which, heads.newest.size()).await?;
    let checkpoint = heads.of_at_least(entry.index + 1);
    let logged = remote.prove(&entry, checkpoint).await?;
    let write = |path: &PathBuf, bytes: &[u8]| {
        write_public(path, bytes)
            .map_err(|error| Failure::trouble(format!("{} cannot be written", path.display())).why(error))
    };
    if let Some(record) = &arguments.record {
        write(record, &logged.record)?;
    }
    write(&arguments.out, &TlogProof::from(&logged).to_bytes())?;
    let (out, key) = (arguments.out.display(), remote.key.to_string());
    context.output.result(
        &json!({
            "proof": arguments.out, "index": entry.index, "size": checkpoint.size(),
            "root": hex::encode(checkpoint.root()), "vkey": key,
        }),
        || {
            format!(
                "{out} proves that record {} is among the {} records of the log\n  \
                 verify: tacit log verify {out} --record RECORD --vkey {key}",
                entry.index,
                checkpoint.size()
            )
        },
    )?;
    Ok(Exit::Done)
}
