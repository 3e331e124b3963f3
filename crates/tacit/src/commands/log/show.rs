//! `tacit log show`: one record, as it stands in the log, proven.

use std::path::PathBuf;

use serde_json::json;

use super::{
    find::{Which, find},
    remote::Remote,
    words,
};
use crate::{
    cli::Context,
    exit::{Exit, Failure},
};

/// Arguments of `log show`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Index or id of the record.
    #[arg(value_name = "INDEX|ID")]
    which: Which,
    /// The auditor's configuration.
    #[arg(long, env = "TACIT_CONFIG", value_name = "FILE")]
    config: PathBuf,
}

pub(super) async fn run(context: &Context, arguments: Arguments) -> Result<Exit, Failure> {
    let remote = Remote::open(context, &arguments.config)?;
    let heads = remote.heads(context.clock.now()).await?;
    let entry = find(&remote, arguments.which, heads.newest.size()).await?;
    let checkpoint = heads.of_at_least(entry.index + 1);
    remote.prove(&entry, checkpoint).await?;
    let text = String::from_utf8_lossy(&entry.bytes);
    let (size, root) = (checkpoint.size(), hex::encode(checkpoint.root()));
    let by = heads.cosigned.as_ref().filter(|it| it.checkpoint() == checkpoint).map(|it| it.witnesses());
    context.output.result(
        &json!({
            "record": words::value(entry.index, &entry.bytes), "text": text, "proven": true,
            "size": size, "root": root, "cosigned_by": by.unwrap_or_default(),
        }),
        || {
            let behind = match by {
                Some(witnesses) => format!("cosigned by {}", witnesses.join(", ")),
                None => "not cosigned by a quorum of witnesses yet".to_owned(),
            };
            format!("{text}Record {} of {size}, proven under the signed root {root},\n{behind}", entry.index)
        },
    )?;
    Ok(Exit::Done)
}
