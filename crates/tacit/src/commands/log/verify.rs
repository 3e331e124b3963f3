//! `tacit log verify`: every record read, every root computed anew. Online from the coordinator, or offline from what
//! was exported.

use std::path::{Path, PathBuf};

use serde_json::json;
use tacit_client::{ClientError, Entry};
use tacit_identity::write_public;
use tacit_ledger::{checkpoint::VerifiedCheckpoint, note::NoteVerifier, quorum::CosignedCheckpoint};
use tacit_model::{Millis, Reason};

use super::{
    exported,
    fsck::{Journal, ROUND, Stretch, on_all_cores},
    offline, progress,
    remote::Remote,
    tiler::Tiler,
};
use crate::{
    cli::Context,
    exit::{Exit, Failure},
};

/// Records that one core takes up at a time.
const PART: usize = 512;

/// Arguments of `log verify`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// A folder or a file (.jsonl) that was exported, or a proof file; verified offline. Without it, the coordinator's
    /// log is.
    #[arg(value_name = "DIR|FILE")]
    path: Option<PathBuf>,
    /// The log's verifier key, or a file with it, from a source you trust; else an exported folder's own.
    #[arg(long, value_name = "KEY", requires = "path")]
    vkey: Option<String>,
    /// The record that a proof file is about, byte for byte.
    #[arg(long, value_name = "FILE", requires = "path")]
    record: Option<PathBuf>,
    /// The auditor's configuration, to verify the coordinator's log.
    #[arg(long, env = "TACIT_CONFIG", value_name = "FILE", required_unless_present = "path")]
    config: Option<PathBuf>,
}

pub(super) async fn run(context: &Context, arguments: Arguments) -> Result<Exit, Failure> {
    match (&arguments.path, &arguments.config) {
        (Some(path), _) if path.is_dir() => {
            if arguments.record.is_some() {
                return Err(Failure::usage("--record goes with a proof file, not with a folder"));
            }
            offline::folder(context, path, arguments.vkey.as_deref())
        }
        (Some(path), _) if path.extension().is_some_and(|it| it == "jsonl") => {
            if arguments.record.is_some() {
                return Err(Failure::usage("--record goes with a proof file, not with an export"));
            }
            exported::file(context, path, arguments.vkey.as_deref())
        }
        (Some(path), _) => {
            offline::proof(context, path, arguments.vkey.as_deref(), arguments.record.as_deref())
        }
        (None, Some(config)) => online(context, config).await,
        (None, None) => Err(Failure::usage("name a folder, a proof file, or a configuration")),
    }
}

async fn online(context: &Context, config: &Path) -> Result<Exit, Failure> {
    let remote = Remote::open(context, config)?;
    let kept_at = &remote.file.checkpoint;
    let earlier = kept(kept_at, &remote.key)?;
    let heads = remote.heads(context.clock.now()).await?;
    let (newest, cosigned) = (&heads.newest, heads.cosigned.as_ref().map(CosignedCheckpoint::checkpoint));
    let size = newest.size();
    if let Some(earlier) = &earlier {
        // At once, what reading everything would tell in the end.
        check_continues(&remote, earlier, size).await?;
    }
    let reading = read(context, &remote, size, earlier.iter().chain(cosigned)).await?;
    if reading.tiler.root() != newest.root() {
        return Err(fails(kept_at, format!("the {size} records do not give the root that was signed")));
    }
    for (checkpoint, what) in [(earlier.as_ref(), "verified before"), (cosigned, "cosigned by the witnesses")]
    {
        if let Some(checkpoint) = checkpoint.filter(|checkpoint| !reading.tiler.has(checkpoint)) {
            let first = checkpoint.size();
            return Err(fails(kept_at, format!("the first {first} records are not those that were {what}")));
        }
    }
    let journal = reading.journal;
    if !journal.findings.is_empty() {
        return tell_findings(context, &journal.findings);
    }
    write_public(kept_at, newest.note())
        .map_err(|error| Failure::trouble("the verified checkpoint cannot be kept").why(error))?;
    let earlier_size = earlier.as_ref().map_or(0, VerifiedCheckpoint::size);
    let root = hex::encode(newest.root());
    let newest_time = Millis(journal.newest_ms).to_rfc3339();
    let by = heads.cosigned.as_ref().map(CosignedCheckpoint::witnesses).unwrap_or_default();
    context.output.result(
        &json!({
            "verified": true, "size": size, "root": root, "kinds": journal.kinds, "newest_record": newest_time,
            "verified_before": earlier_size, "cosigned_size": cosigned.map(VerifiedCheckpoint::size),
            "cosigned_by": by,
        }),
        || {
            let kinds: Vec<_> = journal.kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
            let mut text = format!("Verified to tree size {size}, root {root}\n  {}", kinds.join(", "));
            if size > 0 {
                text.push_str(&format!("\n  newest record of {newest_time}"));
            }
            if earlier_size > 0 {
                text.push_str(&format!("\n  the first {earlier_size} records are those that were verified before"));
            }
            match cosigned {
                Some(it) => {
                    text.push_str(&format!("\n  the first {} were cosigned by {}", it.size(), by.join(", ")));
                }
                None => text.push_str("\n  WARNING: no quorum of witnesses stands behind this log now"),
            }
            text
        },
    )?;
    Ok(Exit::Done)
}

