//! `tacit audit search`: filtered reading. A cursor is a leaf index: what stands before it never changes.

use serde_json::json;

use super::{Desk, Who, filter::Filter};
use crate::{
    cli::Context,
    commands::log::words,
    exit::{Exit, Failure},
};

/// Arguments of `audit search`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    filter: Filter,
    /// Go on from this cursor: the one that the search before ended with.
    #[arg(long, default_value_t = 0, value_name = "INDEX")]
    from: u64,
    /// At most so many.
    #[arg(long, short = 'n', default_value_t = 1000)]
    limit: u64,
    #[command(flatten)]
    who: Who,
}

pub(super) async fn run(context: &Context, arguments: Arguments) -> Result<Exit, Failure> {
    arguments.filter.check()?;
    let desk = Desk::open(context, &arguments.who).await?;
    let checkpoint = desk.checkpoint(context).await?;
    let size = checkpoint.size();
    let (mut found, mut cursor) = (0, size.max(arguments.from));
    desk.records(&checkpoint, arguments.from..size, |entry| {
        match &entry.record {
            Ok(record) if arguments.filter.takes(record, &entry.bytes) => {
                let value = words::value(entry.index, &entry.bytes);
                context.output.result(&value, || words::line(entry.index, record))?;
                found += 1;
            }
            Ok(_) => {}
            Err(problem) => {
                let value = json!({ "index": entry.index, "malformed": problem.to_string() });
                context.output.result(&value, || format!("{:>8}  MALFORMED: {problem}", entry.index))?;
                found += 1;
            }
        }
        if found >= arguments.limit {
            cursor = entry.index + 1;
            return Ok(false);
        }
        Ok(true)
    })
    .await?;
    let end = json!({ "found": found, "cursor": cursor, "size": size });
    context.output.result(&end, || {
        format!("{found} records; go on with --from {cursor}; {size} records are cosigned and were verified so far")
    })?;
    Ok(Exit::Done)
}
