//! `tacit list ...`: a holder's own records, beside its running node.

mod entry;
mod import;
mod record;

use std::{
    io::Read as _,
    path::PathBuf,
    time::{Duration, Instant},
};

use clap::Subcommand;
use serde_json::json;
use tacit_model::{ListId, Reason};
use tacit_node::records::{ChangeOutcome, RecordsError, RemovalReason, SealOutcome};
use zeroize::Zeroizing;

use crate::{
    cli::Context,
    exit::{Exit, Failure},
    output::columns,
    parties,
};

/// How often a waiting `list seal` looks.
const SEAL_POLL: Duration = Duration::from_millis(200);

/// `tacit list ...`
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Import records from a CSV file: adds new ones, corrects known ones, reports each broken row.
    Import(import::Arguments),
    /// Publish a list now, and wait until it is published.
    Seal(Seal),
    /// Show own lists, or one record.
    Show(Show),
    /// Sign a list's entry for the registry.
    Entry(entry::Arguments),
    /// Take a subject off a list.
    Remove(Remove),
    /// Note an objection to a listing, or that it was settled and the listing stands.
    Contest(Contest),
}

/// What all of them need.
#[derive(Debug, clap::Args)]
pub(crate) struct Common {
    /// The node's configuration.
    #[arg(long, env = "TACIT_CONFIG", value_name = "FILE")]
    config: PathBuf,
    /// Who does it, for the history.
    #[arg(long, env = "USER", default_value = "command-line")]
    by: String,
}

/// Arguments of `list seal`.
#[derive(Debug, clap::Args)]
pub(crate) struct Seal {
    /// The list, HOLDER/NAME.
    list: ListId,
    /// How long to wait for the node, in seconds.
    #[arg(long, default_value_t = 120)]
    wait: u64,
    #[command(flatten)]
    common: Common,
}

/// Arguments of `list show`.
#[derive(Debug, clap::Args)]
pub(crate) struct Show {
    /// The list; all own lists without it.
    list: Option<ListId>,
    /// The record of this code, `-` to read it from standard input.
    #[arg(long, requires = "list")]
    code: Option<String>,
    #[command(flatten)]
    common: Common,
}

/// Arguments of `list remove`.
#[derive(Debug, clap::Args)]
pub(crate) struct Remove {
    /// The list, HOLDER/NAME.
    list: ListId,
    /// The subject's code, `-` to read it from standard input.
    code: String,
    /// Why: fulfilled, expired, annulled or corrected.
    #[arg(long)]
    reason: RemovalReason,
    #[command(flatten)]
    common: Common,
}

/// Arguments of `list contest`.
#[derive(Debug, clap::Args)]
pub(crate) struct Contest {
    /// The list, HOLDER/NAME.
    list: ListId,
    /// The subject's code, `-` to read it from standard input.
    code: String,
    /// The objection was settled and the listing stands.
    #[arg(long)]
    settled: bool,
    #[command(flatten)]
    common: Common,
}

pub(crate) fn run(context: &Context, command: Command) -> Result<Exit, Failure> {
    context.block_on(async {
        match command {
            Command::Import(arguments) => import::run(context, arguments).await,
            Command::Seal(arguments) => seal(context, arguments).await,
            Command::Show(arguments) => show(context, arguments).await,
            Command::Entry(arguments) => entry::run(context, arguments).await,
            Command::Remove(arguments) => {
                let Remove { list, code, reason, common } = arguments;
                let (records, ..) = parties::records(context, &common.config).await?;
                let outcome = records.remove(&list, &typed(code)?, reason, &common.by).await?;
                changed(context, &list, outcome, "removed")
            }
            Command::Contest(arguments) => {
                let Contest { list, code, settled, common } = arguments;
                let (records, ..) = parties::records(context, &common.config).await?;
                let outcome = records.set_contested(&list, &typed(code)?, !settled, &common.by).await?;
                changed(context, &list, outcome, if settled { "settled" } else { "contested" })
            }
        }
    })
}

/// A code from the arguments, or from standard input so that it stands in no process list and no shell history.
pub(crate) fn typed(code: String) -> Result<Zeroizing<String>, Failure> {
    let code = Zeroizing::new(code);
    if *code != "-" {
        return Ok(code);
    }
    let mut text = Zeroizing::new(String::new());
    std::io::stdin().lock().take(4096).read_to_string(&mut text)?;
    Ok(Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned()))
}

