//! `tacit log export`: the whole log in a folder of files, as C2SP tlog-tiles has them.
//!
//! ```text
//! DIR/vkey                       the log's key, first: it marks whose log the folder holds
//! DIR/tile/entries/<N>           records as they come
//! DIR/tile/<L>/<N>               hashes, as they become full
//! DIR/witness-vkeys              keys of the witnesses
//! DIR/checkpoint                 last: from then on the folder is that log, whole
//! ```
//!
//! Nothing is believed: all tiles are computed from the records, and the root over them must be the signed one. What
//! an earlier export left is used when records and tile agree, and fetched again when they do not.

use std::{ops::Range, path::PathBuf};

use indicatif::ProgressBar;
use serde_json::json;
use tacit_client::Entry;
use tacit_ledger::{
    Hash,
    bundle::{self, BundleId},
    checkpoint::VerifiedCheckpoint,
    layout::{CHECKPOINT, LogFile, WITNESS_VKEYS},
    merkle::leaf_hash,
    note::NoteVerifier,
    quorum::{CosignedCheckpoint, WitnessSet},
    shard::Shard,
    tile::{TILE_WIDTH, TileId},
};

use super::{
    folder::Folder,
    fsck::{ROUND, on_all_cores},
    lines::{self, Form},
    progress,
    remote::{Heads, Remote},
    tiler::Tiler,
    verify::fails,
    year,
};
use crate::{
    cli::Context,
    exit::{Exit, Failure},
};

/// Bundles that are taken up at a time.
pub(super) const BUNDLES: u64 = (ROUND / TILE_WIDTH as usize) as u64;

/// Arguments of `log export`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The folder. A new one is made; an earlier export of the same log is continued.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Also write the records as CSV, one a line, one column for each field that any kind has.
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Also write the records as JSON, one a line, each with its proof under the exported checkpoint.
    #[arg(long, value_name = "FILE")]
    jsonl: Option<PathBuf>,
    /// Only the records of this year (UTC), with what proves them under the checkpoint of the whole log. `tacit log
    /// years` tells which there are.
    #[arg(long, value_name = "YYYY")]
    year: Option<u16>,
    /// Up to the newest checkpoint, also when no quorum of witnesses stands behind it yet.
    #[arg(long)]
    newest: bool,
    /// The auditor's configuration.
    #[arg(long, env = "TACIT_CONFIG", value_name = "FILE")]
    config: PathBuf,
}

pub(super) async fn run(context: &Context, arguments: Arguments) -> Result<Exit, Failure> {
    let remote = Remote::open(context, &arguments.config)?;
    if let Some(year) = arguments.year {
        let heads = remote.heads(context.clock.now()).await?;
        let done = year::export(context, &remote, &heads, &arguments.folder, year, arguments.newest).await?;
        return tell(context, &arguments, &remote.key, &heads, &done);
    }
    let folder = Folder::prepare(&arguments.folder, &remote.key, None)?;
    let earlier = folder.checkpoint(&remote.key)?;
    let earlier_size = earlier.as_ref().map_or(0, VerifiedCheckpoint::size);
    let heads = remote.heads(context.clock.now()).await?;
    let newest = if arguments.newest { &heads.newest } else { heads.of_at_least(earlier_size) };
    let size = newest.size();
    if earlier_size > size {
        let why = format!("the log has {size} records now, {earlier_size} were exported before");
        return Err(fails(&folder.path(CHECKPOINT), why));
    }
    let bar = progress(context, size);
    let mut export = Export::new(&remote, &folder, size);
    let mut tiler = Tiler::new([earlier_size]).map_err(Failure::internal)?;
    let done = export.records(&mut tiler, &bar).await;
    bar.finish_and_clear();
    done?;
    if earlier.is_some_and(|earlier| !tiler.has(&earlier)) {
        let why = format!("the first {earlier_size} records are not those that were exported before");
        return Err(fails(&folder.path(CHECKPOINT), why));
    }
    if tiler.root() != newest.root() {
        return Err(Failure::trouble(format!("the {size} records do not give the root that was signed"))
            .why("the coordinator gave others, or files in the folder were changed")
            .next("export into a new folder; if that fails too, keep both and tell the other auditors"));
    }
    for (id, hashes) in tiler.edge() {
        let width = u16::try_from(hashes.len() / 32).unwrap_or(TILE_WIDTH);
        folder.write(LogFile::Tile(id, width), hashes)?;
    }
    export.finish(newest, &heads.witnesses, |file| file.is_of(size))?;
    let (fetched, kept) = (export.fetched, export.kept);
    let done = Exported { folder: folder.clone(), shard: None, newest: newest.clone(), fetched, kept };
    tell(context, &arguments, &remote.key, &heads, &done)
}

