//! `tacit audit sample`: checks drawn at random. Who knows seed, size and filter draws the same ones again.

use std::{collections::BinaryHeap, io::Write as _};

use serde_json::json;
use tacit_ledger::record::Record;
use tacit_model::Clock as _;

use super::{Desk, Who, beside, filter::Filter};
use crate::{
    cli::Context,
    exit::{Exit, Failure},
};

/// Arguments of `audit sample`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// What the draw depends on: agree on it beforehand, so that nobody can say that it was chosen.
    #[arg(long)]
    seed: String,
    /// How many checks.
    #[arg(long, short = 'n', default_value_t = 20)]
    count: usize,
    /// Of the first so many records; of all that are cosigned without it.
    #[arg(long)]
    size: Option<u64>,
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    who: Who,
}

/// Where a record stands in the draw.
fn rank(seed: &str, index: u64) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("tacit v1 audit sample");
    hasher.update(seed.as_bytes()).update(&index.to_be_bytes());
    *hasher.finalize().as_bytes()
}

pub(super) async fn run(context: &Context, arguments: Arguments) -> Result<Exit, Failure> {
    arguments.filter.check()?;
    let desk = Desk::open(context, &arguments.who).await?;
    let checkpoint = desk.checkpoint(context).await?;
    let size = arguments.size.unwrap_or(checkpoint.size()).min(checkpoint.size());
    let (mut drawn, mut of) = (BinaryHeap::new(), 0_u64);
    desk.records(&checkpoint, 0..size, |entry| {
        let Ok(record @ (Record::Access(_) | Record::Refused(_))) = &entry.record else { return Ok(true) };
        if arguments.filter.takes(record, &entry.bytes) {
            of += 1;
            drawn.push((rank(&arguments.seed, entry.index), entry.index, record.id().to_owned()));
            if drawn.len() > arguments.count {
                drawn.pop();
            }
        }
        Ok(true)
    })
    .await?;
    let mut drawn: Vec<(u64, String)> = drawn.into_iter().map(|(_, index, id)| (index, id)).collect();
    drawn.sort_unstable();
    let sample = json!({
        "drawn": context.clock.now().to_rfc3339(), "seed": arguments.seed, "size": size, "of": of,
        "records": drawn.iter().map(|(index, id)| json!({ "index": index, "id": id })).collect::<Vec<_>>(),
    });
    let path = beside(&desk.remote.file.checkpoint, "samples.jsonl");
    let failed = |error| Failure::trouble(format!("{} cannot be written", path.display())).why(error);
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(&path).map_err(failed)?;
    file.write_all(format!("{sample}\n").as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    context.output.result(&sample, || {
        let mut text =
            format!("{} of {of} checks among {size} records, by seed {}", drawn.len(), arguments.seed);
        for (index, id) in &drawn {
            text.push_str(&format!("\n{index:>8}  {id}"));
        }
        text
    })?;
    Ok(Exit::Done)
}
