//! `tacit log years`: where each year of the log begins, and how much it has.

use std::path::PathBuf;

use serde_json::json;
use tacit_ledger::{checkpoint::VerifiedCheckpoint, shard::YearStart};
use tacit_model::{Millis, Reason};

use super::remote::{Heads, Remote};
use crate::{
    cli::Context,
    exit::{Exit, Failure},
    output::columns,
};

/// Arguments of `log years`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The auditor's configuration.
    #[arg(long, env = "TACIT_CONFIG", value_name = "FILE")]
    config: PathBuf,
}

pub(super) async fn run(context: &Context, arguments: Arguments) -> Result<Exit, Failure> {
    let remote = Remote::open(context, &arguments.config)?;
    let heads = remote.heads(context.clock.now()).await?;
    let size = heads.newest.size();
    let years = remote.years(size).await?;
    for start in &years {
        check_start(&remote, &heads, start).await?;
    }
    let ends = years.iter().skip(1).map(|next| next.first_index).chain([size]);
    let rows: Vec<_> =
        years.iter().zip(ends).map(|(it, end)| (it.year, it.first_index, end - it.first_index)).collect();
    let told: Vec<_> = rows
        .iter()
        .map(|(year, first, records)| json!({ "year": year, "first_index": first, "records": records }))
        .collect();
    context.output.result(&json!({ "log": remote.key.name(), "size": size, "years": told }), || {
        let mut table = vec![["YEAR", "FIRST", "RECORDS"].map(str::to_owned).to_vec()];
        table.extend(rows.iter().map(|(year, first, records)| {
            [u64::from(*year), *first, *records].map(|number| number.to_string()).to_vec()
        }));
        columns(&table)
    })?;
    Ok(Exit::Done)
}

/// Proves that a year begins where the coordinator says: this record is of the year, the one before it of an earlier
/// one, and both are in the log.
pub(super) async fn check_start(remote: &Remote, heads: &Heads, start: &YearStart) -> Result<(), Failure> {
    let checkpoint = heads.of_at_least(start.first_index + 1);
    let found = year_at(remote, checkpoint, start.first_index).await?;
    let before = match start.first_index.checked_sub(1) {
        Some(before) => Some(year_at(remote, checkpoint, before).await?),
        None => None,
    };
    if found == Some(start.year) && before.is_none_or(|before| before.is_some_and(|it| it < start.year)) {
        return Ok(());
    }
    Err(Failure::trouble(format!("the year {} does not begin with record {}", start.year, start.first_index))
        .why("the records there have other times")
        .reason(Reason::LogInconsistent)
        .next("run `tacit log verify`, and tell the operator of the coordinator"))
}

/// The year of a record, proven; nothing when it is none.
async fn year_at(
    remote: &Remote,
    checkpoint: &VerifiedCheckpoint,
    index: u64,
) -> Result<Option<u16>, Failure> {
    let entry = remote.entry(index).await?;
    remote.prove(&entry, checkpoint).await?;
    Ok(entry.record.ok().map(|record| Millis(record.time_ms()).utc_year()))
}