/// Asks for the proof that the log continues what was verified before.
async fn check_continues(remote: &Remote, earlier: &VerifiedCheckpoint, size: u64) -> Result<(), Failure> {
    let before = earlier.size();
    if size < before {
        let why = format!("the log has {size} records now, {before} were verified before");
        return Err(fails(&remote.file.checkpoint, why));
    }
    match remote.reader.extends(earlier).await {
        Err(ClientError::Log(why)) => Err(fails(&remote.file.checkpoint, why.to_string())),
        outcome => outcome.map(|_| ()).map_err(Into::into),
    }
}

/// What was read.
struct Reading {
    tiler: Tiler,
    journal: Journal,
}

/// Reads the first `size` records, and notes the roots at the sizes of some checkpoints on the way.
async fn read(
    context: &Context,
    remote: &Remote,
    size: u64,
    checkpoints: impl Iterator<Item = &VerifiedCheckpoint>,
) -> Result<Reading, Failure> {
    let tiler = Tiler::new(checkpoints.map(VerifiedCheckpoint::size)).map_err(Failure::internal)?;
    let mut reading = Reading { tiler, journal: Journal::default() };
    let bar = progress(context, size);
    let mut waiting: Vec<Entry> = Vec::with_capacity(ROUND);
    let each = |entry| -> Result<(), Failure> {
        waiting.push(entry);
        if waiting.len() == ROUND {
            take(&mut waiting, &mut reading)?;
            bar.set_position(reading.tiler.size());
        }
        Ok(())
    };
    let read = remote.reader.entries(0, size, each).await;
    bar.finish_and_clear();
    read?;
    take(&mut waiting, &mut reading)?;
    Ok(reading)
}

/// Hashes what waits on all cores, then appends it in order.
fn take(waiting: &mut Vec<Entry>, reading: &mut Reading) -> Result<(), Failure> {
    let stretches = on_all_cores(waiting.chunks(PART).collect(), |part: &[Entry]| {
        let mut stretch = Stretch::at(part.first().map_or(0, |entry| entry.index));
        part.iter().for_each(|entry| stretch.push_read(&entry.bytes, &entry.record));
        stretch
    });
    for mut stretch in stretches {
        reading.journal.take(&mut stretch);
        reading.tiler.append(&stretch.leaves).map_err(Failure::internal)?;
    }
    waiting.clear();
    Ok(())
}

/// Says everything that was found.
pub(super) fn tell_findings(context: &Context, findings: &[String]) -> Result<Exit, Failure> {
    for finding in findings {
        context.output.line(&format!("FAILS: {finding}"))?;
    }
    let first = findings.first().cloned().unwrap_or_default();
    Err(Failure::trouble(format!("the log has {} findings", findings.len()))
        .why(first)
        .reason(Reason::LogInconsistent)
        .next("keep the records and the checkpoint as evidence; tell the other auditors"))
}

/// The log itself is at fault; `kept` is the evidence.
pub(super) fn fails(kept: &Path, why: String) -> Failure {
    Failure::trouble("the log FAILS verification")
        .why(why)
        .reason(Reason::LogInconsistent)
        .next(format!("keep {} as evidence, tell the other auditors and the members", kept.display()))
}

/// The checkpoint that was verified in an earlier run.
fn kept(path: &Path, log_key: &NoteVerifier) -> Result<Option<VerifiedCheckpoint>, Failure> {
    match std::fs::read(path) {
        Ok(note) => VerifiedCheckpoint::open(&note, log_key).map(Some).map_err(|error| {
            Failure::trouble(format!("{} is no checkpoint of this log", path.display()))
                .why(error)
                .next("find out who changed it before you remove it")
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::trouble(format!("{} cannot be read", path.display())).why(error)),
    }
}
