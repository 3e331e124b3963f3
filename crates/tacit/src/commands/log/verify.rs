//! `tacit log verify`: every record read, every root computed anew.

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use tacit_client::Entry;
use tacit_identity::write_public;
use tacit_ledger::{
    Hash,
    checkpoint::VerifiedCheckpoint,
    merkle::{Frontier, leaf_hash},
    note::NoteVerifier,
    record::Record,
};
use tacit_model::{Millis, Reason};

use crate::{
    cli::Context,
    exit::{Exit, Failure},
    parties,
};

/// Arguments of `log verify`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The auditor's configuration.
    #[arg(long, env = "TACIT_CONFIG", value_name = "FILE")]
    config: PathBuf,
}

/// What is computed while reading.
#[derive(Default)]
struct Reading {
    frontier: Frontier,
    /// Root at the size of the checkpoint that was verified before.
    earlier_root: Option<Hash>,
    kinds: BTreeMap<&'static str, u64>,
    /// Index of each manifest's record, by list, epoch and version.
    manifests: HashMap<(String, u64, u64), u64>,
    newest_ms: u64,
    findings: Vec<String>,
}

impl Reading {
    fn take(&mut self, entry: &Entry, earlier: u64) {
        self.frontier.push(leaf_hash(&entry.bytes));
        if self.frontier.size() == earlier {
            self.earlier_root = Some(self.frontier.root());
        }
        match &entry.record {
            Ok(record) => {
                *self.kinds.entry(record.kind()).or_insert(0) += 1;
                self.judge(entry.index, record);
            }
            Err(problem) => self.findings.push(format!("record {}: {problem}", entry.index)),
        }
    }

    /// What one record can contradict: time going back, two manifests of one version.
    fn judge(&mut self, index: u64, record: &Record) {
        if record.time_ms() < self.newest_ms {
            self.findings.push(format!("record {index} is dated before an earlier record"));
        }
        self.newest_ms = self.newest_ms.max(record.time_ms());
        if let Record::Manifest(it) = record {
            let version = (it.list.clone(), it.epoch, it.version);
            if let Some(first) = self.manifests.insert(version, index) {
                let (list, epoch, version) = (&it.list, it.epoch, it.version);
                self.findings.push(format!(
                    "records {first} and {index}: two manifests of {list} version {epoch}.{version}"
                ));
            }
        }
    }
}

pub(super) async fn run(context: &Context, arguments: Arguments) -> Result<Exit, Failure> {
    let (reader, file, log_key) = parties::auditor(context, &arguments.config)?;
    let earlier = kept(&file.checkpoint, &log_key)?;
    let newest = reader.checkpoint().await?;
    let size = newest.size();
    let earlier_size = earlier.as_ref().map_or(0, VerifiedCheckpoint::size);
    if earlier_size > size {
        return Err(fails(
            &file.checkpoint,
            format!("the log has {size} records now, {earlier_size} were verified before"),
        ));
    }
    let bar = progress(context, size);
    let mut reading = Reading::default();
    reader
        .entries(0, size, |entry| -> Result<(), Failure> {
            reading.take(&entry, earlier_size);
            if entry.index.is_multiple_of(1024) {
                bar.set_position(entry.index);
            }
            Ok(())
        })
        .await?;
    bar.finish_and_clear();
    if reading.frontier.root() != *newest.root() {
        return Err(fails(
            &file.checkpoint,
            format!("the {size} records do not give the root that was signed"),
        ));
    }
    if let Some(earlier) = earlier.as_ref().filter(|it| it.size() > 0)
        && reading.earlier_root != Some(*earlier.root())
    {
        return Err(fails(
            &file.checkpoint,
            format!("the first {earlier_size} records are not those that were verified before"),
        ));
    }
    if !reading.findings.is_empty() {
        return tell_findings(context, &reading.findings);
    }
    write_public(&file.checkpoint, newest.note())
        .map_err(|error| Failure::trouble("the verified checkpoint cannot be kept").why(error))?;
    let root = hex::encode(newest.root());
    let newest_time = Millis(reading.newest_ms).to_rfc3339();
    context.output.result(
        &json!({
            "verified": true, "size": size, "root": root, "kinds": reading.kinds, "newest_record": newest_time,
            "verified_before": earlier_size,
        }),
        || {
            let kinds: Vec<_> = reading.kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
            let mut text = format!("Verified to tree size {size}, root {root}\n  {}", kinds.join(", "));
            if size > 0 {
                text.push_str(&format!("\n  newest record of {newest_time}"));
            }
            if earlier_size > 0 {
                text.push_str(&format!("\n  the first {earlier_size} records are those that were verified before"));
            }
            text
        },
    )?;
    Ok(Exit::Done)
}

fn tell_findings(context: &Context, findings: &[String]) -> Result<Exit, Failure> {
    for finding in findings {
        context.output.line(&format!("FAILS: {finding}"))?;
    }
    let first = findings.first().cloned().unwrap_or_default();
    Err(Failure::trouble(format!("the log has {} findings", findings.len()))
        .why(first)
        .reason(Reason::LogInconsistent)
        .next("keep the records and the checkpoint as evidence; tell the other auditors"))
}

fn fails(kept: &Path, why: String) -> Failure {
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

fn progress(context: &Context, records: u64) -> ProgressBar {
    if !context.output.is_watched() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(records);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos} of {len} records  {eta} left") {
        bar.set_style(style);
    }
    bar
}
