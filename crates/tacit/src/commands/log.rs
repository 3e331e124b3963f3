//! `tacit log ...`: the log, as an auditor reads it.

mod verify;

use std::{path::PathBuf, time::Duration};

use clap::Subcommand;
use serde_json::{Value, json};
use tacit_client::{ClientError, Entry};
use tacit_ledger::record::Record;
use tacit_model::Millis;

use crate::{
    cli::Context,
    exit::{Exit, Failure},
    parties,
    signals::{Asked, Signals},
};

/// How often `log tail --follow` looks for more.
const FOLLOW_POLL: Duration = Duration::from_millis(500);

/// `tacit log ...`
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show the newest records.
    Tail(Tail),
    /// Read the whole log and prove that it is what was signed, and that nothing of what was seen before changed.
    Verify(verify::Arguments),
}

/// Arguments of `log tail`.
#[derive(Debug, clap::Args)]
pub(crate) struct Tail {
    /// How many.
    #[arg(long, short = 'n', default_value_t = 20)]
    count: u64,
    /// Go on with new ones, until Ctrl-C.
    #[arg(long, short)]
    follow: bool,
    /// Only records of this kind: access, refused, consent, manifest, registry, enrollment.
    #[arg(long)]
    kind: Option<String>,
    /// The auditor's configuration.
    #[arg(long, env = "TACIT_CONFIG", value_name = "FILE")]
    config: PathBuf,
}

pub(crate) fn run(context: &Context, command: Command) -> Result<Exit, Failure> {
    context.block_on(async {
        match command {
            Command::Tail(arguments) => tail(context, arguments).await,
            Command::Verify(arguments) => verify::run(context, arguments).await,
        }
    })
}

async fn tail(context: &Context, arguments: Tail) -> Result<Exit, Failure> {
    let (reader, ..) = parties::auditor(context, &arguments.config)?;
    if let Some(kind) = arguments.kind.as_deref().filter(|kind| !Record::KINDS.contains(kind)) {
        return Err(Failure::usage(format!("there is no kind {kind}"))
            .next(format!("use one of {}", Record::KINDS.join(", "))));
    }
    let mut signals = Signals::listen()?;
    let mut size = reader.checkpoint().await?.size();
    let mut next = size.saturating_sub(arguments.count);
    loop {
        reader
            .entries(next, size.saturating_sub(next), |entry| -> Result<(), Failure> {
                show(context, &entry, arguments.kind.as_deref())
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

fn show(context: &Context, entry: &Entry, kind: Option<&str>) -> Result<(), Failure> {
    match &entry.record {
        Ok(record) if kind.is_none_or(|kind| record.kind() == kind) => {
            context.output.result(&value(entry.index, record), || line(entry.index, record))?;
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

/// What a record says, in words.
fn line(index: u64, record: &Record) -> String {
    let said = match record {
        Record::Access(it) => {
            let lists: Vec<_> =
                it.lists.iter().map(|at| format!("{}@{}.{}", at.list, at.epoch, at.version)).collect();
            format!("{} asks {} for {}", it.requester, lists.join(" "), it.purpose)
        }
        Record::Refused(it) => {
            format!("{} was refused {} for {}: {}", it.requester, it.lists.join(" "), it.purpose, it.reason)
        }
        Record::Consent(it) => format!("{}: a consent for {} is {}", it.authority, it.requester, it.state),
        Record::Manifest(it) => {
            format!(
                "{} publishes {} version {}.{}, {} buckets",
                it.holder, it.list, it.epoch, it.version, it.buckets
            )
        }
        Record::Registry(it) => format!("registry version {}", it.number),
        Record::Enrollment(it) => {
            format!("{} enrolled {} subjects with {}", it.requester, it.count, it.custodian)
        }
    };
    format!("{index:>8}  {}  {:<10}  {said}", Millis(record.time_ms()).to_rfc3339(), record.kind())
}

fn value(index: u64, record: &Record) -> Value {
    let mut value = json!({
        "index": index,
        "kind": record.kind(),
        "id": record.id(),
        "time": Millis(record.time_ms()).to_rfc3339(),
    });
    let said = match record {
        Record::Access(it) => json!({
            "requester": it.requester, "holder": it.holder, "purpose": it.purpose,
            "lists": it.lists.iter().map(|at| format!("{}@{}.{}", at.list, at.epoch, at.version)).collect::<Vec<_>>(),
            "expires": Millis(it.expires_ms).to_rfc3339(), "query": hex::encode(it.query),
            "matter": hex::encode(it.matter), "subject": hex::encode(it.subject), "evidence": hex::encode(it.evidence),
        }),
        Record::Refused(it) => json!({
            "requester": it.requester, "holder": it.holder, "purpose": it.purpose, "lists": it.lists, "reason": it.reason,
        }),
        Record::Consent(it) => {
            json!({ "authority": it.authority, "requester": it.requester, "state": it.state })
        }
        Record::Manifest(it) => json!({
            "holder": it.holder, "list": it.list, "epoch": it.epoch, "version": it.version,
            "buckets": it.buckets, "capacity": it.capacity,
        }),
        Record::Registry(it) => json!({ "number": it.number, "registry": hex::encode(it.registry) }),
        Record::Enrollment(it) => json!({
            "custodian": it.custodian, "requester": it.requester, "epoch": it.epoch, "count": it.count,
        }),
    };
    if let (Some(all), Value::Object(said)) = (value.as_object_mut(), said) {
        all.extend(said);
    }
    value
}