/// What was exported.
pub(super) struct Exported {
    /// Where it is.
    pub(super) folder: Folder,
    /// The year, when it is one.
    pub(super) shard: Option<Shard>,
    /// Under which checkpoint.
    pub(super) newest: VerifiedCheckpoint,
    /// Records that came from the coordinator.
    pub(super) fetched: u64,
    /// Records that were in the folder.
    pub(super) kept: u64,
}

/// Writes the lines that were wished for, and says what was done.
fn tell(
    context: &Context,
    arguments: &Arguments,
    key: &NoteVerifier,
    heads: &Heads,
    done: &Exported,
) -> Result<Exit, Failure> {
    let Exported { folder, shard, newest, fetched, kept } = done;
    let (size, kept) = (newest.size(), *kept);
    let records = shard.map_or(0..size, |shard| shard.first..shard.end);
    for (path, form) in [(&arguments.csv, Form::Csv), (&arguments.jsonl, Form::Json)] {
        if let Some(path) = path {
            let bar = progress(context, records.end - records.start);
            let written = lines::write(folder, newest, &records, path, form, &bar);
            bar.finish_and_clear();
            written?;
        }
    }
    let root = hex::encode(newest.root());
    let cosigned = heads.cosigned.as_ref().filter(|it| it.checkpoint() == newest);
    let (year, first, end) = (shard.map(|it| it.year), records.start, records.end);
    let by = cosigned.map(CosignedCheckpoint::witnesses).unwrap_or_default();
    let place = arguments.folder.display();
    context.output.result(
        &json!({
            "exported": true, "folder": arguments.folder, "size": size, "root": root, "fetched": fetched,
            "kept": kept, "cosigned_by": by, "vkey": key.to_string(), "csv": arguments.csv, "jsonl": arguments.jsonl,
            "year": year, "first": first, "end": end,
        }),
        || {
            let before = if kept > 0 { format!(", {kept} of them there before") } else { String::new() };
            let behind = match by {
                [] => "not cosigned by a quorum of witnesses".to_owned(),
                by => format!("cosigned by {}", by.join(", ")),
            };
            let what = match year {
                Some(year) => format!("the year {year}, records {first} to {} of {size},", end - 1),
                None => format!("{size} records"),
            };
            format!(
                "Exported {what} to {place}{before}\n  root {root}\n  {behind}\n  log key {key}\n  \
                 verify it anywhere, without a network: tacit log verify {place} --vkey {key}",
            )
        },
    )?;
    Ok(Exit::Done)
}

/// An export under way.
pub(super) struct Export<'a> {
    remote: &'a Remote,
    pub(super) folder: &'a Folder,
    size: u64,
    /// Records that came from the coordinator.
    pub(super) fetched: u64,
    /// Records that were in the folder.
    pub(super) kept: u64,
}

impl<'a> Export<'a> {
    /// Of a log of `size` records.
    pub(super) fn new(remote: &'a Remote, folder: &'a Folder, size: u64) -> Self {
        Self { remote, folder, size, fetched: 0, kept: 0 }
    }

    /// Brings in all records, and writes them with the tiles that become full.
    async fn records(&mut self, tiler: &mut Tiler, bar: &ProgressBar) -> Result<(), Failure> {
        let bundles = self.size.div_ceil(u64::from(TILE_WIDTH));
        let mut next = 0;
        while next < bundles {
            let end = bundles.min(next + BUNDLES);
            for leaves in self.round(next..end).await? {
                for (id, hashes) in tiler.append(&leaves).map_err(Failure::internal)? {
                    self.folder.write(LogFile::Tile(id, TILE_WIDTH), &hashes)?;
                }
            }
            next = end;
            bar.set_position(tiler.size());
        }
        Ok(())
    }

