//! `tacit receipt export`: one receipt into a file that only its owner can read.

use std::{
    fs::OpenOptions,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use serde_json::json;
use tacit_identity::write_private;
use tacit_model::Ulid;

use super::{fetch, ulid};
use crate::{
    cli::Context,
    exit::{Exit, Failure},
    parties::GatewayArguments,
};

/// Arguments of `receipt export`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The record of the question, as `check` and `receipt list` name it.
    #[arg(value_name = "RECORD_ID", value_parser = ulid)]
    record: Ulid,
    /// Where it goes; the file gets mode 0600.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Replace the file if it is there.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    gateway: GatewayArguments,
}

/// What is said with every file.
const WARNING: &str = "It shows whom the question was about, what was answered, case and officer, and other subjects' sealed \
     entries: it is for the subject, a court or an auditor. Give it to nobody else, and delete it when it is delivered.";

pub(super) async fn run(context: &Context, arguments: Arguments) -> Result<Exit, Failure> {
    let out = &arguments.out;
    // Asked first: a receipt that nobody can keep is not handed out.
    if !arguments.force && out.symlink_metadata().is_ok() {
        return Err(is_there(out));
    }
    let receipt = fetch(&arguments.gateway, arguments.record).await?;
    if arguments.force {
        let cannot = |error| Failure::trouble(format!("{} cannot be written", out.display())).why(error);
        write_private(out, &receipt.file).map_err(cannot)?;
    } else {
        write_new(out, &receipt.file).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => is_there(out),
            _ => Failure::trouble(format!("{} cannot be written", out.display())).why(error),
        })?;
    }
    let record = arguments.record.to_string();
    let value = json!({
        "record": record, "file": out.display().to_string(), "bytes": receipt.file.len(), "warning": WARNING,
    });
    context.output.result(&value, || {
        format!(
            "The receipt of record {record} is in {} ({} bytes, readable by you alone).\n{WARNING}\n\
             Whoever gets it checks it with: tacit receipt verify FILE --registry REGISTRY --log-key KEY",
            out.display(),
            receipt.file.len()
        )
    })?;
    Ok(Exit::Done)
}

fn is_there(out: &Path) -> Failure {
    Failure::usage(format!("{} is there already", out.display()))
        .why("an exported receipt is not overwritten")
        .next("name another file, or use --force")
}

fn write_new(out: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(out)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    if written.is_err() {
        // Half a receipt is none. When even this fails, its own hash tells.
        let _ = std::fs::remove_file(out);
    }
    written
}