fn changed(context: &Context, list: &ListId, outcome: ChangeOutcome, word: &str) -> Result<Exit, Failure> {
    let said = match outcome {
        ChangeOutcome::Changed => word,
        ChangeOutcome::Unchanged => "unchanged",
        ChangeOutcome::NotOnList => {
            return Err(
                Failure::trouble(format!("the subject has no record on {list}")).reason(Reason::NotFound)
            );
        }
    };
    context.output.result(&json!({ "list": list, "outcome": said }), || match outcome {
        ChangeOutcome::Changed => {
            format!("{word}; published with the next tick (tacit list seal {list} waits for it)")
        }
        _ => format!("it was {word} already"),
    })?;
    Ok(Exit::Done)
}

async fn seal(context: &Context, arguments: Seal) -> Result<Exit, Failure> {
    let Seal { list, wait, common } = arguments;
    let (records, ..) = parties::records(context, &common.config).await?;
    let request = records.request_seal(&list, &common.by).await?;
    let until = Instant::now() + Duration::from_secs(wait);
    let mut last = None;
    loop {
        match records.seal_outcome(request).await? {
            Some(SealOutcome::Published { epoch, version }) => {
                let counts = records.counts(&list).await?;
                let (sealed, buckets) = counts.sealed.map_or((0, 0), |it| (it.records, it.buckets));
                context.output.result(
                    &json!({ "list": list, "epoch": epoch, "version": version, "records": sealed, "buckets": buckets }),
                    || format!("{list} is published: epoch {epoch}, version {version}, {sealed} records in {buckets} buckets"),
                )?;
                return Ok(Exit::Done);
            }
            Some(SealOutcome::Failed(reason)) => last = Some(reason),
            Some(SealOutcome::Waiting) | None => {}
        }
        if Instant::now() >= until {
            return Err(not_sealed(&list, wait, last));
        }
        tokio::time::sleep(SEAL_POLL).await;
    }
}

fn not_sealed(list: &ListId, wait: u64, last: Option<Reason>) -> Failure {
    match last {
        Some(reason) => Failure::new(Exit::of(reason), format!("{list} was not published within {wait} s"))
            .why(format!("the node tried: {}", reason.meaning()))
            .next("the node goes on trying; its log says more")
            .reason(reason),
        None => Failure::new(Exit::Unreachable, format!("{list} was not published within {wait} s"))
            .why("the node did not take the request up")
            .next("start it (tacit node serve, or tacit up); it publishes then by itself"),
    }
}

async fn show(context: &Context, arguments: Show) -> Result<Exit, Failure> {
    let Show { list, code, common } = arguments;
    let (records, registry, member) = parties::records(context, &common.config).await?;
    if let (Some(list), Some(code)) = (&list, code) {
        return record::show(context, &records, list, &typed(code)?).await;
    }
    let lists: Vec<ListId> = match list {
        Some(list) => vec![list],
        None => registry.lists_of(&member).map(|list| list.id.clone()).collect(),
    };
    let mut rows = vec![
        ["LIST", "ACTIVE", "CONTESTED", "REMOVED", "EPOCH.VERSION", "SEALED", "BUCKETS", "PENDING"]
            .map(str::to_owned)
            .to_vec(),
    ];
    for list in &lists {
        let counts = records.counts(list).await?;
        let sealed = counts.sealed.map(|it| json!({
            "epoch": it.epoch, "version": it.version, "records": it.records, "buckets": it.buckets, "pending": it.pending,
        }));
        if context.output.is_json() {
            context.output.json_line(&json!({
                "list": list, "active": counts.active, "contested": counts.contested, "removed": counts.removed,
                "importing": counts.importing, "sealed": sealed,
            }))?;
        }
        let mut row = vec![list.to_string()];
        row.extend([counts.active, counts.contested, counts.removed].map(|it| it.to_string()));
        match counts.sealed {
            Some(it) => row.extend([
                format!("{}.{}", it.epoch, it.version),
                it.records.to_string(),
                it.buckets.to_string(),
                it.pending.to_string(),
            ]),
            None => row.push("never sealed".to_owned()),
        }
        rows.push(row);
    }
    context.output.line(&columns(&rows))?;
    Ok(Exit::Done)
}

impl From<RecordsError> for Failure {
    fn from(error: RecordsError) -> Self {
        let reason = error.reason();
        Self::trouble("the records were not touched").why(&error).reason(reason)
    }
}
