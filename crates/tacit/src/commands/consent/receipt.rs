//! `tacit consent receipt`: a consent and everything that became of it as one JSON-LD document, and what proves it.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
};

use clap::Subcommand;
use serde_json::{Value, json};
use tacit_client::ProvenConsent;
use tacit_desk::consent_receipt::{self, ConsentReceiptError};
use tacit_model::{Reason, Ulid};

use super::ulid;
use crate::{
    cli::Context,
    commands::receipt::keys::KeyArguments,
    exit::{Exit, Failure},
    parties,
};

/// Largest document that is read, in bytes.
const MAX_BYTES: u64 = 16 << 20;

/// Arguments of `consent receipt`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// The consent's or the request's id, a ULID.
    #[arg(value_parser = ulid, required = true)]
    id: Option<Ulid>,
    /// Where the document goes.
    #[arg(long, value_name = "FILE", required = true)]
    out: Option<PathBuf>,
    /// The authority's configuration.
    #[arg(long, value_name = "FILE", required = true)]
    config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check a document offline, and say what it proves.
    Verify(Verify),
}

/// Arguments of `consent receipt verify`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 the receipt holds, 1 it does not, 2 the command was not called as described.\n\
                        Nothing is asked of anybody: no party has to run."
)]
struct Verify {
    /// The document.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    keys: KeyArguments,
}

pub(super) async fn run(context: &Context, arguments: Arguments) -> Result<Exit, Failure> {
    match arguments {
        Arguments { command: Some(Command::Verify(arguments)), .. } => verify(context, &arguments),
        Arguments { id: Some(id), out: Some(out), config: Some(config), .. } => {
            write(context, id, &out, &config).await
        }
        Arguments { .. } => Err(Failure::usage("an id, --out and --config are needed")),
    }
}

async fn write(context: &Context, id: Ulid, out: &Path, config: &Path) -> Result<Exit, Failure> {
    let authority = parties::authority(context, config).await?;
    let registry = authority.registry();
    let proof = authority.consent_proof(id).await?;
    // What is handed out holds, or is not handed out.
    let (document, proven) = consent_receipt::write(&proof, authority.log_key(), &registry).map_err(fails)?;
    let text = serde_json::to_string_pretty(&document).map_err(Failure::internal)?;
    let cannot = |error| {
        Failure::usage(format!("{} cannot be written", out.display())).why(error).next("name another file")
    };
    let mut file = std::fs::File::options().write(true).create_new(true).open(out).map_err(cannot)?;
    file.write_all(text.as_bytes()).and_then(|()| file.write_all(b"\n")).map_err(cannot)?;
    tell(context, &proven, out)
}

fn verify(context: &Context, arguments: &Verify) -> Result<Exit, Failure> {
    let keys = arguments.keys.read()?;
    let registry = keys.registry_or_claimed()?;
    let file = &arguments.file;
    let cannot = |error| Failure::usage(format!("{} cannot be read", file.display())).why(error);
    if std::fs::metadata(file).map_err(cannot)?.len() > MAX_BYTES {
        return Err(Failure::usage(format!("{} is larger than any receipt", file.display())));
    }
    let bytes = std::fs::read(file).map_err(cannot)?;
    let proven = consent_receipt::verify(&bytes, keys.log(), &registry).map_err(fails)?;
    tell(context, &proven, file)
}

fn fails(error: ConsentReceiptError) -> Failure {
    let (next, reason) = match &error {
        ConsentReceiptError::Malformed => {
            ("get the file once more; it proves nothing as it is", Reason::Malformed)
        }
        ConsentReceiptError::Proof(_) => (
            "do not rely on it; see that the log's key and the registry are the right ones",
            Reason::ProofInvalid,
        ),
        ConsentReceiptError::Differs(_) => {
            ("do not rely on it; or give the registry version that it was made with", Reason::ProofInvalid)
        }
    };
    Failure::trouble("the receipt does NOT hold").why(error).next(next).reason(reason)
}

fn tell(context: &Context, proven: &ProvenConsent, file: &Path) -> Result<Exit, Failure> {
    let events = proven.events.iter().map(|event| {
        json!({
            "state": event.state.as_str(), "number": event.number, "time": event.time.to_rfc3339(),
            "record": { "id": event.record.id.to_string(), "index": event.record.index },
        })
    });
    let events: Vec<Value> = events.collect();
    let id = consent_receipt::id_of(proven).map(|id| id.to_string()).unwrap_or_default();
    let state = proven.events.last().map_or("", |event| event.state.as_str());
    let value = json!({
        "holds": true, "consent": id, "state": state, "events": events, "size": proven.size,
        "file": file.display().to_string(),
    });
    context.output.result(&value, || {
        let mut text =
            format!("The receipt holds: consent {id} was {state} when the log had {} records.", proven.size);
        for event in &proven.events {
            text.push_str(&format!(
                "\n  {} {}, record {}, log index {}",
                event.time.to_rfc3339(),
                event.state,
                event.record.id,
                event.record.index
            ));
        }
        text.push_str("\n  What came later it cannot know.");
        text
    })?;
    Ok(Exit::Done)
}