    /// The leaves of some bundles, which are in the folder afterwards.
    pub(super) async fn round(&mut self, bundles: Range<u64>) -> Result<Vec<Vec<Hash>>, Failure> {
        let (folder, size) = (self.folder, self.size);
        let found =
            on_all_cores(bundles.clone().collect(), |index| kept_leaves(folder, BundleId(index), size));
        let found = found.into_iter().collect::<std::io::Result<Vec<_>>>()?;
        let mut missing = Vec::new();
        for (index, _) in bundles.clone().zip(&found).filter(|(_, found)| found.is_none()) {
            missing.push(BundleId(index));
        }
        let records = self.fetch(&missing).await?;
        self.fetched += records.iter().map(|part| part.len() as u64).sum::<u64>();
        self.kept += found.iter().flatten().map(|part| part.len() as u64).sum::<u64>();
        let items: Vec<_> = missing.into_iter().zip(records).collect();
        let written = on_all_cores(items, |(id, records)| store(folder, id, size, &records));
        let mut written = written.into_iter();
        // The gaps, in order, are those that were fetched.
        found
            .into_iter()
            .map(|kept| kept.map_or_else(|| written.next().unwrap_or(Ok(Vec::new())), Ok))
            .collect()
    }

    /// The records of these bundles, ascending, each in its place; neighbors in one stream.
    async fn fetch(&self, missing: &[BundleId]) -> Result<Vec<Vec<Entry>>, Failure> {
        let mut all = Vec::with_capacity(missing.len());
        for run in missing.chunk_by(|a, b| a.0 + 1 == b.0) {
            let (Some(first), Some(last)) = (run.first(), run.last()) else { continue };
            let start = first.first_entry();
            let count = last.first_entry() + u64::from(last.width_at(self.size)) - start;
            let mut entries = Vec::new();
            let keep = |entry| {
                entries.push(entry);
                Ok::<_, Failure>(())
            };
            self.remote.reader.entries(start, count, keep).await?;
            let mut entries = entries.into_iter();
            all.extend(
                run.iter().map(|id| entries.by_ref().take(usize::from(id.width_at(self.size))).collect()),
            );
        }
        Ok(all)
    }

    /// Writes what is written last, and removes what an earlier export had and this one does not.
    pub(super) fn finish(
        &self,
        newest: &VerifiedCheckpoint,
        witnesses: &WitnessSet,
        has: impl Fn(LogFile) -> bool,
    ) -> Result<(), Failure> {
        let keys: String = witnesses.iter().map(|witness| format!("{witness}\n")).collect();
        self.folder.write_small(WITNESS_VKEYS, keys.as_bytes())?;
        self.folder.write_small(CHECKPOINT, newest.note())?;
        Ok(self.folder.prune(has)?)
    }
}

/// Leaves of a bundle that is in the folder, if the tile beside it says the same.
fn kept_leaves(folder: &Folder, id: BundleId, size: u64) -> std::io::Result<Option<Vec<Hash>>> {
    let width = id.width_at(size);
    let Some(bytes) = folder.read(LogFile::Entries(id, width))? else { return Ok(None) };
    let Some(tile) = folder.read(LogFile::Tile(TileId { level: 0, index: id.0 }, width))? else {
        return Ok(None);
    };
    let Ok(records) = bundle::decode_exactly(&bytes, width) else { return Ok(None) };
    let leaves: Vec<Hash> = records.into_iter().map(leaf_hash).collect();
    Ok((leaves.as_flattened() == tile).then_some(leaves))
}

/// Writes a bundle and gives its leaves.
fn store(folder: &Folder, id: BundleId, size: u64, records: &[Entry]) -> Result<Vec<Hash>, Failure> {
    let records: Vec<&[u8]> = records.iter().map(|entry| &*entry.bytes).collect();
    let bytes = bundle::encode(&records)
        .map_err(|error| Failure::trouble("the coordinator gave what is no record").why(error))?;
    folder.write(LogFile::Entries(id, id.width_at(size)), &bytes)?;
    Ok(records.into_iter().map(leaf_hash).collect())
}
